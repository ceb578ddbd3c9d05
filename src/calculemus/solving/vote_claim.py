"""A vote of chains against one greedy chain: at equal problems, and at equal tokens."""

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.cost import Cost

CHAINS = "vote:n=8,temperature=0.7"
EQUAL_PROBLEMS = Contrast("eight chains against one", baseline="cot", treatment=CHAINS)
EQUAL_TOKENS = Contrast(
    "the same, for the same number of tokens",
    baseline="cot",
    treatment=CHAINS,
    metric="right answers per 1,000 sampled tokens",
    on="tokens",
)


def per_thousand_tokens(correct: bool, cost: Cost) -> float:
    """Return what 1,000 sampled tokens bring."""
    return 1000 * correct / max(1, (cost.tokens_out or 0) + (cost.tokens_discarded or 0))


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve problems that the shipped model gets right about every second time."""
    problems = lab.problems(smoke="generated:level=4,n=24", small="generated:level=4,n=400")
    metric = per_thousand_tokens if contrast.on == "tokens" else None
    return lab.solve(arm, problems, metric=metric)


CLAIM = Claim((EQUAL_PROBLEMS, EQUAL_TOKENS), control=EQUAL_PROBLEMS.without_treatment(), measure=measure)

"""Votes weighted by probability against votes that are counted, and what weights by chance do."""

from calculemus.claim import Claim, Contrast, Lab, Measured

COUNTED = "vote:n=8,temperature=0.7"
WEIGHTED = "weighted_vote:n=8,temperature=0.7"
EQUAL = Contrast(
    "weighted against counted", baseline=COUNTED, treatment=WEIGHTED, direction="equal", margin=0.03
)
BY_CHANCE = Contrast("weights by chance against counted", COUNTED, f"{WEIGHTED},scorer=random", "lower")


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve problems that the shipped model gets right about every second time."""
    del contrast
    return lab.solve(arm, lab.problems(smoke="generated:level=4,n=24", small="generated:level=4,n=400"))


CLAIM = Claim((EQUAL, BY_CHANCE), control=EQUAL.without_treatment(), measure=measure)

"""What two more digits in every number cost a program, and what they cost a worked solution."""

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.problem import Problem
from calculemus.problems.generated import Generated, Spec
from calculemus.problems.generated.variants import vary
from calculemus.problems.problemset import ProblemSet

LOSS = Contrast(
    "what two more digits take from programs against worked solutions",
    baseline="cot",
    treatment="pal",
    direction="lower",
    metric="share solved with small numbers only, less share solved with large ones only",
    on="loss",
)
SMALL, LARGE = (
    Contrast(f"programs against worked solutions, {n}", "cot", "pal", on=n) for n in ("small", "large")
)
LARGEST = {"smoke": 24, "small": 300}


def pairs(n: int) -> list[tuple[Problem, Problem]]:
    """Return problems of two steps with numbers up to 99, and the same with two more digits."""
    found: list[tuple[Problem, Problem]] = []
    for item in Generated(Spec.level(2), "iid", seed=0):
        variant = vary(item, "digit_expansion")
        if variant is not None:
            found.append((item.to_problem(), variant.to_problem()))
        if len(found) == n:
            break
    return found


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve both of each pair; 1 where only the small numbers worked out, -1 where only the large ones."""
    both = pairs(LARGEST.get(lab.size, LARGEST["small"]))
    small = ProblemSet("pal_claim:small", tuple(problem for problem, _ in both))
    large = ProblemSet("pal_claim:large", tuple(problem for _, problem in both))
    if contrast.on in ("small", "large"):
        return lab.solve(arm, small if contrast.on == "small" else large)
    with_small, with_large = lab.solve(arm, small), lab.solve(arm, large)
    losses = {
        a.id: tuple(x - y for x, y in zip(with_small.outcomes[a.id], with_large.outcomes[b.id], strict=True))
        for a, b in both
    }
    return Measured(losses, with_small.cost + with_large.cost)


CLAIM = Claim((LOSS, SMALL, LARGE), control=LOSS.without_treatment(), measure=measure)

"""The answer alone against a worked solution: the same claim as that of ``cot``, by number of steps."""

from calculemus.claim import Claim, Contrast, Lab, Measured

STEPS = {
    "one step": ("generated:level=1,n=24", "generated:level=1,n=300"),
    "two steps": ("generated:level=2,n=24", "generated:level=2,n=300"),
    "three steps": ("generated:level=3,n=24", "generated:level=3,n=300"),
}
CONTRASTS = tuple(
    Contrast(f"a worked solution against the answer alone, {steps}", "direct", "cot", on=steps)
    for steps in reversed(STEPS)
)


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve problems of so many steps."""
    smoke, small = STEPS[contrast.on]
    return lab.solve(arm, lab.problems(smoke=smoke, small=small))


CLAIM = Claim(CONTRASTS, control=CONTRASTS[0].without_treatment(), measure=measure)

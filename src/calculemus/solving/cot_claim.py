"""A worked solution against the answer alone."""

from calculemus.claim import Claim, Contrast, Lab, Measured

WORKED = Contrast("a worked solution against the answer alone", baseline="direct", treatment="cot")


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve problems of three steps."""
    del contrast
    return lab.solve(arm, lab.problems(smoke="generated:level=3,n=24", small="generated:level=3,n=400"))


CLAIM = Claim((WORKED,), control=WORKED.without_treatment(), measure=measure)

"""The answer of highest expected utility against one greedy chain, and against a plain vote."""

from calculemus.claim import Claim, Contrast, Lab, Measured

CHOSEN = "mbr:n=8,temperature=0.7"
BETTER = Contrast("highest utility of eight against the most probable", baseline="cot", treatment=CHOSEN)
AS_VOTE = Contrast("highest utility against a vote", baseline="vote:n=8,temperature=0.7", treatment=CHOSEN)


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve problems that the shipped model gets right about every second time."""
    del contrast
    return lab.solve(arm, lab.problems(smoke="generated:level=4,n=24", small="generated:level=4,n=400"))


CLAIM = Claim((BETTER, AS_VOTE), control=BETTER.without_treatment(), measure=measure)

"""A tree that deals out its samples by reward, with a verifier whose noise is a dial, against sixteen chains.

All arms draw about the same number of tokens: sixteen solutions. What each drew stands with its cost.
"""

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.engine.judged import JudgedEngine
from calculemus.solving.oracle import noisy_truth

VOTE = "vote:n=16,temperature=0.7"
WEIGHTED = "weighted_vote:n=16,temperature=0.7,scorer=value"
BEAM = "ovm:candidates=16,beams=4"
REBASE = "rebase:width=16"
COIN = "rebase:width=16,scorer=random"
NOISE = {"a fair verifier": 0.5, "the truth": 0.0, "a poor verifier": 2.0}

FAIR, TRUE, POOR = (
    Contrast(f"reward-balanced search by {verifier} against a vote", VOTE, REBASE, on=verifier)
    for verifier in NOISE
)
BEAMS = Contrast("by a fair verifier against a beam by the same", BEAM, REBASE, on="a fair verifier")
WEIGHTS = Contrast("by a fair verifier against a vote weighted by it", WEIGHTED, REBASE, on="a fair verifier")
COINS = Contrast("by a coin against a vote", VOTE, COIN, "lower")


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve problems that the shipped model gets right about every second time."""
    problems = lab.problems(smoke="generated:level=4,n=6", small="generated:level=4,n=120")
    if arm in (VOTE, COIN):
        return lab.solve(arm, problems)
    sigma = NOISE[contrast.on]
    judged = JudgedEngine(lab.model(), noisy_truth(problems, sigma), f"the truth, noise {sigma}")
    return lab.solve(arm, problems, engine=judged)


CLAIM = Claim((FAIR, TRUE, POOR, BEAMS, WEIGHTS, COINS), control=FAIR.without_treatment(), measure=measure)

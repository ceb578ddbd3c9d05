"""A beam led by a verifier against votes and the best of as many chains, and with a verifier that is a dial.

All arms sample about the same number of tokens, that of twenty solutions; what each took stands with its
cost. At the size ``smoke`` there is no time to train: there the truth with some noise stands in.
"""

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.engine.base import Engine
from calculemus.engine.judged import JudgedEngine
from calculemus.problems.problemset import ProblemSet
from calculemus.solving.oracle import noisy_truth

VOTE = "vote:n=20,temperature=0.7"
WEIGHTED = "weighted_vote:n=20,temperature=0.7,scorer=value"
BEST = "best_of_n:n=20,temperature=0.7,scorer=value"
BEAM = "ovm:candidates=20,beams=5"
COIN = f"{BEAM},scorer=random"
TRAINED = "a trained verifier"
DIAL = {"the truth": 0.0, "the truth, noise 0.5": 0.5, "the truth, noise 1": 1.0, "the truth, noise 2": 2.0}

VOTES = Contrast(f"a beam led by {TRAINED} against a vote", VOTE, BEAM, on=TRAINED)
WEIGHTS = Contrast("against a vote weighted by the same verifier", WEIGHTED, BEAM, on=TRAINED)
WHOLES = Contrast("against the best of as many chains by the same verifier", BEST, BEAM, on=TRAINED)
COINS = Contrast("a beam led by a coin against a vote", VOTE, COIN, "lower")
NOISES = tuple(
    Contrast(f"a beam led by {verifier} against a vote", VOTE, BEAM, on=verifier) for verifier in DIAL
)


def judged(lab: Lab, problems: ProblemSet, sigma: float) -> Engine:
    """Return the model with the truth, so much noise added, beside it."""
    return JudgedEngine(lab.model(), noisy_truth(problems, sigma), f"the truth, noise {sigma:g}")


def verified(lab: Lab, problems: ProblemSet, verifier: str) -> Engine:
    """Return the model with what leads the search beside it; a model of the user's brings its own."""
    if verifier in DIAL:
        return judged(lab, problems, DIAL[verifier])
    if lab.size == "smoke":
        return judged(lab, problems, 0.5)
    return lab.model("ovm") if lab.size == "small" else lab.model()


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve problems that the shipped model gets right about every second time."""
    problems = lab.problems(smoke="generated:level=4,n=6", small="generated:level=4,n=150")
    if arm in (VOTE, COIN):
        return lab.solve(arm, problems)
    return lab.solve(arm, problems, engine=verified(lab, problems, contrast.on))


CLAIM = Claim((VOTES, WEIGHTS, WHOLES, COINS, *NOISES), control=VOTES.without_treatment(), measure=measure)

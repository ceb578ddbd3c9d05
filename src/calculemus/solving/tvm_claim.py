"""Two verifiers from the same samples, one learned from outcomes and one from token labels, lead one beam.

At the size ``smoke`` there is no time to train: there the truth with two amounts of noise stands in.
"""

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.engine.base import Engine
from calculemus.engine.judged import JudgedEngine
from calculemus.engine.verified import VerifiedEngine
from calculemus.problems.problemset import ProblemSet
from calculemus.solving.oracle import noisy_truth

# One solver for both, so that both beams begin with the same draws.
OUTCOMES, TOKENS = "tvm:candidates=20,beams=5,heads=ovm", "tvm:candidates=20,beams=5,heads=tvm"
BOTH = "tvm:candidates=20,beams=5,heads=ovm+tvm"
COIN = "tvm:candidates=20,beams=5,scorer=random"
VOTE = "vote:n=20,temperature=0.7"
STAND_INS = {"ovm": 0.5, "tvm": 0.4}

LABELS = Contrast("labels of tokens against outcomes", OUTCOMES, TOKENS)
VOTES = Contrast("a beam led by token labels against a vote of as many tokens", VOTE, TOKENS)
MEANS = Contrast("the mean of both verifiers against that of tokens alone", TOKENS, BOTH)
COINS = Contrast("a beam led by a coin against a vote of as many tokens", VOTE, COIN, "lower")


def verified(lab: Lab, problems: ProblemSet) -> Engine:
    """Return the model with both verifiers beside it; a model of the user's brings its own."""
    if lab.size != "smoke":
        return lab.model(*STAND_INS) if lab.size == "small" else lab.model()
    judges = {
        name: JudgedEngine(lab.model(), noisy_truth(problems, sigma, seed), f"the truth, {sigma:g}, {name}")
        for seed, (name, sigma) in enumerate(STAND_INS.items())
    }
    return VerifiedEngine(lab.model(), judges)


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve problems that the shipped model gets right about every second time."""
    del contrast
    problems = lab.problems(smoke="generated:level=4,n=6", small="generated:level=4,n=300")
    if arm in (VOTE, COIN):
        return lab.solve(arm, problems)
    return lab.solve(arm, problems, engine=verified(lab, problems))


CLAIM = Claim((LABELS, VOTES, MEANS, COINS), control=LABELS.without_treatment(), measure=measure)

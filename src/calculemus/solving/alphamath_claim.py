"""A beam over steps against greedy decoding, a vote, and the search by simulations, all with one verifier.

Steps are lines of text: the shipped model writes no code between them. At the size ``smoke`` there is no time
to train: there the truth with some noise stands in.
"""

from calculemus.claim import Claim, Contrast, Lab, Measured, Metric
from calculemus.cost import Cost
from calculemus.engine.base import Engine
from calculemus.engine.judged import JudgedEngine
from calculemus.problems.problemset import ProblemSet
from calculemus.solving.oracle import noisy_truth

GREEDY, VOTE = "cot", "vote:n=15,temperature=0.6"
BEAM = "alphamath:step=line,values=unit"
TREE = "alphamath:step=line,values=unit,strategy=mcts,temperature=1.0"
COIN = "alphamath:step=line,scorer=random"
THIRD = "sampled tokens, the beam's times 3"
SIGMA = 0.5

GREEDILY = Contrast("a beam of 3 by 5 against greedy decoding", GREEDY, BEAM)
VOTES = Contrast("the beam against a vote of 15 chains", VOTE, BEAM)
TREES = Contrast("the beam against 40 simulations", TREE, BEAM, "equal", margin=0.08)
CHEAPER = Contrast("the beam against 40 simulations", TREE, BEAM, "lower", metric=THIRD, on=THIRD)
COINS = Contrast("a beam led by a coin against a vote of 15 chains", VOTE, COIN, "lower")


def verified(lab: Lab, problems: ProblemSet) -> Engine:
    """Return the model with its verifier beside it; a model of the user's brings its own."""
    if lab.size != "smoke":
        return lab.model("ovm") if lab.size == "small" else lab.model()
    truth = noisy_truth(problems, SIGMA)

    def judge(text: str) -> float:
        return min(1.0, max(0.0, truth(text)))

    return JudgedEngine(lab.model(), judge, f"the truth, noise {SIGMA:g}, in 0..1")


def _tokens(times: int) -> Metric:
    def count(correct: bool, cost: Cost) -> float:
        del correct
        return float(times * ((cost.tokens_out or 0) + (cost.tokens_discarded or 0)))

    return count


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve problems that the shipped model gets right about every second time."""
    problems = lab.problems(smoke="generated:level=4,n=6", small="generated:level=4,n=150")
    metric = _tokens(3 if arm == BEAM else 1) if contrast.on == THIRD else None
    engine = verified(lab, problems) if arm in (BEAM, TREE) else None
    return lab.solve(arm, problems, metric=metric, engine=engine)


CLAIM = Claim((GREEDILY, VOTES, TREES, CHEAPER, COINS), control=GREEDILY.without_treatment(), measure=measure)

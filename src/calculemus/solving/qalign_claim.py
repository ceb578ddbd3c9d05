"""A vote over a walk against best of N under a reward that is misled now and then, for as many tokens.

The reward knows the truth, errs a little on every text, and is taken in by a few: the larger N, the likelier
best of N finds one of these. A step of the walk draws half a solution on average.
"""

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.engine.judged import Judge, JudgedEngine
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng
from calculemus.solving.oracle import noisy_truth

NOISE = 0.5  # standard deviation of the small errors
TAKEN_IN = 0.06  # how often a text gets this much more than it deserves:
UNDESERVED = 3.0

FEW, MANY = "best_of_n:n=4,temperature=1,scorer=value", "best_of_n:n=32,temperature=1,scorer=value"
SHORT, LONG = "qalign:steps=6,scorer=value", "qalign:steps=62,scorer=value"  # as many tokens
VOTE = "vote:n=32,temperature=1"
BLIND = "qalign:steps=62,scorer=random"

AGAINST_BEST = Contrast("a walk against the best of 32", MANY, LONG)
BEST_FALLS = Contrast("the best of 32 against the best of 4", FEW, MANY, direction="lower")
WALK_RISES = Contrast("a walk as long as 32 solutions against one as long as 4", SHORT, LONG)
AGAINST_VOTE = Contrast("a walk against a vote of 32", VOTE, LONG)
AGAINST_CHANCE = Contrast("a walk against one whose reward is chance", BLIND, LONG)


def misled_reward(problems: ProblemSet) -> Judge:
    """Return the truth with small errors everywhere and a large one here and there, the same for a text."""
    truth = noisy_truth(problems, NOISE)

    def judge(text: str) -> float:
        is_taken_in = Rng(0, ("taken in", text)).generator().random() < TAKEN_IN
        return truth(text) + UNDESERVED * is_taken_in

    return judge


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve problems that the shipped model gets right about every second time."""
    del contrast
    problems = lab.problems(smoke="generated:level=4,n=4", small="generated:level=4,n=120")
    name = f"the truth, noise {NOISE}, misled on {TAKEN_IN:.0%}"
    return lab.solve(arm, problems, engine=JudgedEngine(lab.model(), misled_reward(problems), name))


CONTRASTS = (AGAINST_BEST, BEST_FALLS, WALK_RISES, AGAINST_VOTE, AGAINST_CHANCE)
CLAIM = Claim(CONTRASTS, control=AGAINST_BEST.without_treatment(), measure=measure)

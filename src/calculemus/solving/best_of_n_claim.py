"""The best of eight chains by a verifier that knows, one that errs, and one that tosses a coin."""

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.engine.judged import Judge, JudgedEngine
from calculemus.grading import get_grader
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng

ONE = "vote:n=1,temperature=0.7"
BEST = "best_of_n:n=8,temperature=0.7,scorer=value"
ERRS = 0.2  # how often the noisy verifier takes right for wrong and wrong for right
VERIFIERS = {"a noisy verifier": ERRS, "an oracle": 0.0, "a coin": 0.5}

NOISY, ORACLE, COIN = (
    Contrast(f"the best of eight by {verifier} against one chain", ONE, BEST, on=verifier)
    for verifier in VERIFIERS
)
LIKELY = Contrast("the most probable of eight against one chain", ONE, "best_of_n:n=8,temperature=0.7")


def verifier(problems: ProblemSet, error: float) -> Judge:
    """Return what says of a chain whether its answer is right, and errs on so many chains."""
    by_question = {problem.question: problem for problem in problems}
    grader = get_grader("default")

    def judge(text: str) -> float:
        problem = next(by_question[question] for question in by_question if question in text)
        chain = text.rpartition(problem.question)[2]
        is_right = grader.grade(problem, chain).correct
        errs = Rng(0, ("verifier", text)).generator().random() < error
        return float(is_right != errs)

    return judge


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve problems that the shipped model gets right about every second time."""
    problems = lab.problems(smoke="generated:level=4,n=24", small="generated:level=4,n=400")
    if contrast.on not in VERIFIERS or arm == ONE:
        return lab.solve(arm, problems)
    judge = verifier(problems, VERIFIERS[contrast.on])
    return lab.solve(arm, problems, engine=JudgedEngine(lab.model(), judge, contrast.on))


CLAIM = Claim((NOISY, ORACLE, COIN, LIKELY), control=COIN, measure=measure)

"""Verifiers whose quality is a dial: the truth about a partial solution, with as much noise as wanted.

For claims and studies. They know the right answers, so they sit beside the engine, never in a solver:

    engine = JudgedEngine(lab.model(), noisy_truth(problems, sigma=0.5), "the truth, noise 0.5")
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache

from calculemus.grading import get_grader
from calculemus.grading.votes import extract_answer
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.steps import is_final

_RESULT = re.compile(r"<<[^<>=]*=([^<>]*)>>")


def is_on_track(problem: Problem, text: str) -> bool:
    """Say whether a partial solution can still be what the problem's own solution comes to.

    It can while each result in its annotations is one of the solution's, no more often than there; a whole
    one must give the right answer. Another way to the answer counts as off track.

    Args:
        problem: With its answer, and its solution annotated as in GSM8K.
        text: The steps so far.
    """
    if is_final(text.rstrip().rpartition("\n")[2]) and extract_answer(text) is not None:
        return get_grader("default").grade(problem, text).correct
    own = Counter(_RESULT.findall(problem.solution or ""))
    return not Counter(_RESULT.findall(text)) - own


def noisy_truth(problems: Iterable[Problem], sigma: float, seed: int = 0) -> Callable[[str], float]:
    """Return a judge of texts: 1 on track and 0 off it, plus Gaussian noise, always the same for a text.

    Args:
        problems: Those that may be asked about; a text belongs to the one whose question is in it.
        sigma: Standard deviation of the noise.
        seed: Which noise.
    """
    known = {problem.question: problem for problem in problems}

    @lru_cache(4096)
    def find(start: str) -> Problem:
        return next(problem for question, problem in known.items() if question in start)

    longest = max(map(len, known), default=0)

    def judge(text: str) -> float:
        problem = find(text[: longest + 200])
        steps = text[text.index(problem.question) + len(problem.question) :]
        noise = Rng(seed, ("noisy truth", text)).generator().standard_normal() if sigma else 0.0
        return float(is_on_track(problem, steps)) + sigma * float(noise)

    return judge

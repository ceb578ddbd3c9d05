"""The grader of the Game of 24: an expression counts if it uses each number once and makes 24 exactly."""

from dataclasses import dataclass

from calculemus.grading.base import Finding, graded
from calculemus.grading.profiles import default
from calculemus.problem import Problem
from calculemus.problems import game24
from calculemus.verdict import Verdict

_LONGEST = 20_000  # characters at the end of a response that are read


@dataclass(frozen=True)
class Game24Grader:
    """Checks an expression against ``meta['numbers']``; problems without these go to the default grader."""

    name: str = "game24"
    version: int = 1

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response; see ``Grader``."""
        return graded(self, problem, response, self._find)

    def _find(self, problem: Problem, response: str) -> Finding:
        numbers = problem.meta.get("numbers")
        if not numbers:  # another kind of problem
            verdict = default().grade(problem, response)
            return verdict.outcome, verdict.extracted, verdict.how
        is_right, expression = game24.check(numbers, response[-_LONGEST:])
        if is_right is None:
            return "unparsed", None, "no expression found"
        return "correct" if is_right else "wrong", expression, "expression/exact"

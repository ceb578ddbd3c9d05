"""The grader of the Game of 24: an expression counts if it uses each number once and makes 24 exactly."""

from dataclasses import dataclass
from time import perf_counter

from calculemus.grading.profiles import default
from calculemus.problem import Problem
from calculemus.problems import game24
from calculemus.verdict import Outcome, Verdict

_LONGEST = 20_000  # characters at the end of a response that are read


@dataclass(frozen=True)
class Game24Grader:
    """Checks an expression against ``meta['numbers']``; problems without these go to the default grader."""

    name: str = "game24"
    version: int = 1

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response; see ``Grader``."""
        start = perf_counter()
        outcome, extracted, how = self._grade(problem, response)
        return Verdict(outcome, extracted, how, f"{self.name}@{self.version}", perf_counter() - start)

    def _grade(self, problem: Problem, response: str | None) -> tuple[Outcome, str | None, str]:
        if response is None:
            return "error", None, "no response"
        if not isinstance(response, str):
            raise TypeError(
                f"grading '{problem.id}': the response is {type(response).__name__}; expected text"
            )
        numbers = problem.meta.get("numbers")
        if not numbers:  # another kind of problem
            verdict = default().grade(problem, response)
            return verdict.outcome, verdict.extracted, verdict.how
        is_right, expression = game24.check(numbers, response[-_LONGEST:])
        if is_right is None:
            return "unparsed", None, "no expression found"
        return "correct" if is_right else "wrong", expression, "expression/exact"

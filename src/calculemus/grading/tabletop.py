"""The grader of tabletop commands: what an answer says was done is done again, and the table compared."""

from dataclasses import dataclass
from time import perf_counter

from calculemus.grading.profiles import default
from calculemus.problem import Problem
from calculemus.problems import tabletop
from calculemus.verdict import Outcome, Verdict


@dataclass(frozen=True)
class TabletopGrader:
    """Checks a log of calls on the table of ``meta['world']``; other problems go to the default grader."""

    name: str = "tabletop"
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
        if tabletop.world_of(problem) is None:  # another kind of problem
            verdict = default().grade(problem, response)
            return verdict.outcome, verdict.extracted, verdict.how
        is_right, state = tabletop.check(problem, response)
        if is_right is None:
            return "unparsed", None, state
        return "correct" if is_right else "wrong", state, "state/exact"

"""The grader of tabletop commands: what an answer says was done is done again, and the table compared."""

from dataclasses import dataclass

from calculemus.grading.base import Finding, graded
from calculemus.grading.profiles import default
from calculemus.problem import Problem
from calculemus.problems import tabletop
from calculemus.verdict import Verdict


@dataclass(frozen=True)
class TabletopGrader:
    """Checks a log of calls on the table of ``meta['world']``; other problems go to the default grader."""

    name: str = "tabletop"
    version: int = 1

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response; see ``Grader``."""
        return graded(self, problem, response, self._find)

    def _find(self, problem: Problem, response: str) -> Finding:
        if tabletop.world_of(problem) is None:  # another kind of problem
            verdict = default().grade(problem, response)
            return verdict.outcome, verdict.extracted, verdict.how
        is_right, state = tabletop.check(problem, response)
        if is_right is None:
            return "unparsed", None, state
        return "correct" if is_right else "wrong", state, "state/exact"

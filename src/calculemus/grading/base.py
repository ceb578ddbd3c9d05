"""What a grader is."""

from collections.abc import Callable
from time import perf_counter
from typing import Protocol

from calculemus.problem import Problem
from calculemus.verdict import Outcome, Verdict

Finding = tuple[Outcome, str | None, str]
"""What a grader found: the outcome, what it took for the answer, and the rule that decided."""


class Grader(Protocol):
    """Decides whether a response answers a problem. Total: any text gets a verdict, soon."""

    @property
    def name(self) -> str:
        """The profile's name, for example ``default``."""
        ...

    @property
    def version(self) -> int:
        """Raised whenever any verdict of this grader may change; stored with every result."""
        ...

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response.

        Args:
            problem: Gives the golds and tolerances.
            response: All that the system wrote; None where it failed, which gives ``error``.

        Raises:
            TypeError: The response is neither text nor None.
            GradingError: The gold cannot be read.
        """
        ...


def graded(
    grader: Grader, problem: Problem, response: str | None, find: Callable[[Problem, str], Finding]
) -> Verdict:
    """Return the verdict on what ``find`` finds in a response; of none, that there is none.

    Raises:
        TypeError: The response is neither text nor None.
    """
    start = perf_counter()
    if response is not None and not isinstance(response, str):
        raise TypeError(f"grading '{problem.id}': the response is {type(response).__name__}; expected text")
    found: Finding = ("error", None, "no response") if response is None else find(problem, response)
    return Verdict(*found, grader_id(grader), perf_counter() - start)


def grader_id(grader: Grader) -> str:
    """Return ``name@version``: what results are stored under."""
    return f"{grader.name}@{grader.version}"

"""What a grader is."""

from typing import Protocol

from calculemus.problem import Problem
from calculemus.verdict import Verdict


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


def grader_id(grader: Grader) -> str:
    """Return ``name@version``: what results are stored under."""
    return f"{grader.name}@{grader.version}"

"""What a transform is: a function from a problem to problems made of it.

    @dataclass(frozen=True)
    class Shout(Transform):
        def apply(self, problem):
            return [replace(problem, question=problem.question.upper())]

Where each problem becomes exactly one with the same answer, the transform can stand before any solver:
``shout:inner=cot`` is a solver, too; see ``calculemus.solving.transformed``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from calculemus.params import Configured
from calculemus.problem import Problem


@dataclass(frozen=True)
class Transform(Configured):
    """Base of all transforms: parameters are its fields."""

    @property
    def reads(self) -> str:
        """Name by content what it reads besides its parameters, such as a file; nothing by default.

        A run's key has it, so that a run is not gone on with after the file has changed.
        """
        return ""

    def apply(self, problem: Problem) -> Sequence[Problem]:
        """Return the problems that one becomes.

        Args:
            problem: Is not changed.
        """
        raise NotImplementedError

"""What a study compares: a system, which answers problems."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from calculemus.problems.problemset import ProblemSet
from calculemus.solution import Solution


@dataclass(frozen=True, slots=True)
class Answer:
    """One system's solution of one problem; ``sample`` numbers repeated tries from 0."""

    problem_id: str
    sample: int
    solution: Solution


class System(Protocol):
    """Anything that answers problems: a solver on an engine, or solutions recorded in a file."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def spec(self) -> Mapping[str, Any]:
        """Return, JSON-like, everything that changes its answers; two equal specs answer alike."""
        ...

    def answers(self, problems: ProblemSet, done: Container[tuple[str, int]]) -> Iterator[Answer]:
        """Yield the answers that are not in ``done`` (pairs of problem id and sample), as they come."""
        ...

"""A named, ordered set of problems."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from calculemus.errors import ProblemError
from calculemus.params import digest
from calculemus.problem import Problem


@dataclass(frozen=True)
class ProblemSet:
    """Problems with unique ids, in a fixed order.

    Attributes:
        name: As it was asked for, for example ``gsm8k:test``.
        problems: The problems.
        source: Where they were read from, for people.

    Raises:
        ProblemError: No problems, or two of one id.
    """

    name: str
    problems: tuple[Problem, ...]
    source: str = ""

    def __post_init__(self) -> None:
        if not self.problems:
            raise ProblemError(
                f"problem set '{self.name}' ({self.source}): it is empty; expected at least one problem"
            )
        seen: dict[str, int] = {}
        for index, problem in enumerate(self.problems):
            if problem.id in seen:
                raise ProblemError(
                    f"problem set '{self.name}' ({self.source}): records {seen[problem.id] + 1} and "
                    f"{index + 1} both have the id '{problem.id}'; ids must be unique: rename or remove one"
                )
            seen[problem.id] = index

    def __len__(self) -> int:
        return len(self.problems)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.problems)

    def first(self, n: int) -> "ProblemSet":
        """Return the set of its first ``n`` problems, under the same name."""
        return ProblemSet(self.name, self.problems[:n], self.source)

    def __getitem__(self, index: int) -> Problem:
        return self.problems[index]

    @cached_property
    def by_id(self) -> dict[str, Problem]:
        """The problems by id."""
        return {problem.id: problem for problem in self.problems}

    @cached_property
    def digest(self) -> str:
        """Names the set by its content: ids, questions and everything that grading reads."""
        keys: Sequence[object] = [[p.id, p.question, list(p.golds), dict(p.meta)] for p in self.problems]
        return digest(keys)

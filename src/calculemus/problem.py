"""A problem: a question, and the answer it is graded against."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from calculemus.errors import ProblemError


@dataclass(frozen=True, slots=True)
class Problem:
    """One question with its gold answer.

    Attributes:
        id: Unique in its set, for example ``gsm8k:test/0``.
        question: What a system is asked.
        answer: The gold answer as canonical text; exact arithmetic reads it as a ``Fraction``.
        solution: A worked solution, where the source has one.
        program: Python source whose ``solution()`` returns the answer, where the source has one.
        meta: JSON-like facts. Graders read ``answers`` (a list of further accepted golds), ``rel_tol``,
            ``abs_tol`` (numbers or decimal strings) and ``figures`` (significant figures asked for);
            statistics read ``group`` (the cluster that variants of one problem share) and ``steps``.

    Example:
        >>> problem = Problem("halves/0", "What is half of 3?", "3/2", meta={"answers": ["1.5"]})
        >>> problem.golds
        ('3/2', '1.5')
    """

    id: str
    question: str
    answer: str
    solution: str | None = None
    program: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("id", "question", "answer"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise ProblemError(
                    f"problem {self.id!r}: '{name}' is {type(value).__name__} {value!r}; expected text"
                )
        if not self.id:
            raise ProblemError(f"problem {self.question[:60]!r}: its id is empty; give every problem an id")

    @property
    def golds(self) -> tuple[str, ...]:
        """Every answer that counts as right: ``answer``, then ``meta['answers']``."""
        further = self.meta.get("answers", ())
        if isinstance(further, str):
            raise ProblemError(
                f"problem '{self.id}': meta 'answers' is the text {further!r}; expected a list of texts"
            )
        return (self.answer, *further)

    @property
    def group(self) -> str:
        """The cluster for statistics: variants of one problem share it; by default the problem itself."""
        return str(self.meta.get("group", self.id))

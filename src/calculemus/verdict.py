"""What a grader says about one response."""

from dataclasses import dataclass, field
from typing import Literal, get_args

Outcome = Literal["correct", "wrong", "unparsed", "error"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A grader's finding, with the rule that led to it.

    Attributes:
        outcome: ``correct``; ``wrong``; ``unparsed`` (no answer was found, or its equality with the gold
            could not be decided: it scores like ``wrong`` and is counted apart); ``error`` (the system
            failed and left nothing to grade).
        extracted: The text taken for the answer; None where none was found.
        how: The rules that fired, extraction first, for example ``boxed/number``.
        grader: ``name@version``.
        seconds: Wall-clock time of grading; not part of equality.

    Example:
        >>> verdict = Verdict("correct", extracted="18", how="answer-line/number", grader="default@1")
        >>> verdict.correct
        True
    """

    outcome: Outcome
    extracted: str | None
    how: str
    grader: str
    seconds: float | None = field(default=None, compare=False)

    @property
    def correct(self) -> bool:
        """Whether the response scores."""
        return self.outcome == "correct"

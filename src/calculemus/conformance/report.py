"""What came of the checks of one method."""

from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["passed", "failed", "expected failure", "stale expectation", "skipped"]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one check.

    Attributes:
        check: Its name.
        outcome: ``failed`` and ``stale expectation`` are faults, the others are none.
        message: What was found, the declared reason, or why it was skipped; empty where it passed.
    """

    check: str
    outcome: Outcome
    message: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether the method does not conform because of it."""
        return self.outcome in ("failed", "stale expectation")


@dataclass(frozen=True, slots=True)
class Report:
    """What came of all checks that there are for a method.

    Attributes:
        name: The method's.
        interface: What it is to callers.
        results: One for each check, in the order in which they were made.
    """

    name: str
    interface: str
    results: tuple[Result, ...]

    @property
    def ok(self) -> bool:
        """Whether the method conforms."""
        return not self.faults

    @property
    def faults(self) -> tuple[Result, ...]:
        """What keeps it from conforming."""
        return tuple(result for result in self.results if result.is_fault)

    def count(self, outcome: Outcome) -> int:
        """Return how many checks came out so."""
        return sum(result.outcome == outcome for result in self.results)

    def record(self) -> dict[str, Any]:
        """Return it as plain lists and dictionaries."""
        return {
            "name": self.name,
            "interface": self.interface,
            "ok": self.ok,
            "results": [
                {"check": result.check, "outcome": result.outcome, "message": result.message}
                for result in self.results
            ],
        }

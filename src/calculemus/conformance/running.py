"""Putting a method through every check that there is for it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calculemus.conformance.finding import find
from calculemus.conformance.registry import Check, all_checks
from calculemus.conformance.report import Report, Result
from calculemus.conformance.subject import Subject
from calculemus.errors import NotConformingError


def check_method(method: Any, *, folders: Sequence[Path] = (), patience: float = 60.0) -> Report:
    """Put a method, ours or a stranger's, through every check of its interface.

    Args:
        method: An id of the catalog, the name of a grader profile, a card, the path of a card, of its folder
            or of a Python file, a class, or an instance.
        folders: More folders with cards.
        patience: Seconds that one thing it is asked to do may take.

    Raises:
        CardError: There is no such method, it is planned, or its card cannot be read.

    Example:
        >>> report = check_method("direct")
        >>> report.ok, report.count("failed")
        (True, 0)
    """
    return check_subject(find(method, folders), patience)


def check_subject(subject: Subject, patience: float = 60.0) -> Report:
    """Put a method that was found through its checks; see ``check_method``."""
    subject.patience = patience
    checks = [check for check in all_checks() if check.interface in (None, subject.interface)]
    names = [check.name for check in checks]
    with subject.open:
        runs = _Runs(subject, checks)
        results = [runs.result(name) for name in names]
    unknown = [
        Result(
            name, "stale expectation", f"no check of a {subject.interface} is called so: take it off the card"
        )
        for name in subject.expected_failures
        if name not in names
    ]
    return Report(subject.name, subject.interface, (*results, *unknown))


class _Runs:
    """Makes each check once, after those that it rests on."""

    def __init__(self, subject: Subject, checks: Sequence[Check]) -> None:
        self._subject = subject
        self._checks = {check.name: check for check in checks}
        self._results: dict[str, Result] = {}
        self._found_by: dict[int, tuple[str, NotConformingError]] = {}

    def result(self, name: str) -> Result:
        """Return what came of a check."""
        if name not in self._results:
            self._results[name] = self._make(self._checks[name])
        return self._results[name]

    def _make(self, check: Check) -> Result:
        subject = self._subject
        why_not = check.why_not(subject) or self._what_stands_in_the_way(check)
        if why_not is not None:
            return Result(check.name, "skipped", why_not)
        reason = subject.expected_failures.get(check.name)
        try:
            why_not = check.run(subject)
        except NotConformingError as error:
            return self._failed(check.name, error, reason)
        except Exception as error:  # a stranger's method may raise anything from anywhere
            return Result(check.name, "failed", f"{subject.name}: {type(error).__name__}: {error}")
        if why_not is not None:
            return Result(check.name, "skipped", why_not)
        if reason is not None:
            found = f"the card says that it fails ({reason}), and it passes: take it off the card"
            return Result(check.name, "stale expectation", found)
        return Result(check.name, "passed")

    def _what_stands_in_the_way(self, check: Check) -> str | None:
        failed = [name for name in check.after if self.result(name).outcome in ("failed", "expected failure")]
        return f"{failed[0]} fails" if failed else None

    def _failed(self, name: str, error: NotConformingError, reason: str | None) -> Result:
        if reason is not None:
            return Result(name, "expected failure", reason)
        # What was found out once is raised again for every check that needs it.
        first, _ = self._found_by.setdefault(id(error), (name, error))
        if first != name:
            return Result(name, "skipped", f"{first} fails")
        return Result(name, "failed", str(error))

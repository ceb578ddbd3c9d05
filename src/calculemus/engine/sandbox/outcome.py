"""From what a process reported to what a user is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calculemus.engine.sandbox.inside.decode import decode
from calculemus.engine.sandbox.look import Plan
from calculemus.engine.sandbox.record import Call, Run, Status, Tier, read_numeral
from calculemus.errors import BadReplyError


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a program on one tier.

    Attributes:
        status: As in ``Run``.
        value: The value; None also where there is none.
        has_entry: Whether the value came from the entry function.
        stdout: What was printed.
        error_kind: As in ``Run``.
        error: As in ``Run``.
        module: The module that could not be imported.
        seconds: As in ``Run``.
        peak_bytes: As in ``Run``.
        pending: As in ``Run``.
    """

    status: Status
    value: Any = None
    has_entry: bool = False
    stdout: str = ""
    error_kind: str | None = None
    error: str | None = None
    module: str | None = None
    seconds: float = 0.0
    peak_bytes: int | None = None
    pending: Call | None = None

    @property
    def lacks_value(self) -> bool:
        """Whether the program ran to its end and no expression had a value."""
        return self.status == "ok" and self.value is None


_STATUSES = ("ok", "raised", "memory", "output_limit", "forbidden", "suspended")
_SENTENCES = {
    "memory": "the program needs more memory than it may have",
    "output_limit": "the program prints more than it may",
    "value_too_large": "the value is larger than it may be",
}


def _text(report: Mapping[str, Any], key: str) -> str | None:
    value = report.get(key)
    return value if isinstance(value, str) else None


def bad_reply(why: str, seconds: float, peak_bytes: int | None) -> Outcome:
    """Return the outcome of a process that answered nonsense."""
    return Outcome(
        "crashed",
        error_kind="bad_reply",
        error=f"the program's process sent a reply that {why}; it may have written to the channel itself",
        seconds=seconds,
        peak_bytes=peak_bytes,
    )


def read_report(report: Any, seconds: float, peak_bytes: int | None) -> Outcome:
    """Read what a process of the jail reported; the program may have written it."""
    if not isinstance(report, dict) or report.get("status") not in _STATUSES:
        return bad_reply("is no report", seconds, peak_bytes)
    try:
        value = decode(report.get("value"))
    except BadReplyError as problem:
        return bad_reply(f"has no value that can be read ({problem})", seconds, peak_bytes)
    kind = _text(report, "error_kind")
    pending = None
    if report["status"] == "suspended":
        pending, value = _read_call(value), None
        if pending is None:
            return bad_reply("waits for no call", seconds, peak_bytes)
    return Outcome(
        status=report["status"],
        value=value,
        has_entry=report.get("has_entry") is True,
        stdout=_text(report, "stdout") or "",
        error_kind=kind,
        error=_text(report, "error") or _SENTENCES.get(kind or ""),
        module=_text(report, "module"),
        seconds=seconds,
        peak_bytes=peak_bytes,
        pending=pending,
    )


def _read_call(value: Any) -> Call | None:
    """Return the call that a value names; None where it names none."""
    if not isinstance(value, tuple) or [type(part) for part in value] != [str, tuple, dict]:
        return None
    name, args, kwargs = value
    return Call(name, args, kwargs) if all(isinstance(key, str) for key in kwargs) else None


def _last_line(stdout: str) -> str | None:
    lines = [line for line in stdout.splitlines() if line.strip()]
    return lines[-1] if lines else None


def _without_value(outcome: Outcome, entry: str) -> tuple[Status, Any, str | None, str | None]:
    """Take the last printed line for the value; without one, say what is missing."""
    line = _last_line(outcome.stdout)
    if line is not None:
        return "ok", read_numeral(line), None, None
    if outcome.has_entry:
        return "raised", None, "no_return", f"{entry}() returned None; expected a value"
    lacks = (
        f"neither defines {entry}() nor" if entry else "calls its function with its own arguments and neither"
    )
    return "raised", None, "no_function", f"the program {lacks} leaves or prints a value"


def _printed_number(outcome: Outcome, plan: Plan) -> Any:
    """Return the number that a program gave by printing it last; None where it did not."""
    if not plan.prints_last or not (outcome.status == "ok" or outcome.error_kind == "not_data"):
        return None
    printed = read_numeral(_last_line(outcome.stdout) or "")
    return None if isinstance(printed, str) else printed


def conclude(outcome: Outcome, plan: Plan, tried: tuple[Tier, ...]) -> Run:
    """Return the run that is handed to the user."""
    status, value = outcome.status, outcome.value
    kind, error = outcome.error_kind, outcome.error
    if outcome.lacks_value and plan.entry is not None:
        status, value, kind, error = _without_value(outcome, plan.entry)
    number = _printed_number(outcome, plan) if plan.entry is not None else None
    if number is not None:
        status, value, kind, error = "ok", number, None, None
    return Run(
        status=status,
        value=value,
        stdout=outcome.stdout,
        error_kind=kind,
        error=error,
        seconds=outcome.seconds,
        peak_bytes=outcome.peak_bytes,
        tier=tried[-1],
        tried=tried,
        pending=outcome.pending,
    )

"""Texts that are no programs, as runs."""

from calculemus.engine.sandbox.limits import Limits
from calculemus.engine.sandbox.record import Run

UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


def unreadable(problem: BaseException) -> Run:
    """Return the run of a text that Python's parser refuses."""
    return Run("raised", error_kind="syntax", error=f"{type(problem).__name__}: {problem}")


def too_long(program: str, limits: Limits) -> Run | None:
    """Return the run of a program that is too long to be looked at; None for any other."""
    if len(program) * 4 <= limits.program_bytes:
        return None
    size = len(program.encode("utf-8", "replace"))
    if size <= limits.program_bytes:
        return None
    error = f"the program has {size} bytes; {limits.program_bytes} are allowed"
    return Run("unsupported", error_kind="program_too_long", error=error)

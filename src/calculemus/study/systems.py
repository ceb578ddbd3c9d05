"""From what a user writes to the systems it means."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from calculemus.errors import InvalidParameterError
from calculemus.problems.problemset import ProblemSet
from calculemus.study.recorded import PREFIX, RecordedSystem, Unknown, open_recorded


def open_systems(
    texts: Sequence[str], unknown: Unknown = "error", among: ProblemSet | None = None
) -> list[RecordedSystem]:
    """Open every system that the texts name, in their order.

    Args:
        texts: ``recorded:FILE`` or ``recorded:FILE#FIELD``.
        unknown: What to do with records that name no problem of the set: ``error`` or ``skip``.
        among: The whole set that records may name, where only a part of it is compared on.

    Raises:
        InvalidParameterError: No system is named, or one in a form that does not exist.
        RecordError: A file cannot be read.
    """
    if not texts:
        raise InvalidParameterError(f"opening systems: none is named; expected at least one {PREFIX}FILE")
    return [system for text in texts for system in _open(text, unknown, among)]


def _open(text: str, unknown: Unknown, among: ProblemSet | None) -> list[RecordedSystem]:
    if text.startswith(PREFIX):
        return open_recorded(text, unknown, among)
    kind, colon, rest = text.partition(":")
    near = f"{PREFIX}{text}" if Path(text.partition("#")[0]).exists() else ""
    if colon and difflib.get_close_matches(kind.lower(), [PREFIX[:-1]]):
        near = f"{PREFIX}{rest}"
    raise InvalidParameterError(
        f"opening the system '{text}': there is no such form; expected {PREFIX}FILE, for all systems of a "
        f"file of recorded solutions, or {PREFIX}FILE#FIELD, for one of them"
        + (f". Did you mean '{near}'?" if near else "")
    )

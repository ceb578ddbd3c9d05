"""What stands between the words of a search: ``room:merging status:built after:2024-06 needs:logits``."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from calculemus.card import INTERFACES, ROOMS
from calculemus.claims.status import STATUSES, Entry
from calculemus.errors import InvalidParameterError
from calculemus.named import suggest

_DATE = re.compile(r"(19|20)\d\d(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
_PREPRINT = re.compile(r"\d{4}\.\d{4,5}(?!\d)")
_PART = re.compile(r'(?<!\S)(\w+):(?:"([^"]+)"|([^\s"]\S*))')


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on a card.

    Attributes:
        kind: ``room``, ``status``, ``after``, ``before``, ``needs``, ``interface``, ``feed`` or ``paper``.
        value: What it asks for, as the cards write it. Dates leave out the day, or the month too, where
            they please; ``after`` includes its date and ``before`` does not.
    """

    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"

    def accepts(self, entry: Entry) -> bool:
        """Say whether a card fulfils it."""
        return _KINDS[self.kind](entry, self.value)


def _has_status(entry: Entry, value: str) -> bool:
    return entry.status == value or (value == "built" and entry.status != "planned")


_KINDS: Mapping[str, Callable[[Entry, str], bool]] = {
    "room": lambda entry, value: entry.card.room == value,
    "status": _has_status,
    "after": lambda entry, value: entry.card.date >= value,
    "before": lambda entry, value: entry.card.date < value,
    "needs": lambda entry, value: f"needs-{value}" in entry.card.tags,
    "interface": lambda entry, value: entry.card.interface == value,
    "feed": lambda entry, value: value in entry.card.feed,
    "paper": lambda entry, value: entry.card.arxiv == value,
}
_CHOICES: Mapping[str, Sequence[str]] = {
    "room": tuple(ROOMS),
    "status": STATUSES,
    "interface": INTERFACES,
}


def parse_query(text: str) -> tuple[str, tuple[Filter, ...]]:
    """Split a search into its words and its filters.

    Anything else with a colon is words. Of ``status:built`` all are that have code, whatever their claims;
    ``status:claim-holds`` saves the quotes of ``status:"claim holds"``.

    Raises:
        InvalidParameterError: A filter with a value that it cannot have.

    Example:
        >>> parse_query('merge "two models" room:merging after:2024-06')
        ('merge "two models"', (Filter(kind='room', value='merging'), Filter(kind='after', value='2024-06')))
    """
    filters: list[Filter] = []

    def take(match: re.Match[str]) -> str:
        kind = match[1].lower()
        if kind not in _KINDS:
            return match[0]
        filters.append(Filter(kind, _read(kind, match[2] or match[3])))
        return " "

    words = " ".join(_PART.sub(take, text).split())
    return words, tuple(filters)


def _read(kind: str, value: str) -> str:
    """Return a value as the cards write it."""
    if kind in _CHOICES:
        return _choice(kind, value)
    if kind == "needs":
        return value.lower().removeprefix("needs-")
    if kind == "feed":
        return value.lower()
    preprint = _PREPRINT.search(value)
    if kind == "paper" and preprint:
        return preprint[0]
    if kind in ("after", "before") and _DATE.fullmatch(value):
        return value
    expected = (
        "the number of a preprint, such as 2306.01708" if kind == "paper" else "YYYY, YYYY-MM or YYYY-MM-DD"
    )
    raise InvalidParameterError(f"searching: found the filter {kind}:{value}; expected {expected}")


def _choice(kind: str, value: str) -> str:
    said = value.lower().replace("-", " ")
    for choice in _CHOICES[kind]:
        if said == choice.lower():
            return choice
    choices = [choice.replace(" ", "-") for choice in _CHOICES[kind]]
    raise InvalidParameterError(
        f"searching: found the filter {kind}:{value}; {suggest(value, choices)}"
        f"expected one of {', '.join(choices)}"
    )

"""One thing that is new, and texts that may stand in a feed or a letter."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

KINDS: Mapping[str, str] = {
    "verdict": "Changed verdicts",
    "result": "New results",
    "system": "Systems",
    "runs": "Runs",
}
"""What an item can tell, with the heading of a list of its kind; most telling first."""

AUTHORITY = "calculemus.github.io,2026"
"""Who makes the ids, and since when the name is ours: see RFC 4151."""

_TITLE, _TEXT = 300, 4000
# What XML 1.0 forbids, and the signs that turn the direction of all that follows them.
_FORBIDDEN = re.compile(
    "[^\t\n\r\u0020-\u007e\u0085\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e\u2066-\u2069]"
)


@dataclass(frozen=True, slots=True)
class Item:
    """Something new.

    Attributes:
        id: A tag URI; the same for the same news, whenever and wherever it is read.
        moment: When it happened, UTC; the begin of the day, month or year where no more is known.
        until: When it had happened for certain.
        when: The moment as far as it is known: ``2026-11-20``, or ``2024-05``.
        kind: One of ``KINDS``.
        title: One line, clean.
        text: One paragraph, clean.
        system: Id of the method that it is about; empty for runs.
    """

    id: str
    moment: datetime
    until: datetime
    when: str
    kind: str
    title: str
    text: str
    system: str = ""

    def record(self) -> dict[str, Any]:
        """Return it as JSON-like data."""
        return {
            "id": self.id,
            "moment": stamp(self.moment),
            "when": self.when,
            "kind": self.kind,
            "title": self.title,
            "text": self.text,
            "system": self.system,
        }


def tag(*parts: str) -> str:
    """Return a tag URI of parts that hold only letters, digits, ``_``, ``-`` and ``.``."""
    return f"tag:{AUTHORITY}:{'/'.join(parts)}"


def stamp(moment: datetime) -> str:
    """Write a moment in UTC as feeds want it: ``2026-11-20T00:00:00Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def clean(text: object, limit: int = _TEXT) -> str:
    """Return text as one line, without signs that XML forbids or that turn its direction, cut to a length."""
    # Cut before the work, so that a text of any length costs the same; blanks at its begin may be many.
    line = " ".join(_FORBIDDEN.sub("", str(text)[: 4 * limit]).split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def title_of(text: object) -> str:
    """Return a text as a title: one line, and not long."""
    return clean(text, _TITLE) or "(no title)"

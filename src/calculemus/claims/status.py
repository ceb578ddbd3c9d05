"""How far a method has come: computed from what exists, never typed."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calculemus.card import Card
from calculemus.catalog import Catalog, code_path
from calculemus.claims.history import read_results
from calculemus.store import Store, default_store_path

STATUSES = ("planned", "built", "claim holds", "claim does not hold", "undecided")
_BY_VERDICT = {"holds": "claim holds", "does not hold": "claim does not hold", "undecided": "undecided"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A card, and how far its method has come.

    Attributes:
        card: The card.
        status: One of ``STATUSES``.
        result: The result of its claim that counts; None where it was not run.
    """

    card: Card
    status: str
    result: Mapping[str, Any] | None = None

    def record(self) -> dict[str, Any]:
        """Return it as JSON-like data, without the long texts."""
        card, result = self.card, self.result or {}
        return {
            "id": card.id,
            "room": card.room,
            "title": card.title,
            "status": self.status,
            "interface": card.interface,
            "arxiv": card.arxiv,
            "date": card.date,
            "authors": card.authors,
            "tags": list(card.tags),
            "feed": list(card.feed),
            "is_system": card.is_system,
            "measured": {name: result[name] for name in ("version", "date", "size") if name in result}
            or None,
        }


def entries(catalog: Catalog, store: Path | None = None) -> Iterator[Entry]:
    """Yield all cards with their status.

    Args:
        catalog: The cards.
        store: The user's results; by default those in the user's data folder, if there are any.
    """
    path = store or default_store_path()
    if path.is_file():
        with closing(Store.open(path, create=False, readonly=True)) as opened:
            results = read_results(opened)
    else:
        results = read_results()
    for card in catalog:
        result = results.get(card.id)
        yield Entry(card, _status(card, result), result)


def _status(card: Card, result: Mapping[str, Any] | None) -> str:
    if code_path(card) is None:
        return "planned"
    return _BY_VERDICT[result["verdict"]] if result is not None else "built"

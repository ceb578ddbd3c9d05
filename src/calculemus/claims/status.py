"""How far a method has come: computed from what exists, never typed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calculemus.card import Card
from calculemus.catalog import Catalog, claim_path, code_path, path_of_test
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

    def paths(self) -> dict[str, Path | None]:
        """Return where the files of the method are; None for one that does not exist."""
        return {
            "card": self.card.path,
            "code": code_path(self.card),
            "claim file": claim_path(self.card),
            "test": path_of_test(self.card),
        }

    def full_record(self, similar: Sequence[str]) -> dict[str, Any]:
        """Return all that is known of it as JSON-like data, beside the ids of its likes."""
        card = self.card
        return {
            **self.record(),
            "summary": card.summary,
            "aliases": list(card.aliases),
            "claim": {name: getattr(card.claim, name) for name in card.claim.__slots__},
            "scope": {name: getattr(card.scope, name) for name in card.scope.__slots__},
            "differs": dict(card.differs),
            "expected_failures": dict(card.expected_failures),
            "result": self.result,
            "similar": list(similar),
            "paths": {name: None if path is None else str(path) for name, path in self.paths().items()},
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

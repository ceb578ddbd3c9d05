"""The catalog as a new user has it, and small catalogs made for one question."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from calculemus.card import Card, CardClaim, CardScope
from calculemus.catalog import read_catalog
from calculemus.claims.status import Entry, entries
from calculemus.search import SearchIndex

MakeEntry = Callable[..., Entry]


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Entry]:
    """All cards, with the status that they have for somebody without results."""
    return list(entries(read_catalog(), tmp_path_factory.mktemp("store") / "none.sqlite"))


@pytest.fixture(scope="session")
def index(everything: Sequence[Entry]) -> SearchIndex:
    return SearchIndex(everything)


@pytest.fixture(scope="session")
def make_entry() -> MakeEntry:
    """Make an entry of which only what matters is said."""

    def make(
        name: str, title: str = "Untitled", summary: str = "-", scope: str = "-", **fields: str
    ) -> Entry:
        card = Card(
            id=name,
            title=title,
            date=fields.get("date", "2024-01-01"),
            authors=1,
            room="merging",
            interface="TensorMerge",
            summary=summary,
            claim=CardClaim("-", "-", "-", "-", "higher"),
            scope=CardScope(scope, "-"),
            path=Path(f"{name}.toml"),
        )
        return Entry(card, fields.get("status", "planned"))

    return make

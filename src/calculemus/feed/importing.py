"""Importing a feed page: read it, find what the catalog covers, add the rest as planned cards."""

import re
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from calculemus.card import Card, read_card
from calculemus.catalog import Catalog, local_cards, read_catalog
from calculemus.errors import CardError
from calculemus.feed.entry import FeedPage
from calculemus.feed.matching import How, Match, match_entries
from calculemus.feed.page import read_page
from calculemus.feed.planning import plan_cards, write_card


@dataclass(frozen=True, slots=True)
class Import:
    """What came of importing a feed page.

    Attributes:
        page: The page.
        matches: Its papers in order, with the cards that are about them.
        planned: Cards made for the new ones, in the same order.
        known: The catalog that the page was held against.
    """

    page: FeedPage
    matches: tuple[Match, ...]
    planned: tuple[Card, ...]
    known: Catalog

    def found(self, *how: How) -> list[Match]:
        """Return the papers that were found in one of these ways."""
        return [match for match in self.matches if match.how in how]


def import_page(
    path: Path, folder: Path | None = None, is_dry: bool = False, today: date | None = None
) -> Import:
    """Read a feed page and write a planned card for each paper that the catalog does not have.

    Args:
        path: The page, saved as text or HTML.
        folder: Where new cards go; by default the folder of the user's own cards.
        is_dry: Write nothing.
        today: As for ``read_page``.

    Raises:
        FeedError: The file cannot be read, or is no feed page.
        OutputError: A card cannot be written.
    """
    page = read_page(path, today)
    folder = folder or local_cards()
    known = _known(folder)
    matches = match_entries(page.entries, known.cards)
    new = [match.entry for match in matches if match.card is None]
    taken = [name for card in known for name in (card.id, *card.aliases)]
    taken += [file.stem for file in folder.glob("*.toml")]  # cards that cannot be read have names too
    name = re.sub(r"\W+", "_", path.stem.lower()).strip("_")
    feed = (name if name[:1].isalpha() else f"page_{name}",)
    planned = [replace(card, feed=feed) for card in plan_cards(new, taken, folder, page.date)]
    if not is_dry:
        for card in planned:
            write_card(card)
    return Import(page, tuple(matches), tuple(planned), known)


def _known(folder: Path) -> Catalog:
    """Return the catalog with the cards of a folder, which may have come after it was read."""
    catalog = read_catalog()
    cards = {card.id: card for card in catalog}
    faults = {str(fault): fault for fault in catalog.faults}
    for path in sorted(folder.glob("*.toml")):
        try:
            card = read_card(path)
            cards.setdefault(card.id, card)
        except CardError as fault:
            faults[str(fault)] = fault
    return Catalog(tuple(cards[name] for name in sorted(cards)), tuple(faults.values()))

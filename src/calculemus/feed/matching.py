"""Which cards of the catalog are the papers of a feed page."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from calculemus.card import Card
from calculemus.feed.entry import FeedEntry

NEAR = 0.9
"""Titles as like each other as this, by difflib's ratio, are probably of one paper."""

_WORD = re.compile(r"[^\W_]+\+*")
_APOSTROPHE = re.compile("['’`´]")

How = Literal["arxiv", "title", "probably", "new"]


@dataclass(frozen=True, slots=True)
class Match:
    """A paper of a feed page, and the card that is about it.

    Attributes:
        entry: The paper.
        card: None where it is new.
        how: By what the card was found: its number, its title, or a title like it.
        likeness: Of the two titles, from 0 to 1; 1 where the card is found for certain.
    """

    entry: FeedEntry
    card: Card | None
    how: How
    likeness: float


def plain_title(title: str) -> str:
    """Return a title in small plain letters, without accents, signs and differences of spacing.

    Example:
        >>> plain_title("SpecDec++:  Über–Fast “Drafts”")
        'specdec++ uber fast drafts'
    """
    folded = unicodedata.normalize("NFKD", title).casefold()  # letters of other alphabets first become plain
    letters = (c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))
    return " ".join(_WORD.findall(_APOSTROPHE.sub("", "".join(letters))))


def match_entries(entries: Iterable[FeedEntry], cards: Sequence[Card]) -> list[Match]:
    """Find the card of each paper: by number of the preprint, then by title, then by a title like it."""
    by_title = {plain_title(card.title): card for card in cards}
    by_number: dict[str, list[Card]] = {}
    for card in cards:
        if card.arxiv != "unknown":
            by_number.setdefault(card.arxiv, []).append(card)
    return [_match(entry, by_number, by_title) for entry in entries]


def _match(entry: FeedEntry, by_number: dict[str, list[Card]], by_title: dict[str, Card]) -> Match:
    title = plain_title(entry.title)
    if entry.arxiv in by_number:
        # A paper and its baseline may have a card each: the one with its title is the paper's own.
        own = min(
            by_number[entry.arxiv], key=lambda card: (plain_title(card.title) != title, not card.is_system)
        )
        return Match(entry, own, "arxiv", 1.0)
    if title in by_title:
        return Match(entry, by_title[title], "title", 1.0)
    near = [(_likeness(title, other), other) for other in by_title if _may_be_one(entry, by_title[other])]
    likeness, other = max(near, default=(0.0, ""))
    if likeness >= NEAR:
        return Match(entry, by_title[other], "probably", likeness)
    return Match(entry, None, "new", likeness)


def _may_be_one(entry: FeedEntry, card: Card) -> bool:
    """Two papers with different numbers are two, however like their titles."""
    return entry.arxiv is None or card.arxiv == "unknown"


def _likeness(one: str, other: str) -> float:
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    # The two bounds from above are cheap, and rule nearly all pairs out.
    if matcher.real_quick_ratio() < NEAR or matcher.quick_ratio() < NEAR:
        return 0.0
    return matcher.ratio()

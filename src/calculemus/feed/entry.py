"""What a feed page says of its papers."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """A paper as a feed page lists it; None where the page is silent.

    Attributes:
        title: Of the paper.
        abstract: As much of it as the page has; empty where it has none.
        n_authors: How many authors.
        date: As ``YYYY-MM-DD``.
        votes: The figure behind the date.
        arxiv: Number of the preprint, from a link; pages saved as text have no links.
    """

    title: str
    abstract: str
    n_authors: int | None = None
    date: str | None = None
    votes: int | None = None
    arxiv: str | None = None


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A feed page.

    Attributes:
        entries: Its papers in order, each once.
        date: Of the page itself, as ``YYYY-MM-DD``: the one in its head, or else the day it is read.
    """

    entries: tuple[FeedEntry, ...]
    date: str


def month_of_number(arxiv: str | None) -> date | None:
    """Return the first day of the month in which a preprint was numbered; None where that cannot be told.

    Example:
        >>> month_of_number("2306.01708")
        datetime.date(2023, 6, 1)
    """
    if arxiv is None or not "01" <= arxiv[2:4] <= "12":
        return None
    return date(2000 + int(arxiv[:2]), int(arxiv[2:4]), 1)

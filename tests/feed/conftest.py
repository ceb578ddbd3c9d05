"""Feed pages to read: a small one of our own, and the real ones where they are."""

from collections.abc import Callable, Sequence
from datetime import date
from html import escape
from pathlib import Path

import pytest

from calculemus.feed import FeedEntry, FeedPage, read_page

OURS = Path(__file__).with_name("page.txt")
SAVED = date(2025, 3, 10)
REAL_DAY = date(2025, 12, 31)


@pytest.fixture(scope="session")
def ours() -> str:
    """The text of a feed page about papers that do not exist."""
    return OURS.read_text("utf-8")


@pytest.fixture(scope="session")
def papers() -> tuple[FeedEntry, ...]:
    """What stands on that page."""
    return read_page(OURS, SAVED).entries


@pytest.fixture(scope="session")
def feed_dir(data_dir: Path) -> Path:
    """The folder of the real feed pages, beside that of the data."""
    folder = data_dir.parent / "feed"
    if not (folder / "arithmetic.txt").is_file():
        pytest.skip(f"no real feed pages in {folder}")
    return folder


@pytest.fixture(scope="session")
def real_pages(feed_dir: Path) -> dict[str, FeedPage]:
    """The real feed pages, read."""
    return {name: read_page(feed_dir / f"{name}.txt", REAL_DAY) for name in ("arithmetic", "gsm8k")}


Writer = Callable[[Sequence[FeedEntry], date], str]


@pytest.fixture(scope="session")
def write_text() -> Writer:
    """Writes a page as a browser saves it as text."""
    return as_text


@pytest.fixture(scope="session")
def write_html() -> Writer:
    """Writes a page as HTML: cards with a linked title, and what else stands on such pages."""
    return as_html


def shown_date(entry: FeedEntry, page_year: int) -> str:
    """Write a date as pages do, without the year of the page itself."""
    if entry.date is None:
        return ""
    day = date.fromisoformat(entry.date)
    return f"{day:%b} {day.day}" + ("" if day.year == page_year else f", {day.year}")


def as_text(entries: Sequence[FeedEntry], day: date) -> str:
    parts = [f"new\n\nSubscribe\n\nDaily Papers\n\n{day:%b} {day.day}\n\n"]
    for entry in entries:
        parts.append(f"{entry.title}\n\n{entry.abstract}\n\n")
        if entry.n_authors is not None:
            parts.append(f"  • {entry.n_authors} author{'s' * (entry.n_authors != 1)}\n·\n")
        if entry.date is not None:
            votes = "" if entry.votes is None else f" {entry.votes}"
            parts.append(f"{shown_date(entry, day.year)}{votes}\n\n")
    return "".join(parts)


def as_html(entries: Sequence[FeedEntry], day: date) -> str:
    parts = [
        "<!DOCTYPE html><html><head><title>Daily Papers</title><style>h3 {color: red}</style></head><body>"
        "<nav><a href='/models'>Models</a> <a href='/papers'>Papers</a></nav><script>'5 authors'</script>"
        f"<h1>Daily Papers</h1><div>{day:%b} {day.day}</div>"
    ]
    for entry in entries:
        link = f' href="/papers/{entry.arxiv}"' if entry.arxiv else ""
        parts.append(
            f"<article><a{link}><img alt='thumbnail'></a><h3>\n  <a{link} class='title'>{escape(entry.title)}"
            f"</a>\n</h3><p>{escape(entry.abstract)}</p>"
        )
        if entry.n_authors is not None:
            parts.append("<ul><li><svg><title>somebody</title></svg></li>")
            parts.append(f"<li>{entry.n_authors} authors</li></ul><span>·</span>")
        if entry.date is not None:
            parts.append(f"<time>{shown_date(entry, day.year)}</time>")
        if entry.votes is not None:
            parts.append(f"<div><a{link}><svg></svg> {entry.votes}</a></div>")
        parts.append("</article>")
    return "\n".join([*parts, "<footer><ul><li>Company</li><li>Terms</li></ul></footer></body></html>"])

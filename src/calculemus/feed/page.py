"""Reading a feed page that was saved as text or as HTML: its papers, and the date of the page."""

import codecs
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from calculemus.errors import FeedError
from calculemus.feed.entry import FeedEntry, FeedPage, month_of_number
from calculemus.feed.grammar import ListedPaper, read_listing
from calculemus.feed.matching import plain_title
from calculemus.feed.tokens import Paragraph, Token, html_tokens, is_html, text_tokens

_MOST_BYTES = 32 << 20
_NUMBERED_WITHIN = timedelta(days=62)  # the month itself, and one for papers numbered late
_EXPECTED = (
    "expected a page of daily papers: for each its title, abstract, '• 5 authors' and 'Sep 14, 2024'. Open "
    "the page in a browser and save it as text or as HTML"
)
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_page(path: Path, today: date | None = None) -> FeedPage:
    """Read a feed page that was saved as text or as HTML.

    Args:
        path: The file.
        today: The day that dates without a year are not after, as far as the page has none of its own.

    Raises:
        FeedError: The file cannot be read, or is no feed page.
    """
    doing = f"reading the feed page {path}"
    text = _decoded(_bytes(path, doing), doing)
    tokens = (
        html_tokens(text) if path.suffix.lower() in (".html", ".htm") or is_html(text) else text_tokens(text)
    )
    return _page(list(tokens), today, doing)


def parse_page(text: str, today: date | None = None) -> FeedPage:
    """Read a feed page from its text or HTML; see ``read_page``."""
    tokens = html_tokens(text) if is_html(text) else text_tokens(text)
    return _page(list(tokens), today, "reading a feed page")


def _bytes(path: Path, doing: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise FeedError(
            f"{doing}: {error.strerror or error}; expected a file with a page of daily papers. Save one from "
            "a browser as text or as HTML, and name it"
        ) from error
    if len(content) > _MOST_BYTES:
        raise FeedError(f"{doing}: found more than {_MOST_BYTES >> 20} MiB; {_EXPECTED}")
    if not content.strip():
        raise FeedError(f"{doing}: the file is empty; {_EXPECTED}")
    return content


def _decoded(content: bytes, doing: str) -> str:
    encoding = "utf-16" if content.startswith(_UTF16) else "utf-8-sig"
    if encoding != "utf-16" and b"\0" in content:
        raise FeedError(f"{doing}: found binary data; {_EXPECTED}")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise FeedError(
            f"{doing}: found bytes that are text in neither UTF-8 nor UTF-16, the first at {error.start:,}; "
            f"{_EXPECTED}, in UTF-8"
        ) from error


def _page(tokens: Sequence[Token], today: date | None, doing: str) -> FeedPage:
    listing = read_listing(tokens)
    _check_layout(listing.papers, tokens, doing)
    now = today or datetime.now(UTC).date()
    last = (listing.day.latest(now) if listing.day else None) or now
    return FeedPage(_distinct(_entry(paper, last) for paper in listing.papers), last.isoformat())


def _check_layout(papers: Sequence[ListedPaper], tokens: Sequence[Token], doing: str) -> None:
    """Refuse a page on which next to nothing shows that the paragraphs are papers."""
    counted = sum(paper.marks.n_authors is not None for paper in papers)
    linked = sum(paper.title.arxiv is not None for paper in papers)
    shown = sum(paper.marks.is_marked or paper.title.arxiv is not None for paper in papers)
    if (counted or linked) and 2 * shown >= len(papers):
        return
    n_paragraphs = sum(isinstance(token, Paragraph) for token in tokens)
    raise FeedError(
        f"{doing}: found {n_paragraphs} paragraphs, {len(papers)} of them like a title with an abstract, "
        f"{counted} with a number of authors and {linked} with a link to a paper; {_EXPECTED}"
    )


def _entry(paper: ListedPaper, last: date) -> FeedEntry:
    marks, arxiv = paper.marks, paper.title.arxiv
    if numbered := month_of_number(arxiv):  # it tells a year that an old page leaves out
        last = min(last, numbered + _NUMBERED_WITHIN)
    day = marks.day.latest(last) if marks.day else None
    return FeedEntry(
        title=paper.title.text,
        abstract=paper.abstract,
        n_authors=marks.n_authors,
        date=day.isoformat() if day else None,
        votes=marks.votes if paper.abstract else None,  # without abstracts the figure counts comments
        arxiv=arxiv,
    )


def _distinct(entries: Iterable[FeedEntry]) -> tuple[FeedEntry, ...]:
    """Leave out papers that the page lists again, as pages for narrow and wide screens do."""
    found: dict[str, FeedEntry] = {}
    for entry in entries:
        found.setdefault(entry.arxiv or plain_title(entry.title) or entry.title, entry)
    return tuple(found.values())

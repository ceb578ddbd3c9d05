"""Taking a page apart: paragraphs, and between them the marks of the papers.

Both forms of a page, text and HTML, end as the same stream, so that one grammar reads both.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser

from calculemus.feed.marks import Marks, read_marks

_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")  # no-break spaces are among \s
_LINE_END = re.compile(r"\r\n|\r|\n")
_WRAPPED_FROM = 50  # a line is broken to fit a width only if it is this long
_WRAPPED_TO = 200  # and no program breaks lines as long as this
_WRAPPED_LINES = 4  # so many lines that could be broken ones show that the page was wrapped

_PAPER = re.compile(r"(?:/papers|arxiv\.org/(?:abs|pdf|html))/(\d{4}\.\d{4,5})(?![\d.])", re.IGNORECASE)
_LOOKS_LIKE_HTML = re.compile(
    r"<(?:!doctype\s+html|html|head|body|main|article|section|div)\b", re.IGNORECASE
)
_SKIPPED = re.compile("script|style|template|svg|noscript|title|textarea|select|iframe")
_INLINE = re.compile(
    "a|abbr|b|bdi|bdo|cite|code|data|dfn|em|font|i|img|ins|del|kbd|mark|math|q|s|samp|small|span|strong|sub|sup|"
    "u|var|wbr"
)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of the visible text.

    Attributes:
        text: On one line.
        arxiv: Number of the preprint that all of it links to.
    """

    text: str
    arxiv: str | None = None


Token = Paragraph | Marks


def clean(text: str) -> str:
    """Return text on one line, without invisible characters, in composed letters."""
    return unicodedata.normalize("NFC", _BLANK.sub(" ", _INVISIBLE.sub("", text)).strip())


def is_html(text: str) -> bool:
    """Say whether text is HTML, by what stands near its beginning."""
    return bool(_LOOKS_LIKE_HTML.search(text[:4096]))


def text_tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a page that was saved or copied as text."""
    lines = [clean(line) for line in _LINE_END.split(text)]
    is_wrapped = _is_wrapped(lines)
    paragraph: list[str] = []
    for line in [*lines, ""]:
        marks = read_marks(line) if line else None
        goes_on = is_wrapped and marks is None and line and paragraph and len(paragraph[-1]) >= _WRAPPED_FROM
        if paragraph and not goes_on:
            yield Paragraph(" ".join(paragraph))
            paragraph = []
        if marks is not None:
            yield marks
        elif line:
            paragraph.append(line)


def _is_wrapped(lines: Sequence[str]) -> bool:
    """Say whether paragraphs were broken into lines: then several long lines follow each other somewhere."""
    run = 0
    for line in lines:
        run = run + 1 if _WRAPPED_FROM <= len(line) <= _WRAPPED_TO else 0
        if run >= _WRAPPED_LINES:
            return True
    return False


def html_tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a page that was saved as HTML."""
    lines = _Lines()
    lines.feed(text[: text.rfind(">") + 1])  # what a cut-off file has behind its last tag is half a tag
    lines.close()
    lines.end_line()
    for line in lines.found:
        marks = read_marks(line.text)
        yield line if marks is None else marks


class _Lines(HTMLParser):
    """Collects the visible text, a line for each block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Paragraph] = []
        self._pieces: list[tuple[str, str | None]] = []
        self._skipping = 0
        self._link: str | None = None
        self._is_in_text = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if _SKIPPED.fullmatch(tag):
            self._skipping += 1
        elif tag == "a":
            found = _PAPER.search(dict(attrs).get("href") or "")
            self._link = found[1] if found else None
            if found and not self._is_in_text:  # a link in running text is a part of its line
                self.end_line()
        elif not _INLINE.fullmatch(tag):
            self.end_line()
            self._is_in_text = tag == "p"

    def handle_endtag(self, tag: str) -> None:
        if _SKIPPED.fullmatch(tag):
            self._skipping = max(0, self._skipping - 1)
        elif tag == "a":
            if self._link is not None and not self._is_in_text:
                self.end_line()
            self._link = None
        elif not _INLINE.fullmatch(tag):
            self.end_line()
            self._is_in_text = False

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self._pieces.append((data, self._link))

    def end_line(self) -> None:
        """Close the line that is being collected."""
        text = clean("".join(piece for piece, _ in self._pieces))
        links = {link for piece, link in self._pieces if piece.strip()}
        self._pieces = []
        if text:
            self.found.append(Paragraph(text, links.pop() if len(links) == 1 else None))

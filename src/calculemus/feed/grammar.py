"""The grammar of a feed page: a title, an abstract, then authors, date and votes, of which some may lack.

What stands around the papers (menus, buttons, the foot of the page) is told apart by its place and length:
an abstract is long, the paragraph before it is its title, and marks belong to the abstract before them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from calculemus.feed.marks import Day, Marks
from calculemus.feed.tokens import Paragraph, Token

# Lengths in characters from which a paragraph is an abstract rather than a title:
_LONG = 160  # by itself
_LONG_CUT = 60  # where three dots show that it was cut
_LONG_DATED = 60  # by its place, where a date follows but no number of authors
_LONG_MOSTLY = 100  # where most of those before a number of authors have it


@dataclass(slots=True)
class Group:
    """Paragraphs, and the marks that follow them.

    Attributes:
        paragraphs: In order.
        arxiv: Number of the preprint that some of them link to.
        n_authors: From the marks, as are the others.
        day: Of the paper, or of the page where the group is the page's head.
        votes: The figure behind the date.
    """

    paragraphs: list[Paragraph] = field(default_factory=list)
    arxiv: str | None = None
    n_authors: int | None = None
    day: Day | None = None
    votes: int | None = None

    @property
    def is_marked(self) -> bool:
        """Whether it has a number of authors or a date."""
        return self.n_authors is not None or self.day is not None

    def mark(self, marks: Marks) -> None:
        """Take marks in; the first of each kind counts, and a bare figure only behind other marks."""
        self.n_authors = marks.n_authors if self.n_authors is None else self.n_authors
        self.day = self.day or marks.day
        if self.is_marked and self.votes is None:
            self.votes = marks.number

    def ends_before(self, paragraph: Paragraph) -> bool:
        """Say whether a paragraph belongs to the next group: after marks, or with a link to another paper."""
        return self.is_marked or paragraph.arxiv not in (None, self.arxiv)

    def add(self, paragraph: Paragraph) -> None:
        """Add a paragraph at the end."""
        self.paragraphs.append(paragraph)
        self.arxiv = self.arxiv or paragraph.arxiv


@dataclass(frozen=True, slots=True)
class ListedPaper:
    """A title and an abstract, with the group whose marks are its own; an empty one where it has none."""

    title: Paragraph
    abstract: str
    marks: Group


@dataclass(frozen=True, slots=True)
class Listing:
    """The papers of a page, and the date in its head."""

    papers: tuple[ListedPaper, ...]
    day: Day | None


def read_listing(tokens: Iterable[Token]) -> Listing:
    """Find the papers among the tokens of a page."""
    groups = list(_groups(tokens))
    has_abstracts = any(_long_ones(group.paragraphs) for group in groups) or _end_long_mostly(groups)
    papers: list[ListedPaper] = []
    day = None
    for group in groups:
        found = list(_papers_of(group, has_abstracts))
        if not (papers or found or day):
            day = group.day
        papers += found
    return Listing(tuple(papers), day)


def _groups(tokens: Iterable[Token]) -> Iterator[Group]:
    group = Group()
    for token in tokens:
        if isinstance(token, Marks):
            group.mark(token)
            continue
        if group.ends_before(token):
            yield group
            group = Group()
        group.add(token)
    yield group


def _is_long(text: str) -> bool:
    return len(text) >= _LONG or (len(text) >= _LONG_CUT and text.endswith(("…", "...")))


def _end_long_mostly(groups: Iterable[Group]) -> bool:
    """Say whether a page whose abstracts are all cut short has them nevertheless."""
    ends = [g.paragraphs[-1].text for g in groups if g.n_authors is not None and len(g.paragraphs) > 1]
    return 2 * sum(len(text) >= _LONG_MOSTLY for text in ends) > len(ends)


def _long_ones(paragraphs: Sequence[Paragraph]) -> list[tuple[Paragraph, str, int]]:
    """Find titles with long paragraphs behind them: title, abstract, and where what follows begins."""
    found = []
    index = 0
    while index < len(paragraphs):
        end = index + 1
        while end < len(paragraphs) and _is_long(paragraphs[end].text):
            end += 1
        title = paragraphs[index]
        if end > index + 1 and (title.arxiv is not None or not _is_long(title.text)):
            abstract = " ".join(paragraph.text for paragraph in paragraphs[index + 1 : end])
            found.append((title, abstract, end))
        index = end
    return found


def _papers_of(group: Group, has_abstracts: bool) -> Iterator[ListedPaper]:
    """Yield the papers of a group; the last one has the marks."""
    pairs = _long_ones(group.paragraphs)
    rest = group.paragraphs[pairs[-1][2] :] if pairs else group.paragraphs
    short = _short_one(rest, group, has_abstracts, is_alone=not pairs) if group.is_marked else None
    for title, abstract, end in pairs:
        is_last = short is None and end == pairs[-1][2]
        yield ListedPaper(title, abstract, group if is_last else Group())
    if short is not None:
        yield short


def _short_one(
    paragraphs: Sequence[Paragraph], group: Group, has_abstracts: bool, is_alone: bool
) -> ListedPaper | None:
    """Read a marked paper whose abstract is short or missing, by the place of its paragraphs alone."""
    texts = [paragraph.text for paragraph in paragraphs]
    if is_alone and group.arxiv is not None:
        title = next(index for index, paragraph in enumerate(paragraphs) if paragraph.arxiv is not None)
        return ListedPaper(paragraphs[title], " ".join(texts[title + 1 : title + 2]), group)
    enough = 1 if is_alone and group.n_authors is not None else _LONG_DATED
    if has_abstracts and len(texts) > 1 and len(texts[-1]) >= enough:
        return ListedPaper(paragraphs[-2], texts[-1], group)
    if is_alone and texts and group.n_authors is not None and not _is_long(texts[-1]):
        return ListedPaper(paragraphs[-1], "", group)
    return None

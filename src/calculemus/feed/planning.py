"""Cards for papers that have none: planned, local, and honest about what nobody has read yet."""

import json
import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from calculemus.card import Card, CardClaim, CardScope
from calculemus.errors import OutputError
from calculemus.feed.entry import FeedEntry, month_of_number
from calculemus.feed.matching import plain_title
from calculemus.feed.rooms import guess_room
from calculemus.files import replacing

INTERFACE_OF = {
    "solving": "Solver",
    "merging": "TensorMerge",
    "numerics": "Quantizer",
    "training": "Recipe",
    "probing": "Probe",
    "proving": "Prover",
    "curating": "Transform",
    "evaluating": "Benchmark",
}
"""The interface that a card of each room begins with, until somebody has read the paper."""

_NOT_READ = "not read yet"
_NO_ABSTRACT = "The feed page had no abstract."
_TO_DO = "Imported from a feed page: read the paper and fill in this card"
_GUESSED = (
    "Room and interface are guessed from words of the title and abstract, the direction of the claim is a "
    "placeholder, and the summary is the beginning of the abstract"
)
_NO_DATE = "The page gave no date: it is that of the preprint's number, or else the year of the page"

_NAME_WORDS = 3  # of a short name before a colon, and of an id made from a title
_ID_LENGTH = 40
_SUMMARY = 400
_SECOND_SENTENCE_TO = 300
_LITTLE_WORD = re.compile(
    "a|an|and|are|as|at|by|can|do|does|for|from|how|in|is|it|of|on|or|the|to|towards|via|with"
)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[^\sa-z])|(?<=[。！？])")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|et al|vs|cf|resp|fig|eq|sec|[A-Z])\.$", re.IGNORECASE)


def plan_cards(
    entries: Iterable[FeedEntry], taken: Iterable[str], folder: Path, page_date: str
) -> list[Card]:
    """Make a planned card for each paper.

    Args:
        entries: The papers.
        taken: Names that other cards have.
        folder: Where the cards will lie.
        page_date: Of the feed page; its year stands in for a date that is not known.
    """
    names = set(taken)
    cards = []
    for entry in entries:
        name = _free(_name(entry), names)
        names.add(name)
        cards.append(_card(entry, name, folder / f"{name}.toml", page_date))
    return cards


def write_card(card: Card) -> None:
    """Write a card to its file, in a folder that is made if it is not there.

    Raises:
        OutputError: The file cannot be written.
    """
    try:
        card.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"making the folder '{card.path.parent}': {error.strerror or error}; expected a place where this "
            "user may write. Change that, or name another folder"
        ) from error
    with replacing(card.path) as temporary:
        temporary.write_text("\n".join(_toml(card)) + "\n", "utf-8")


def _name(entry: FeedEntry) -> str:
    """Return an id: the short name before the colon if there is one, else the first words of the title."""
    short, colon, _ = entry.title.partition(":")
    if colon and 0 < len(words := _words(short)) <= _NAME_WORDS:
        name = "_".join(words)
    else:
        words = _words(entry.title)
        telling = [word for word in words if not _LITTLE_WORD.fullmatch(word)] or words
        name = "_".join(telling[:_NAME_WORDS])
    name = name[:_ID_LENGTH].rstrip("_")
    if not name:  # a title in other letters
        name = (entry.arxiv or sha256(entry.title.encode()).hexdigest()[:8]).replace(".", "_")
    return name if name[0].isalpha() else f"paper_{name}"


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", plain_title(text).replace("+", " plus "))


def _free(name: str, names: set[str]) -> str:
    number, free = 1, name
    while free in names:
        number += 1
        free = f"{name}_{number}"
    return free


def _card(entry: FeedEntry, name: str, path: Path, page_date: str) -> Card:
    room, numbered = guess_room(entry), month_of_number(entry.arxiv)
    notes = [_TO_DO, _GUESSED, *([] if entry.date else [_NO_DATE])]
    return Card(
        id=name,
        title=entry.title,
        arxiv=entry.arxiv or "unknown",
        date=entry.date or (f"{numbered:%Y-%m}" if numbered else page_date[:4]),
        authors=entry.n_authors or 0,
        room=room,
        interface=INTERFACE_OF[room],
        summary=summarise(entry.abstract) or _NO_ABSTRACT,
        claim=CardClaim(_NOT_READ, _NOT_READ, _NOT_READ, _NOT_READ, "higher"),
        scope=CardScope(_NOT_READ, _NOT_READ, ". ".join(notes) + "."),
        path=path,
    )


def summarise(abstract: str) -> str:
    """Return the first sentence of an abstract, and the second where both are short."""
    sentences = list(_sentences(abstract))
    two = " ".join(sentences[:2])
    summary = two if len(two) <= _SECOND_SENTENCE_TO else "".join(sentences[:1])
    if len(summary) <= _SUMMARY:
        return summary
    cut = summary[:_SUMMARY]
    return (cut.rpartition(" ")[0] or cut).rstrip(" ,;:") + " …"  # some languages put no spaces


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for end in _SENTENCE_END.finditer(text):
        sentence = text[start : end.end()].strip()
        if sentence and not _ABBREVIATION.search(sentence):
            yield sentence
            start = end.end()
    if text[start:].strip():
        yield text[start:].strip()


def _toml(card: Card) -> Iterator[str]:
    """Yield the lines of a card's file."""
    for name in ("id", "title", "arxiv", "date", "authors", "room", "interface", "summary"):
        yield f"{name} = {_value(getattr(card, name))}"
    yield f"feed = [{', '.join(map(_value, card.feed))}]"
    for table in ("claim", "scope"):
        part = getattr(card, table)
        yield f"\n[{table}]"
        yield from (f"{name} = {_value(text)}" for name in part.__slots__ if (text := getattr(part, name)))


def _value(value: str | int) -> str:
    """Write a value; JSON's text is TOML's too, as long as it holds no delete character."""
    return json.dumps(value.replace("\x7f", "") if isinstance(value, str) else value, ensure_ascii=False)

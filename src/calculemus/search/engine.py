"""Search over cards: SQLite's FTS5, titles first, with help for words that are spelt otherwise."""

import sqlite3
import statistics
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from calculemus.claims.status import Entry
from calculemus.search.filters import Filter
from calculemus.search.spelling import Speller
from calculemus.search.words import STOP_WORDS, words

COLUMNS = {"id": 10.0, "title": 8.0, "summary": 4.0, "claim": 3.0, "scope": 1.0, "tags": 2.0}
"""What is searched, and how much a word there counts (weights of FTS5's bm25)."""

NEIGHBOURS = 0.25
"""What two words count for that stand side by side in a card as they do in the search."""
MENDED = 0.7
"""What a word counts for that is only like the one that was typed."""
TYPED = 12
"""Words up to which a search was typed; a longer one was copied, and its spelling is not mended."""
MOST_WORDS = 200
"""Words of a search that are looked up; a whole abstract has fewer."""
MEANING = 0.4
"""Weight of nearness in meaning, where it is known; words have the rest."""

Ranker = Callable[[str], Mapping[str, float]]
"""Returns how near every card is to a text in meaning, by id; higher is nearer."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A card that was found.

    Attributes:
        entry: The card with its status.
        score: Higher is better; comparable within one search.
    """

    entry: Entry
    score: float


class SearchIndex:
    """An index over cards, in memory; a hundred and fifty cards take some milliseconds.

    Args:
        entries: The cards.
        by_meaning: Says how near cards are in meaning, which then counts beside words; None for words alone.
    """

    def __init__(self, entries: Iterable[Entry], by_meaning: Ranker | None = None) -> None:
        self._entries = {entry.card.id: entry for entry in entries}
        self._by_meaning = by_meaning
        self._names = list(self._entries)
        self._index = sqlite3.connect(":memory:", check_same_thread=False)
        weakref.finalize(self, self._index.close)
        rows = [[" ".join(words(text)) for text in texts(entry).values()] for entry in self._entries.values()]
        columns = ", ".join(COLUMNS)
        self._index.execute(f"CREATE VIRTUAL TABLE card USING fts5({columns}, tokenize='porter unicode61')")
        self._index.executemany(
            f"INSERT INTO card ({columns}) VALUES ({', '.join('?' * len(COLUMNS))})", rows
        )
        self._speller = Speller(
            Counter(word for row in rows for word in dict.fromkeys(" ".join(row).split()))
        )
        self._called = _called(self._entries.values())

    def search(self, text: str, filters: Sequence[Filter] = (), limit: int = 10) -> list[Hit]:
        """Return the best hits; all cards that pass the filters, by date, where there is no text.

        A card whose id, other name, preprint or title the text is comes first, in this order.
        """
        passing = {
            name: entry
            for name, entry in self._entries.items()
            if all(condition.accepts(entry) for condition in filters)
        }
        if not text.strip():
            newest = sorted(passing.values(), key=lambda entry: entry.card.date, reverse=True)
            return [Hit(entry, 0.0) for entry in newest[:limit]]
        said = words(text)
        scores = self._scores(said, text, may_mend=_n_telling(said) <= TYPED)
        top = max(scores.values(), default=0.0)
        for rank, name in enumerate(reversed(self._called.get(tuple(said), ())), start=1):
            scores[name] = top + rank
        return self._best({name: scores[name] for name in passing if name in scores}, limit)

    def similar(self, name: str, limit: int = 5) -> list[Hit]:
        """Return the cards most like one."""
        parts = texts(self._entries[name])
        meant = " ".join((parts["title"], parts["summary"], parts["claim"]))
        said = dict.fromkeys(words(f"{meant} {parts['tags']}"))
        scores = self._scores(list(said), meant, may_mend=False, apart_from=name)
        return self._best(scores, limit)

    def _best(self, scores: Mapping[str, float], limit: int) -> list[Hit]:
        best = sorted(scores, key=lambda name: (-scores[name], name))[:limit]
        return [Hit(self._entries[name], scores[name]) for name in best]

    def _scores(
        self, said: Sequence[str], text: str, may_mend: bool, apart_from: str | None = None
    ) -> dict[str, float]:
        """Return the scores of the cards that were found; of all where meaning is known."""
        by_words = self._by_words(said, may_mend)
        by_words.pop(apart_from or "", None)
        if self._by_meaning is None or not said or not self._entries:
            return by_words
        by_meaning = {name: near for name, near in self._by_meaning(text).items() if name != apart_from}
        found = _standardised({name: by_words.get(name, 0.0) for name in by_meaning})
        near = _standardised(by_meaning)
        return {name: (1 - MEANING) * found[name] + MEANING * near[name] for name in by_meaning}

    def _by_words(self, said: Sequence[str], may_mend: bool) -> dict[str, float]:
        """Return bm25 of every card with some of the words, higher is better."""
        scores: dict[str, float] = {}
        for word in islice(_telling(said), MOST_WORDS):
            _add(scores, self._holding(word) or self._like(word, may_mend), 1.0)
        for first, second in islice(dict.fromkeys(pairwise(said)), MOST_WORDS):
            if not {first, second} <= STOP_WORDS:
                _add(scores, self._holding(f"{first} {second}"), NEIGHBOURS)
        return scores

    def _like(self, word: str, may_mend: bool) -> dict[str, float]:
        """Find what a word that no card has may stand for: two words, the start of one, or one misspelt."""
        halves = self._speller.halves(word)
        if halves or not may_mend:
            return _most(map(self._holding, halves))
        likes = dict.fromkeys((*self._speller.beginning(word), *self._speller.nearest(word)))
        return {name: MENDED * score for name, score in _most(map(self._holding, likes)).items()}

    def _holding(self, phrase: str) -> dict[str, float]:
        """Return bm25 of every card with a word, or with several words side by side."""
        weights = ", ".join(map(str, COLUMNS.values()))
        # Quoted, nothing in a word is an operator.
        rows = self._index.execute(
            f"SELECT rowid, -bm25(card, {weights}) FROM card WHERE card MATCH ?", (f'"{phrase}"',)
        )
        return {self._names[row - 1]: score for row, score in rows}


def texts(entry: Entry) -> dict[str, str]:
    """Return what is searched of a card, by column."""
    card = entry.card
    scope = (card.scope.shows, card.scope.does_not_show, card.scope.not_established, card.claim.reported)
    return {
        "id": " ".join((card.id, card.arxiv, *card.aliases)),
        "title": card.title,
        "summary": card.summary,
        "claim": f"{card.claim.text} {card.claim.metric} {card.claim.baseline}",
        "scope": " ".join(scope),
        "tags": " ".join((card.room, card.interface, *card.tags)),
    }


def _called(entries: Iterable[Entry]) -> dict[tuple[str, ...], list[str]]:
    """Return the ids of the cards that go by each name, ids before other names before titles."""
    called: dict[tuple[str, ...], list[str]] = {}
    cards = [entry.card for entry in entries]
    ids = [(card.id, card.id) for card in cards]
    others = [(name, card.id) for card in cards for name in (*card.aliases, card.arxiv) if name != "unknown"]
    titles = [(card.title, card.id) for card in cards]
    for text, name in (*ids, *others, *titles):
        named = called.setdefault(tuple(words(text)), [])
        if name not in named:
            named.append(name)
    return called


def _add(scores: dict[str, float], found: Mapping[str, float], weight: float) -> None:
    for name, score in found.items():
        scores[name] = scores.get(name, 0.0) + weight * score


def _most(found: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the highest of several scores, card by card."""
    most: dict[str, float] = {}
    for scores in found:
        for name, score in scores.items():
            most[name] = max(most.get(name, 0.0), score)
    return most


def _telling(said: Iterable[str]) -> Iterator[str]:
    return (word for word in dict.fromkeys(said) if word not in STOP_WORDS)


def _n_telling(said: Iterable[str]) -> int:
    return sum(1 for _ in _telling(said))


def _standardised(scores: Mapping[str, float]) -> dict[str, float]:
    """Return scores with mean 0 and standard deviation 1, so that two kinds of them can be added.

    On sentences of abstracts this finds more than adding reciprocal ranks: how far ahead the first card is
    counts too.
    """
    mean = statistics.fmean(scores.values())
    spread = statistics.pstdev(scores.values(), mean) or 1.0
    return {name: (score - mean) / spread for name, score in scores.items()}

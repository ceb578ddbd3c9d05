"""Texts that are like a text: by the words and runs of characters that they share, or by given vectors.

No model is needed, and equal input gives equal output: ties go to the earlier text.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORD = re.compile(r"[^\W\d_]+|\d+(?:[.,]\d+)*")
NUMBER = "0"
"""What every number is read as: two questions that differ in their numbers alone are alike."""

RUNS = (3, 4)
"""Lengths of the runs of characters in a word, its ends marked, that count as terms."""

K1, B = 1.5, 0.75  # the usual settings of BM25

_DIGITS = 12  # scores that are equal to so many decimals are ties

By = Literal["tfidf", "bm25"]
Vector = Sequence[float]


@dataclass(frozen=True, slots=True)
class Hit:
    """A text that was found.

    Attributes:
        index: Its place among the texts.
        score: How alike it is: a cosine, or the BM25 score; higher is more.
    """

    index: int
    score: float


def terms(text: str) -> list[str]:
    """Return the terms of a text: its words in lower case, and the runs of characters in them.

    Names of functions are taken apart at underscores and capitals.

    Example:
        >>> terms("countEggs 12")
        ['count', '#co', 'cou', 'oun', 'unt', 'nt#', '#cou', 'coun', 'ount', 'unt#', 'eggs', '#eg', 'egg', \
'ggs', 'gs#', '#egg', 'eggs', 'ggs#', '0']
    """
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()
    found: list[str] = []
    for word in _WORD.findall(parted):
        if word[0].isdigit():
            found.append(NUMBER)
            continue
        found.append(word)
        marked = f"#{word}#"
        found.extend(marked[i : i + n] for n in RUNS for i in range(len(marked) - n + 1))
    return found


class Retriever:
    """Texts in an index.

    Args:
        texts: What is searched.
        by: ``tfidf`` compares by the cosine of weighted counts of terms, ``bm25`` by that formula, which does
            not mind how long the query is.
        vectors: Of the texts, from a model's ``Embed`` replies; ``rank_vector`` searches by them.

    Example:
        >>> found = Retriever(["the cat sleeps", "a dog barks", "cats and dogs"])
        >>> [hit.index for hit in found.rank("sleeping cats", k=2)]
        [0, 2]
    """

    def __init__(
        self, texts: Sequence[str], by: By = "tfidf", vectors: Sequence[Vector] | None = None
    ) -> None:
        self._n = len(texts)
        self._by = by
        self._vectors = [_unit(vector) for vector in vectors] if vectors is not None else None
        counts = [Counter(terms(text)) for text in texts]
        lengths = [sum(count.values()) for count in counts]
        self._mean = math.fsum(lengths) / self._n if self._n else 0.0
        found_in = Counter(term for count in counts for term in count)
        self._rarity = {term: self._weigh(n) for term, n in found_in.items()}
        self._postings: dict[str, list[tuple[int, float]]] = {}
        self._columns: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
        for index, count in enumerate(counts):
            for term, weight in self._weights(count, lengths[index]).items():
                self._postings.setdefault(term, []).append((index, weight))

    def _weigh(self, n_found: int) -> float:
        """Return what a term is worth that so many texts have."""
        if self._by == "bm25":
            return math.log1p((self._n - n_found + 0.5) / (n_found + 0.5))
        return math.log((1 + self._n) / (1 + n_found)) + 1

    def _weights(self, count: Counter[str], length: int) -> dict[str, float]:
        """Return the weight of each term in a text."""
        if self._by == "bm25":
            full = K1 * (1 - B + B * length / self._mean) if self._mean else K1
            return {term: self._rarity[term] * n * (K1 + 1) / (n + full) for term, n in count.items()}
        return self._cosine_weights(count)

    def _cosine_weights(self, count: Counter[str]) -> dict[str, float]:
        weights = {term: n * self._rarity[term] for term, n in count.items() if term in self._rarity}
        norm = math.sqrt(math.fsum(weight * weight for weight in weights.values()))
        return {term: weight / norm for term, weight in weights.items()} if norm else {}

    def rank(self, text: str, k: int | None = None, leave_out: Collection[int] = ()) -> list[Hit]:
        """Return the texts that are most like a text, the best first; those that share nothing are left out.

        Args:
            text: What is searched for.
            k: How many at most; None for all.
            leave_out: Indices of texts that do not count.
        """
        count = Counter(terms(text))
        asked = dict.fromkeys(count, 1.0) if self._by == "bm25" else self._cosine_weights(count)
        import numpy as np  # loads slowly: only where texts are searched

        scores, is_found = np.zeros(self._n), np.zeros(self._n, dtype=bool)
        for term, weight in asked.items():
            if term in self._postings:
                places, own = self._column(term)
                scores[places] += weight * own
                is_found[places] = True
        is_found[[index for index in leave_out if index < self._n]] = False
        found = np.flatnonzero(is_found)
        order = np.lexsort((found, -scores[found].round(_DIGITS)))[:k]
        return [Hit(int(index), float(scores[index])) for index in found[order]]

    def _column(self, term: str) -> "tuple[NDArray[np.int64], NDArray[np.float64]]":
        """Return which texts have a term, and its weights in them."""
        import numpy as np  # as in rank

        column = self._columns.get(term)
        if column is None:
            places, weights = zip(*self._postings[term], strict=True)
            column = self._columns[term] = np.array(places), np.array(weights)
        return column

    def rank_vector(self, vector: Vector, k: int | None = None, leave_out: Collection[int] = ()) -> list[Hit]:
        """Return the texts whose vectors point most where a vector points, the best first.

        Args:
            vector: Of what is searched for.
            k: How many at most; None for all.
            leave_out: Indices of texts that do not count.
        """
        assert self._vectors is not None, "the texts were given without vectors"
        unit = _unit(vector)
        hits = [
            Hit(index, math.fsum(a * b for a, b in zip(unit, own, strict=True)))
            for index, own in enumerate(self._vectors)
        ]
        return _best(hits, k, leave_out)


def _unit(vector: Vector) -> list[float]:
    norm = math.sqrt(math.fsum(x * x for x in vector))
    return [x / norm for x in vector] if norm else list(vector)


def _best(hits: Sequence[Hit], k: int | None, leave_out: Collection[int]) -> list[Hit]:
    """Return the best hits; scores that differ by rounding alone are ties."""
    kept = [hit for hit in hits if hit.index not in leave_out]
    return sorted(kept, key=lambda hit: (-round(hit.score, _DIGITS), hit.index))[:k]


def pick_varied(texts: Sequence[str], n: int, taken: Sequence[int] = ()) -> list[int]:
    """Return indices of ``n`` texts, each the one that is least like those taken before.

    Args:
        texts: What is chosen from.
        n: How many.
        taken: Indices that were taken earlier; they are not returned.
    """
    index = Retriever(texts)
    nearest = [0.0] * len(texts)
    chosen: list[int] = []

    def take(new: int) -> None:
        nearest[new] = math.inf
        for hit in index.rank(texts[new]):
            nearest[hit.index] = max(nearest[hit.index], round(hit.score, _DIGITS))

    for each in taken:
        take(each)
    while len(chosen) < min(n, len(texts) - len(set(taken))):
        chosen.append(min(range(len(texts)), key=nearest.__getitem__))
        take(chosen[-1])
    return chosen

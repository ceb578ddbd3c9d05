"""Words that are nearly spelt like one that is known."""

from collections.abc import Mapping

SHORT = 6
"""Letters of a word from which two slips are forgiven; before, one."""
LEAST = 4
"""Letters of a word that is mended at all."""
LONGEST = 40
"""Letters beyond which a word is none that somebody mistyped."""
SAME_START = 0.5
"""How much nearer a word counts that begins with the same letter: few slips are in the first one."""


class Speller:
    """Finds the known words that somebody may have meant.

    Args:
        counts: The known words, and how often each is used.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = counts
        self._letters = {word: _letters(word) for word in counts if len(word) >= LEAST}

    def is_known(self, word: str) -> bool:
        """Say whether the word is one of the known."""
        return word in self._counts

    def nearest(self, word: str, most: int = 2) -> list[str]:
        """Return the nearest known words, all equally near, those first that are used most."""
        if not LEAST <= len(word) <= LONGEST:
            return []
        allowed = 1 if len(word) < SHORT else 2
        letters = _letters(word)
        near: list[tuple[float, int, str]] = []
        for other, others in self._letters.items():
            # A slip changes at most two letters of the set, which rules out most words at once.
            if (letters ^ others).bit_count() <= 2 * allowed:
                slips = distance(word, other, allowed)
                if slips <= allowed:
                    near.append((slips - SAME_START * (word[0] == other[0]), -self._counts[other], other))
        near.sort()
        return [other for slips, _, other in near[:most] if slips == near[0][0]]

    def beginning(self, start: str) -> list[str]:
        """Return the known words that begin so."""
        if len(start) < LEAST:
            return []
        return [word for word in self._letters if word.startswith(start)]

    def halves(self, word: str) -> list[str]:
        """Return the pairs of known words that the word is written together of, as ``finetuned`` is."""
        if len(word) > LONGEST:
            return []
        cuts = range(2, len(word) - 1)
        return [f"{word[:i]} {word[i:]}" for i in cuts if self.is_known(word[:i]) and self.is_known(word[i:])]


def distance(first: str, second: str, most: int) -> int:
    """Return the slips between two words: letters too many, too few, wrong, or swapped with the next.

    The distance of optimal string alignment; ``most + 1`` stands for all above ``most``.

    Example:
        >>> distance("lenght", "length", 2), distance("word", "ward", 2), distance("word", "search", 2)
        (1, 1, 3)
    """
    if abs(len(first) - len(second)) > most:
        return most + 1
    before: list[int] = []
    above = list(range(len(second) + 1))
    for i, letter in enumerate(first):
        row = [i + 1]
        for j, other in enumerate(second):
            slips = min(above[j + 1] + 1, row[j] + 1, above[j] + (letter != other))
            if i and j and letter == second[j - 1] and first[i - 1] == other:
                slips = min(slips, before[j - 1] + 1)
            row.append(slips)
        before, above = above, row
    return min(above[-1], most + 1)


def _letters(word: str) -> int:
    """Return the set of a word's letters, one bit for each."""
    letters = 0
    for letter in word:
        letters |= 1 << ord(letter) % 64
    return letters

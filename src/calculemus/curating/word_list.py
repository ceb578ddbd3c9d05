"""Two-column word lists: phrases of one language with their senses in another, and looking them up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from calculemus.errors import InvalidParameterError, ProblemError
from calculemus.params import digest
from calculemus.rng import Rng

CALCULESE = "calculese"
"""The word list of the constructed language of generated problems, which comes with the package."""

SENSES = "|"
MOST_SUFFIX = 3  # letters that are stripped at most from a word that no list has
LEAST_STEM = 3

Senses = tuple[str, ...]


@dataclass(frozen=True, eq=False)  # known by its identity, so that parts of it can be kept
class WordList:
    """Phrases with their senses.

    Attributes:
        entries: Senses by phrase, casefolded, its words with one blank between.
        longest: Words of the longest phrase.
    """

    entries: Mapping[str, Senses]
    longest: int

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> "WordList":
        """Make a list of pairs of a phrase and a sense; further senses of a phrase follow in their order."""
        entries: dict[str, dict[str, None]] = {}
        for phrase, told in pairs:
            key = fold(phrase)
            senses = [sense.strip() for sense in told.split(SENSES) if sense.strip()]
            if key and senses:
                entries.setdefault(key, {}).update(dict.fromkeys(senses))
        longest = max((len(key.split(" ")) for key in entries), default=0)
        return cls({key: tuple(senses) for key, senses in entries.items()}, longest)

    @property
    def digest(self) -> str:
        """Names it by content."""
        return digest([[phrase, list(senses)] for phrase, senses in self.entries.items()])

    def find(self, phrase: str) -> Senses:
        """Return the senses of a phrase, () where it has none.

        A word that is not there is looked up without its last letters, one to three of them.
        """
        key = fold(phrase)
        found = self.entries.get(key, ())
        if found or " " in key:
            return found
        for cut in range(1, MOST_SUFFIX + 1):
            stem = key[:-cut]
            if len(stem) >= LEAST_STEM and stem in self.entries:
                return self.entries[stem]
        return ()

    def part(self, share: float, is_shuffled: bool) -> "WordList":
        """Return a part of it; a larger share holds a smaller one.

        Args:
            share: Of the phrases, from 0 to 1; which ones is decided by hash.
            is_shuffled: Give each phrase the senses of another one: a control.
        """
        phrases = sorted(self.entries, key=lambda phrase: Rng(0, ("word list", phrase)).key)
        dealt = [*phrases[1:], *phrases[:1]] if is_shuffled else phrases
        kept = list(zip(phrases, dealt, strict=True))[: round(share * len(phrases))]
        return WordList({phrase: self.entries[other] for phrase, other in kept}, self.longest)


def fold(phrase: str) -> str:
    """Return a phrase as it is looked up: small letters, one blank between words."""
    return " ".join(phrase.casefold().split())


def read_word_list(name: str) -> WordList:
    """Return a word list by name; a file that has not changed is read once.

    Args:
        name: ``calculese``, or a text file in UTF-8 with a phrase, a tab and its sense in each line; several
            senses stand in several lines or between bars. Empty lines and those with # at first say nothing.

    Raises:
        InvalidParameterError: There is no such file.
        ProblemError: A line has no second column, or there is no entry at all.
    """
    file = Path(name)
    return _read(name, file.stat().st_mtime_ns if name != CALCULESE and file.is_file() else 0)


@cache
def _read(name: str, changed: int) -> WordList:
    """Read a word list as it stood at a time."""
    del changed
    if name == CALCULESE:
        return WordList.of(_calculese())
    doing = f"reading the word list '{name}'"
    try:
        text = Path(name).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InvalidParameterError(
            f"{doing}: {error}; expected '{CALCULESE}', or a text file in UTF-8 with two columns. Give "
            "its path"
        ) from error
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            phrase, tab, sense = line.partition("\t")
            if not (tab and phrase.strip() and sense.strip()):
                raise ProblemError(
                    f"{doing}: line {number} is {line[:80]!r}; expected a phrase, a tab and its sense. "
                    "Mend it"
                )
            pairs.append((phrase, sense))
    if not pairs:
        raise ProblemError(f"{doing}: it has no entry; expected at least one phrase with its sense")
    return WordList.of(pairs)


def _calculese() -> list[tuple[str, str]]:
    from calculemus.problems.generated.language import dictionary  # its tables are read where they are needed

    known = dictionary()
    digits = [(word, str(digit)) for digit, word in enumerate(known.digits)]
    powers = [(word, str(power)) for power, word in known.powers]
    return [*known.back.items(), *digits, *powers]

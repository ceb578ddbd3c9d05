"""Words of a text with their translations beside them, and the text again without these."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from calculemus.curating.word_list import SENSES, Senses, WordList

Order = Literal["interleave", "prepend", "append"]
Segment = Literal["auto", "spaces", "longest"]

BRACKETS = ("[]", "⟦⟧", "⟨⟩", "❲❳", "⦗⦘")
"""What translations stand in: the first pair that comes behind all those that the text has itself.

Behind the last pair come two and more of it, so that there is always one: ``⦗⦗word⦘⦘``."""

_FORMULA = re.compile(
    r"\$[^$\n]+\$|\\\(.+?\\\)|\\\[.+?\\\]|<<[^<>]*>>|\\[a-zA-Z]+|https?://\S+|\{\{[^{}]*\}\}", re.S
)
_NO_SPACES = re.compile(r"CJK|HIRAGANA|KATAKANA|THAI|LAO |KHMER|MYANMAR|TIBETAN")
_JOINERS = "'’-\u200c\u200d"


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text, and where it stands."""

    text: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Glossed:
    """A text with translations.

    Attributes:
        text: With them.
        words: How many words it has without them.
        found: How many of these words have a translation.
    """

    text: str
    words: int
    found: int

    @property
    def coverage(self) -> float:
        """Share of the words that have a translation; 0 where there are none."""
        return self.found / self.words if self.words else 0.0


def _is_letter(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "LM"


def _lacks_spaces(sign: str) -> bool:
    return _NO_SPACES.match(unicodedata.name(sign, "")) is not None


def words_of(text: str) -> Iterator[Word]:
    """Yield the words of a text: runs of letters and their marks, not in formulas, nor at a digit.

    In scripts without spaces a digit beside a letter does not make it part of a number.
    """
    held = [False] * (len(text) + 1)
    for formula in _FORMULA.finditer(text):
        held[formula.start() : formula.end()] = [True] * (formula.end() - formula.start())
    start = 0
    while start < len(text):
        if held[start] or not _is_letter(text[start]):
            start += 1
            continue
        stop = start + 1
        while stop < len(text) and not held[stop] and _goes_on(text, stop):
            stop += 1
        near = text[max(0, start - 1) : start] + text[stop : stop + 1]
        if _lacks_spaces(text[start]) or not any(sign.isdigit() for sign in near):
            yield Word(text[start:stop], start, stop)
        start = stop


def _goes_on(text: str, place: int) -> bool:
    """Say whether a word goes on: with a letter, or with a joiner before one."""
    sign, following = text[place], text[place + 1 : place + 2]
    return _is_letter(sign) or (sign in _JOINERS and bool(following) and _is_letter(following))


def segmented(words: Iterator[Word], known: WordList, how: Segment) -> list[Word]:
    """Cut runs of letters into words where the script has no spaces between them.

    Args:
        words: As ``words_of`` gives them.
        known: ``longest`` takes the longest entry of it at each place, else a single letter.
        how: ``auto`` cuts the scripts that have no spaces, ``longest`` every script, ``spaces`` none.
    """
    cut: list[Word] = []
    most = max(map(len, known.entries), default=1)
    for word in words:
        if how == "spaces" or (how == "auto" and not _lacks_spaces(word.text[0])):
            cut.append(word)
            continue
        start = 0
        while start < len(word.text):
            sizes = range(min(most, len(word.text) - start), 1, -1)
            size = next((n for n in sizes if word.text[start : start + n].casefold() in known.entries), 1)
            at = word.start + start
            cut.append(Word(word.text[start : start + size], at, at + size))
            start += size
    return cut


@dataclass(frozen=True)
class Glosser:
    """Puts translations into texts, and takes them out again.

    Attributes:
        known: The translations.
        order: Where they go: behind each word, before the text or behind it.
        all_senses: Write all senses of a word, with bars between, not the first alone.
        segment: How words are found; see ``segmented``.
        instruction: A line behind texts that got a translation; empty for none.
    """

    known: WordList
    order: Order = "interleave"
    all_senses: bool = False
    segment: Segment = "auto"
    instruction: str = ""

    def gloss(self, text: str) -> Glossed:
        """Return a text with translations."""
        brackets = _brackets_for(text)
        words = segmented(words_of(text), self.known, self.segment)
        matches = list(self._matches(text, words))
        if not matches:
            return Glossed(text, len(words), 0)
        told = [(phrase, f"{brackets[0]}{self._say(senses)}{brackets[1]}") for phrase, senses, _ in matches]
        if self.order == "interleave":
            written = _interleaved(text, told)
        else:
            listed = ", ".join(dict.fromkeys(f"{text[p.start : p.stop]} {gloss}" for p, gloss in told))
            listed = " ".join(listed.split())
            written = f"{listed}\n{text}" if self.order == "prepend" else f"{text}\n{listed}"
        end = f"\n{self.instruction}" if self.instruction else ""
        return Glossed(written + end, len(words), sum(n for _, _, n in matches))

    def restore(self, text: str) -> str:
        """Return the text from which ``gloss`` made this one; a text that it cannot have made as it is."""
        for candidate in self._candidates(text):
            if self.gloss(candidate).text == text:
                return candidate
        return text

    def _candidates(self, text: str) -> Iterator[str]:
        body = text.removesuffix(f"\n{self.instruction}") if self.instruction else text
        if self.order == "prepend":
            yield body.partition("\n")[2]
        elif self.order == "append":
            yield body.rpartition("\n")[0]
        else:
            deeper = [(BRACKETS[-1][0] * n, BRACKETS[-1][1] * n) for n in range(2, _longest_run(body) + 1)]
            for opened, closed in (map(re.escape, pair) for pair in (*BRACKETS, *deeper)):
                yield re.sub(rf" {opened}[^{opened}{closed}]*{closed}", "", body)

    def _say(self, senses: Senses) -> str:
        return SENSES.join(senses) if self.all_senses else senses[0]

    def _matches(self, text: str, words: Sequence[Word]) -> Iterator[tuple[Word, Senses, int]]:
        """Yield the phrases that the list has, the longest at each place, with senses and number of words."""
        place = 0
        while place < len(words):
            for size in range(min(self.known.longest, len(words) - place), 0, -1):
                run = words[place : place + size]
                senses = self.known.find(_spanned(text, run)) if _is_unbroken(text, run) else ()
                if senses:
                    yield Word(_spanned(text, run), run[0].start, run[-1].stop), senses, size
                    place += size
                    break
            else:
                place += 1


def _spanned(text: str, words: Sequence[Word]) -> str:
    return text[words[0].start : words[-1].stop]


def _is_unbroken(text: str, words: Sequence[Word]) -> bool:
    """Say whether nothing but blanks stands between words."""
    between = [text[a.stop : b.start] for a, b in pairwise(words)]
    return all(gap.isspace() and "\n" not in gap for gap in between)


def _interleaved(text: str, told: Sequence[tuple[Word, str]]) -> str:
    written: list[str] = []
    place = 0
    for phrase, gloss in told:
        written += [text[place : phrase.stop], f" {gloss}"]
        place = phrase.stop
    return "".join([*written, text[place:]])


def _brackets_for(text: str) -> tuple[str, str]:
    """Return the pair behind the last one of which the text has a sign."""
    used = max(
        (index for index, pair in enumerate(BRACKETS) if any(sign in text for sign in pair)), default=-1
    )
    if used + 1 < len(BRACKETS):
        opened, closed = BRACKETS[used + 1]
        return opened, closed
    opened, closed = BRACKETS[-1]
    n = _longest_run(text) + 1
    return opened * n, closed * n


def _longest_run(text: str) -> int:
    """Return how often a sign of the last pair stands in a row at most."""
    opened, closed = map(re.escape, BRACKETS[-1])
    return max(map(len, re.findall(f"{opened}+|{closed}+", text)), default=0)

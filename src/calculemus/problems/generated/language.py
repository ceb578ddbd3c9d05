"""Calculese, a constructed language with a complete dictionary: translation is exact in both directions.

    Tom has 12 apples.                 Tom ga una deka dova kon vuledai zeres.
    How many apples does Tom have?     Miko zulo vuledai kako Tom ga zere?

The grammar is in ``languages/calculese.toml``. Calculations (``4 + 3 = <<4+3=7>>7``) and the line of the
answer stay as they are, so that solutions can be checked in either language.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Literal

from calculemus.errors import ProblemError
from calculemus.problems.generated.lexicon import all_names, table

Language = Literal["en", "calculese"]

_HELD = "\x00"  # stands for a calculation while words are translated
_CALCULATION = re.compile(r"#### .*|[\d(][\d\s()+*/.-]*= ?(?:<<[^<>]*>>)?-?[\d./]+|\d+[./]\d+")
_TOKEN = re.compile(rf"[^\W\d_]+|\d+|{_HELD}|\S")
_CLAUSE = re.compile(r"([.,:?!]+\s*(?:\*\*\s*)?)")
_ENDS = ".:?!"


@dataclass(frozen=True)
class Dictionary:
    """Every word form of the plain register with its translation, and what grammar needs to know.

    Attributes:
        forms: English to calculese, lower case.
        back: Calculese to English.
        finite: Verbs in the third person, which stand last before others.
        verbs: All verbs.
        classifiers: What is said between a number and a noun.
        names: Names of people, which have no translation.
        digits: The words of 0 to 9.
        powers: Powers of ten with a word, from the largest.
        particle: Stands where the verb would in English.
    """

    forms: dict[str, str]
    back: dict[str, str]
    finite: frozenset[str]
    verbs: frozenset[str]
    classifiers: dict[str, str]
    names: frozenset[str]
    digits: tuple[str, ...]
    powers: tuple[tuple[int, str], ...]
    particle: str

    def covered(self, share: float) -> dict[str, str]:
        """Return a part of the dictionary; a larger share holds a smaller one.

        Args:
            share: Of the words, from 0 to 1; which ones is decided by hash.
        """
        ranked = sorted(self.forms, key=lambda word: blake2b(word.encode(), digest_size=8).digest())
        kept = set(ranked[: round(share * len(ranked))])
        return {word: form for word, form in self.forms.items() if word in kept}


@cache
def dictionary() -> Dictionary:
    """Return the dictionary of calculese."""
    entries = table("languages/calculese.toml")
    forms = dict(entries["words"])
    counted: dict[str, str] = {}
    for singular, (plural, stem, kind) in entries["nouns"].items():
        forms |= {singular: f"{stem}a", plural: f"{stem}ai"}
        counted |= dict.fromkeys((singular, plural), entries["classifiers"][kind])
    finite = {third: f"{stem}es" for third, stem in entries["verbs"].values()}
    base = {word: f"{stem}e" for word, (_, stem) in entries["verbs"].items()}
    forms |= finite | base
    powers = sorted(((int(power), word) for power, word in entries["powers"].items()), reverse=True)
    return Dictionary(
        forms=forms,
        back={form: word for word, form in forms.items()},
        finite=frozenset(finite) | {"are"},
        verbs=frozenset(finite) | frozenset(base),
        classifiers=counted | {"": entries["classifiers"]["none"]},
        names=frozenset(all_names()),
        digits=tuple(entries["digits"]),
        powers=tuple(powers),
        particle=entries["particle"],
    )


def translate(text: str, to: Language) -> str:
    """Translate text of the plain register, or its calculese, word by word and back again.

    Raises:
        ProblemError: A word that the dictionary does not have.

    Example:
        >>> there = translate("Tom has 12 apples.", to="calculese")
        >>> there
        'Tom ga una deka dova kon vuledai zeres.'
        >>> translate(there, to="en")
        'Tom has 12 apples.'
    """
    change = _to_calculese if to == "calculese" else _to_english
    return "\n".join(_translate_line(line, change) for line in text.split("\n"))


def _translate_line(line: str, change: Callable[[list[str]], list[str]]) -> str:
    held = _CALCULATION.findall(line)
    parts = _CLAUSE.split(_CALCULATION.sub(_HELD, line))
    starts = True
    written = []
    for place, part in enumerate(parts):
        if place % 2:
            written.append(part)
            starts = any(sign in part for sign in _ENDS)
        else:
            written.append(_clause(part, change, starts))
    calculations = iter(held)
    return re.sub(_HELD, lambda _: next(calculations), "".join(written))


def _clause(text: str, change: Callable[[list[str]], list[str]], starts: bool) -> str:
    """Translate what stands between two signs; a clause that starts a sentence has a capital."""
    words = _TOKEN.findall(text)
    if not words:
        return text
    names = dictionary().names
    if starts and words[0] not in names:
        words[0] = words[0][0].lower() + words[0][1:]
    words = change(words)
    if starts and words[0] not in names:
        words[0] = words[0][0].upper() + words[0][1:]
    return " ".join(words)


def _to_calculese(words: list[str]) -> list[str]:
    """Translate the words of a clause, and put its verb last."""
    known = dictionary()
    places = [place for place, word in enumerate(words) if word in known.finite]
    places = places or [place for place, word in enumerate(words) if word in known.verbs]
    told = [_said(words, place, known) for place in range(len(words))]
    if places:
        verb = told[places[0]]
        told[places[0]] = [known.particle]
        told.append(verb)
    return [word for part in told for word in part]


def _said(words: list[str], place: int, known: Dictionary) -> list[str]:
    """Return the translation of one word."""
    word = words[place]
    if word.isdecimal():
        following = words[place + 1] if place + 1 < len(words) else ""
        return [*say_number(int(word)), known.classifiers.get(following, known.classifiers[""])]
    if word in known.names or word == _HELD or not word.isalpha():
        return [word]
    if word not in known.forms:
        raise ProblemError(
            f"translating to calculese: there is no word for {word!r}; expected words of the plain register. "
            "Leave the word out, or generate with wording=plain"
        )
    return [known.forms[word]]


def _to_english(words: list[str]) -> list[str]:
    """Put the verb back where the particle stands, and translate the words of a clause."""
    known = dictionary()
    if known.particle in words:
        words[words.index(known.particle)] = words.pop()
    numbers = {*known.digits, *(word for _, word in known.powers)}
    said: list[str] = []
    told: list[str] = []
    for word in words:
        if word in numbers:
            said.append(word)
        elif said:
            # The word after a number is its classifier.
            told.append(str(read_number(said)))
            said = []
        elif word in known.names or word == _HELD or not word.isalpha():
            told.append(word)
        elif word in known.back:
            told.append(known.back[word])
        else:
            raise ProblemError(
                f"translating from calculese: {word!r} is no word of it; expected a text that was translated "
                "to calculese"
            )
    return told


def say_number(number: int) -> list[str]:
    """Return the words of a whole number below 10**9.

    Example:
        >>> say_number(305)
        ['teri', 'sento', 'pema']
    """
    known = dictionary()
    for power, word in known.powers:
        if number >= power:
            rest = number % power
            return [*say_number(number // power), word, *(say_number(rest) if rest else [])]
    return [known.digits[number]]


def read_number(words: list[str]) -> int:
    """Return the number that its words say."""
    known = dictionary()
    for power, word in known.powers:
        if word in words:
            # The last one: what is said before a thousand may hold hundreds, never a thousand.
            place = len(words) - 1 - words[::-1].index(word)
            rest = words[place + 1 :]
            return read_number(words[:place]) * power + (read_number(rest) if rest else 0)
    return known.digits.index(words[0])

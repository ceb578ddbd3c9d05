"""What stories are told with: the sentences, nouns and names of a language, ready for one split.

By hash, one sentence of each move and register is held out for the split ``templates``, and 13 of the names
for the split ``names``. The numbers of names, of things and of packs are prime, so that any start and any
stride give different ones.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Any, NamedTuple

from calculemus.problems.generated.moves import EXPRESSIONS, MOVES
from calculemus.problems.generated.phrase import Phrase

HELD_OUT_NAMES = 13
FILES = {"en": "english", "de": "german", "calculese": "english"}  # calculese is translated from English
_JOINS = {
    "together": ("{x} + {b}", "{v} + {u}"),
    "together_three": ("{x} + {b} + {c}", "{v} + {u} + {t}"),
    "apart": ("{x} - {b}", "{v} - {u}"),
}
SUM = "{=}"
_STARTS = ("start", "start_time", "distractor", "noop", "noop_money", "noop_time")


class Noun(NamedTuple):
    """A noun: many, one, with its article, as a pronoun, as what is left, and in names of a program."""

    plural: str
    singular: str
    object: str
    pronoun: str
    rest: str
    slug: str


class Person(NamedTuple):
    """Someone: first and later in a sentence, both as pronouns too, and in names of a program."""

    first: str
    later: str
    first_pronoun: str
    later_pronoun: str
    slug: str


@dataclass(frozen=True, slots=True)
class Entry:
    """How one move is told.

    Attributes:
        id: The move.
        tells: The sentences of the question, of which each telling takes one.
        ask: The question for its result; ``ask_named`` without pronouns;
            ``ask_first`` what it was at first.
        line: Its line in a solution, with ``SUM`` for the calculation.
        step: The same with its own calculation, annotated; ``plain`` without the annotation.
        sum: Its expression, with its result, as in ``3 + 4 = 7``.
        code: Its line of the program, indented.
    """

    id: str
    tells: tuple[Phrase, ...]
    ask: Phrase
    ask_named: Phrase
    ask_first: Phrase
    line: Phrase
    step: Phrase
    plain: Phrase
    sum: Phrase
    code: Phrase


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All words of a language for one register and split."""

    entries: dict[str, Entry]
    people: tuple[Person, ...]
    friend: Person
    things: tuple[Noun, ...]
    packs: tuple[Noun, ...]
    money: Noun
    times: tuple[Noun, ...]
    ordinals: tuple[str, ...]
    unknown: tuple[str, ...]
    total: str
    excess: str


def _rank(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()


def table(name: str) -> dict[str, Any]:
    """Read one of the tables beside this file."""
    return tomllib.loads((files("calculemus.problems.generated") / name).read_text("utf-8"))


def all_names() -> list[str]:
    """Return every name of a person."""
    return [name for listed in table("names.toml").values() for name in listed]


def split_names(split: str) -> list[tuple[str, str]]:
    """Return the names that a split uses, each with its pronoun's key, in a fixed order."""
    names = [(name, key) for key, listed in table("names.toml").items() for name in listed]
    names.sort(key=lambda pair: _rank(pair[0]))
    return names[:HELD_OUT_NAMES] if split == "names" else names[HELD_OUT_NAMES:]


def split_sentences(sentences: list[str], split: str) -> tuple[str, ...]:
    """Return the sentences that a split uses: the one of least hash is held out."""
    held_out = min(sentences, key=_rank)
    if split == "templates":
        return (held_out,)
    return tuple(sentence for sentence in sentences if sentence != held_out)


@cache
def lexicon(language: str, wording: str, split: str) -> Lexicon:
    """Return the words of a language, register and split."""
    tables = table(f"languages/{FILES[language]}.toml")
    words = tables.pop("words")
    ids = {move.id: EXPRESSIONS[move.sum] for move in MOVES} | _JOINS | dict.fromkeys(_STARTS, ("{y}", "{y}"))
    entries = {name: _entry(name, tables[name], sums, wording, split) for name, sums in ids.items()}
    money = words["money"]
    return Lexicon(
        entries=entries,
        people=tuple(
            _person(name, name, words["pronouns"][key], name.lower()) for name, key in split_names(split)
        ),
        friend=_person(words["friend"][0], words["friend"][1], words["friend"], "friend"),
        things=_nouns("things", words),
        packs=_nouns("packs", words),
        money=Noun(money[0], money[1], money[2], money[3], words["objects"][2], "dollars"),
        times=_nouns("times", words),
        ordinals=tuple(words["orders"]),
        unknown=tuple(words["unknown"]),
        total="all",
        excess="more",
    )


def _person(first: str, later: str, pronouns: list[str], slug: str) -> Person:
    return Person(first, later, pronouns[0], pronouns[1], slug)


def _nouns(kind: str, words: dict[str, Any]) -> tuple[Noun, ...]:
    """Return the nouns of a kind; programs name them in English, in every language."""
    slugs = [plural for plural, _ in table("languages/english.toml")["words"][kind]]
    object_, pronoun, rest = words["objects"]
    return tuple(
        Noun(plural, singular, object_.replace("{N}", plural), pronoun, rest, slug)
        for (plural, singular), slug in zip(words[kind], slugs, strict=True)
    )


def _entry(name: str, entry: dict[str, Any], sums: tuple[str, str], wording: str, split: str) -> Entry:
    """Compile the sentences of a move; ``{=}`` is its sum, in the text annotated."""
    written, code = sums
    tight = written.replace(" ", "")
    step = entry.get("rich_step" if wording == "rich" else "step", entry.get("step", SUM))
    sentences = entry.get(wording) or entry.get("plain") or []
    return Entry(
        id=name,
        tells=tuple(map(Phrase, split_sentences(sentences, split))) if sentences else (),
        ask=Phrase(entry.get("ask", "")),
        ask_named=Phrase(entry.get("ask", "").replace("{s}", "{p}")),
        ask_first=Phrase(entry.get("first", "")),
        line=Phrase(step),
        step=Phrase(step.replace(SUM, f"{written} = <<{tight}={{y}}>>{{y}}")),
        plain=Phrase(step.replace(SUM, f"{written} = {{y}}")),
        sum=Phrase(f"{written} = {{y}}"),
        code=Phrase(f"    {{w}} = {code}"),
    )

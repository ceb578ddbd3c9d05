"""Problems as token ids, packed in arrays: no text is made, and none is cut.

The protocol is small. ``pieces.cut`` says how text is cut; a vocabulary maps each piece to its id. Every word
and sentence of the tables is cut once; a problem is then put together from lists of ids.
"""

import dataclasses
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from calculemus.errors import InvalidParameterError
from calculemus.problems.generated.draft import Draft
from calculemus.problems.generated.lexicon import Entry, Lexicon, lexicon
from calculemus.problems.generated.phrase import SLOTS
from calculemus.problems.generated.pieces import cut
from calculemus.problems.generated.spec import Spec
from calculemus.problems.generated.teller import Teller, Telling

if TYPE_CHECKING:
    import numpy as np

FORMS = ("question", "solution", "plain_solution", "equations", "program")

_PRIVATE = 0xE000  # a sign of its own for each slot while sentences are cut
_KEPT = 10_000  # numbers below this are kept cut, so that memory stays flat
_LINES = {"solution": "step", "plain_solution": "plain", "equations": "sum"}

Buffer: TypeAlias = "array[int]"
Ids = tuple[int, ...]
Word = tuple[Ids, Ids]  # as it stands first, and after a blank


class Packed(NamedTuple):
    """Texts as ids: text i is ``ids[starts[i]:starts[i + 1]]``."""

    ids: "np.ndarray"
    starts: "np.ndarray"


class IdPhrase(NamedTuple):
    """A sentence with slots, cut: ids, then a slot and whether a blank stands before it, and so on."""

    parts: tuple[tuple[Ids, int, int], ...]
    last: Ids


class Cutter:
    """Cuts words and sentences, each once, into the ids of a vocabulary."""

    def __init__(self, vocabulary: Callable[[str], int]) -> None:
        self._id = vocabulary
        self._digits = [self._id(str(digit)) for digit in range(10)]
        self._blank = self._id(" ")
        self._underline = self._id("_")
        self._numbers: dict[int, Word] = {}

    def ids(self, text: str) -> Ids:
        """Return the ids of a text."""
        return tuple(map(self._id, cut(text)))

    def word(self, text: str) -> Word:
        """Return the ids of a word, without and with a blank before it."""
        return (self.ids(text), self.ids(" " + text)) if text else ((), ())

    def number(self, value: int) -> Word:
        """Return the ids of a number: its digits."""
        known = self._numbers.get(value)
        if known is None:
            digits = tuple(self._digits[ord(digit) - 48] for digit in str(value))
            known = (digits, (self._blank, *digits))
            if value < _KEPT:
                self._numbers[value] = known
        return known

    def join(self, first: Word, second: Word) -> Word:
        """Return the ids of a name of a program."""
        return (*first[0], self._underline, *second[0]), (*first[1], self._underline, *second[0])

    def phrase(self, text: str) -> IdPhrase:
        """Return a sentence with slots, cut."""
        for place, slot in enumerate(SLOTS):
            text = text.replace(f"{{{slot}}}", chr(_PRIVATE + place))
        parts: list[tuple[Ids, int, int]] = []
        held: list[int] = []
        for piece in cut(text):
            slot = ord(piece[-1]) - _PRIVATE
            if 0 <= slot < len(SLOTS):
                parts.append((tuple(held), slot, len(piece) - 1))
                held = []
            else:
                held.append(self._id(piece))
        return IdPhrase(tuple(parts), tuple(held))


def fill(phrase: IdPhrase, words: tuple[Any, ...], ids: Buffer) -> None:
    """Add a sentence with its slots filled."""
    for before, slot, blank in phrase.parts:
        ids.extend(before)
        ids.extend(words[slot][blank])
    ids.extend(phrase.last)


class _Sentences(NamedTuple):
    """The sentences of a move, cut, without and with a blank before them."""

    id: str
    tells: tuple[tuple[IdPhrase, IdPhrase], ...]
    ask: tuple[IdPhrase, IdPhrase]
    ask_named: tuple[IdPhrase, IdPhrase]
    step: tuple[IdPhrase, IdPhrase]
    plain: tuple[IdPhrase, IdPhrase]
    sum: tuple[IdPhrase, IdPhrase]
    code: IdPhrase


def cut_lexicon(words: Lexicon, cutter: Cutter) -> Lexicon:
    """Return a lexicon with ids wherever it has text: what a ``Teller`` tells with is then ids."""

    def told(value: Any) -> Any:
        return type(value)(*(cutter.word(part) for part in value))

    def both(text: str) -> tuple[IdPhrase, IdPhrase]:
        return cutter.phrase(text), cutter.phrase(" " + text)

    def sentences(entry: Entry) -> _Sentences:
        return _Sentences(
            entry.id,
            tuple(both(tell.text) for tell in entry.tells),
            both(entry.ask.text),
            both(entry.ask_named.text),
            both(entry.step.text),
            both(entry.plain.text),
            both(entry.sum.text),
            # With its newline, which is one piece with the indentation.
            cutter.phrase("\n" + entry.code.text),
        )

    cut_parts: dict[str, Any] = {
        "entries": {name: sentences(entry) for name, entry in words.entries.items()},
        "people": tuple(map(told, words.people)),
        "friend": told(words.friend),
        "things": tuple(map(told, words.things)),
        "packs": tuple(map(told, words.packs)),
        "money": told(words.money),
        "times": tuple(map(told, words.times)),
        "ordinals": tuple(map(cutter.word, words.ordinals)),
        "total": cutter.word(words.total),
        "excess": cutter.word(words.excess),
    }
    return dataclasses.replace(words, **cut_parts)


class IdWriter:
    """Writes tellings of ids in the forms of an item, with a blank before them or without."""

    def __init__(self, cutter: Cutter, *, asks_first: bool) -> None:
        self._cutter = cutter
        self._asks_first = asks_first
        self._newline = cutter.ids("\n")
        self._answer = cutter.ids("#### ")
        self._colon = cutter.ids(":")
        self._head = cutter.word("def solution():")
        self._return = cutter.phrase("\n    return {w}")

    def write(self, form: str, blank: int, draft: Draft, telling: Telling, ids: Buffer) -> None:
        """Add one form of a problem."""
        if form == "question":
            self._question(telling, blank, ids)
        elif form == "program":
            ids.extend(self._head[blank])
            for entry, _, words, _ in telling.rows:
                fill(entry.code, words, ids)  # type: ignore[arg-type]  # a cut lexicon gives cut entries
            fill(self._return, telling.rows[-1][2], ids)
        else:
            line = _LINES[form]
            for entry, _, words, is_step in telling.rows:
                if is_step:
                    fill(getattr(entry, line)[blank], words, ids)
                    ids.extend(self._newline)
                    blank = 0
            ids.extend(self._answer)
            ids.extend(self._cutter.number(draft.answer)[0])

    def _question(self, telling: Telling, blank: int, ids: Buffer) -> None:
        rows, shown, ordinals = telling
        last: Any = rows[-1][0]  # cut, as all entries here
        if self._asks_first:
            fill(last.ask_named[blank], rows[-1][2], ids)
            blank = 1
        for place, (entry, variant, words, _) in enumerate(shown):
            if ordinals:
                ids.extend(ordinals[place][blank])  # type: ignore[arg-type]  # cut too
                ids.extend(self._colon)
                blank = 1
            fill(entry.tells[variant][blank], words, ids)  # type: ignore[index]  # cut too
            blank = 1
        if not self._asks_first:
            fill(last.ask[1], rows[-1][2], ids)


class Layout(NamedTuple):
    """How a text is put together: ids, then a form and whether a blank stands before it, and so on."""

    parts: tuple[tuple[Ids, str, int], ...]
    last: Ids


def layout(form: str, cutter: Cutter) -> Layout:
    """Read a layout: text with names of forms in braces.

    Raises:
        InvalidParameterError: A form that there is not, or one right after a letter.
    """
    parts = []
    rest = form
    while "{" in rest:
        literal, _, rest = rest.partition("{")
        name, _, rest = rest.partition("}")
        if name not in FORMS or literal[-1:].isalnum():
            raise InvalidParameterError(
                f"tokens: parameter 'form' is {form!r}; expected some of "
                f"{', '.join(f'{{{known}}}' for known in FORMS)}, none of them right after a letter or digit"
            )
        blank = int(literal.endswith(" "))
        parts.append((cutter.ids(literal.removesuffix(" ")), name, blank))
    return Layout(tuple(parts), cutter.ids(rest))


class Packer:
    """Packs problems of a sequence into one array."""

    def __init__(self, spec: Spec, split: str, vocabulary: Mapping[str, int], form: str) -> None:
        cutter = Cutter(lookup(vocabulary))
        words = lexicon(spec.language, spec.wording, split)
        self.teller = Teller(spec, cut_lexicon(words, cutter), cutter.number, cutter.join)
        self._writer = IdWriter(cutter, asks_first=spec.order == "question_first")
        self._layout = layout(form, cutter)

    def add(self, draft: Draft, telling: Telling, ids: Buffer) -> None:
        """Add a problem in the layout."""
        for literal, form, blank in self._layout.parts:
            ids.extend(literal)
            self._writer.write(form, blank, draft, telling, ids)
        ids.extend(self._layout.last)


def pieces_of(spec: Spec, split: str) -> list[str]:
    """Return every piece that problems of a spec and split may have, sorted."""
    found: dict[str, int] = {}
    # Cutting all sentences and words asks for the id of every piece.
    Packer(spec, split, _Recorder(found), "".join(f"{{{form}}}\n" for form in FORMS))
    return sorted(found)


class _Recorder(Mapping[str, int]):
    """A vocabulary that takes every piece in."""

    def __init__(self, found: dict[str, int]) -> None:
        self._found = found

    def __getitem__(self, piece: str) -> int:
        return self._found.setdefault(piece, len(self._found))

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def lookup(vocabulary: Mapping[str, int]) -> Callable[[str], int]:
    """Return what finds the id of a piece, or says which is missing."""

    def found(piece: str) -> int:
        try:
            return vocabulary[piece]
        except KeyError:
            raise InvalidParameterError(
                f"tokens: the vocabulary has no piece {piece!r}; expected every piece of the tables. "
                "Take those of Generated.pieces(), or add it"
            ) from None

    return found

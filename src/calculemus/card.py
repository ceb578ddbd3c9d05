"""Cards: what is known of a method without importing its code.

A card is a TOML file beside the method, or in the method's place as long as there is none. Measured results
never stand in it: they come from the store.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from calculemus.errors import CardError
from calculemus.named import suggest

T = TypeVar("T")

ROOMS = {
    "solving": "ways to solve problems by asking models",
    "merging": "arithmetic on models: merges, edits and adapters",
    "numerics": "arithmetic below models: number formats, quantisation, decoding",
    "training": "recipes that change weights",
    "probing": "looking inside models",
    "proving": "formal proofs, checked",
    "curating": "making, checking and choosing problems",
    "evaluating": "benchmarks, metrics and judges",
}
"""The families of methods. A card's room is one of them; its folder need not be."""

INTERFACES = (
    *("Solver", "Verifier", "Grader", "Benchmark", "Metric"),
    *("TensorMerge", "StructureEdit", "CalibratedMerge", "Composition"),
    *("NumberFormat", "Quantizer", "Rounder", "KvCodec", "Sampler", "Drafter", "CostModel"),
    *("Recipe", "Module", "Probe", "Prover"),
    *("Source", "Transform", "Check", "Select", "Loop", "Study"),
)
"""What a method can be to its callers. A ``Module`` is a part of a model, a ``Study`` an experiment."""

DIRECTIONS = ("higher", "lower", "equal")


@dataclass(frozen=True, slots=True)
class CardClaim:
    """What the paper claims, in words.

    Attributes:
        text: The claim, as a sentence that a measurement can contradict.
        baseline: What the method is held against: an id, or words where there is none.
        treatment: What is held against it.
        metric: What is measured.
        direction: ``higher``, ``lower`` or ``equal``: where the treatment should come out.
        reported: The paper's own figures and where they stand; empty where it gives none.
    """

    text: str
    baseline: str
    treatment: str
    metric: str
    direction: str
    reported: str = ""


@dataclass(frozen=True, slots=True)
class CardScope:
    """How far a small experiment reaches.

    Attributes:
        shows: What it can show.
        does_not_show: What it cannot.
        not_established: Details that the sources leave open; empty where there are none.
    """

    shows: str
    does_not_show: str
    not_established: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A method's card.

    Attributes:
        id: Its name; the stem of its card, module, claim and test.
        title: Of its paper, or what people call it.
        date: Of the first version, as ``YYYY-MM-DD``, ``YYYY-MM`` or ``YYYY``.
        authors: How many; 0 where it is unknown.
        room: Its family, one of ``ROOMS``.
        interface: What it is to callers, one of ``INTERFACES``.
        summary: What it does, in about two sentences.
        claim: What its paper claims.
        scope: What a small experiment can show of that.
        arxiv: Number of the preprint; ``unknown`` where none was found.
        entry: ``module:Class``; empty as long as there is no code.
        tags: What the conformance suite goes by, such as ``stochastic``, ``runs-code``, ``needs-logits``.
        feed: Pages of the paper feed that list it; none for baselines.
        aliases: Other names that people look for.
        differs: Departures from the paper or its public code, by subject.
        expected_failures: Conformance checks that are known to fail, with the reason.
        path: The card's file.
    """

    id: str
    title: str
    date: str
    authors: int
    room: str
    interface: str
    summary: str
    claim: CardClaim
    scope: CardScope
    arxiv: str = "unknown"
    entry: str = ""
    tags: tuple[str, ...] = ()
    feed: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    differs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    expected_failures: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    path: Path = Path()

    @property
    def is_system(self) -> bool:
        """Whether the feed lists it; the other cards are baselines and shared pieces."""
        return bool(self.feed)


def read_card(path: Path) -> Card:
    """Read a card.

    Raises:
        CardError: It cannot be read, a field is missing, misspelt or of another type, or a value is none that
            the field may have.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CardError(f"{_reading(path)}: {error}. Expected a TOML file in UTF-8; mend it") from error
    card = replace(_filled(Card, table, "", path), path=path)
    _check_values(card)
    return card


def _reading(path: Path) -> str:
    return f"reading the card {path}"


def _filled(kind: type[T], table: Mapping[str, Any], prefix: str, path: Path) -> T:
    """Fill a dataclass from a table, field by field."""
    parts = fields(kind)  # type: ignore[arg-type]  # always a dataclass
    known = {part.name: part for part in parts if part.name != "path"}
    for name in table:
        if name not in known:
            raise CardError(
                f"{_reading(path)}: there is no field '{prefix}{name}'; {suggest(name, known)}"
                f"expected some of {', '.join(known)}"
            )
    for name, part in known.items():
        if name not in table and part.default is MISSING and part.default_factory is MISSING:
            raise CardError(
                f"{_reading(path)}: the field '{prefix}{name}' is missing; expected "
                f"{', '.join(_required(kind))}. Add it"
            )
    return kind(
        **{name: _value(known[name].type, value, prefix + name, path) for name, value in table.items()}
    )


def _required(kind: type) -> list[str]:
    return [p.name for p in fields(kind) if p.default is MISSING and p.default_factory is MISSING]


def _value(kind: Any, value: Any, name: str, path: Path) -> Any:
    """Return a value as the field has it."""
    if kind in (CardClaim, CardScope) and isinstance(value, dict):
        return _filled(kind, value, f"{name}.", path)
    if kind is str and isinstance(value, str):
        return value.strip()
    if kind is int and isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if kind == tuple[str, ...] and isinstance(value, list) and _are_texts(value):
        return tuple(value)
    if kind == Mapping[str, str] and isinstance(value, dict) and _are_texts(value.values()):
        return MappingProxyType(value)
    wanted = {str: "text", int: "a whole number from 0", tuple[str, ...]: "a list of texts"}
    expected = wanted.get(kind, "a table of texts")
    raise CardError(f"{_reading(path)}: '{name}' is {value!r}; expected {expected}")


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


_ID = re.compile(r"[a-z][a-z0-9_]*")
_DATE = re.compile(r"(19|20)\d\d(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
_ARXIV = re.compile(r"\d{4}\.\d{4,5}|unknown")
_ENTRY = re.compile(r"([a-zA-Z_]\w*(\.[a-zA-Z_]\w*)*:[a-zA-Z_]\w*)?")


def _check_values(card: Card) -> None:
    def must(holds: bool, name: str, value: object, expected: str) -> None:
        if not holds:
            raise CardError(f"{_reading(card.path)}: '{name}' is {value!r}; expected {expected}")

    must(bool(_ID.fullmatch(card.id)), "id", card.id, "small letters, digits and underscores")
    must(card.id == card.path.stem, "id", card.id, f"'{card.path.stem}', as the file is called")
    must(bool(_DATE.fullmatch(card.date)), "date", card.date, "YYYY-MM-DD, YYYY-MM or YYYY")
    must(bool(_ARXIV.fullmatch(card.arxiv)), "arxiv", card.arxiv, "a number such as 2306.01708, or unknown")
    must(card.room in ROOMS, "room", card.room, f"one of {', '.join(ROOMS)}")
    must(card.interface in INTERFACES, "interface", card.interface, f"one of {', '.join(INTERFACES)}")
    must(bool(_ENTRY.fullmatch(card.entry)), "entry", card.entry, "module:Class, or nothing")
    direction = card.claim.direction
    must(direction in DIRECTIONS, "claim.direction", direction, f"one of {', '.join(DIRECTIONS)}")
    must(all(map(_ID.fullmatch, card.feed)), "feed", list(card.feed), "names of pages in small letters")
    for name in ("title", "summary", "claim.text", "claim.baseline", "claim.treatment", "claim.metric"):
        text = getattr(card.claim, name[6:]) if name.startswith("claim.") else getattr(card, name)
        must(bool(text), name, text, "text")

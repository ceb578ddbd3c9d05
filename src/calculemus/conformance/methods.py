"""Checks of every method: its card, its class, its parameters as data, its claim."""

import copy
import inspect
import json
import pickle
import re
from pathlib import Path
from typing import Any

from calculemus.card import Card
from calculemus.catalog import claim_path, load_claim, read_catalog
from calculemus.claim import Claim
from calculemus.conformance.finding import GRADER
from calculemus.conformance.quiet import kept_quiet
from calculemus.conformance.registry import check
from calculemus.conformance.reprs import read_repr
from calculemus.conformance.subject import Subject
from calculemus.errors import CardError, NotConformingError
from calculemus.params import Configured, canonical_json

_SOURCE = re.compile(r"\bSource\b|arXiv:\d{4}\.\d{4,5}|https?://|\bdoi\b", re.IGNORECASE)


def _is_profile(subject: Subject) -> bool:
    return subject.interface == GRADER and subject.card is None


@check(is_of_building=True)
def its_entry_imports_and_is_a_class(subject: Subject) -> None:
    """What the card's entry names is there and is a class."""
    if subject.made is None and subject.fault is not None:
        raise NotConformingError(str(subject.fault))
    if not isinstance(subject.made, type):
        raise NotConformingError(
            f"{subject.name}: its entry is {subject.made!r:.200}; expected a class. Name the class in the "
            "card"
        )


@check(is_of_building=True)
def it_builds_from_its_defaults(subject: Subject) -> str | None:
    """It needs no arguments."""
    if not isinstance(subject.made, type):
        return "there is no class"
    if subject.fault is not None:
        raise NotConformingError(str(subject.fault))
    return None


@check(is_of_building=True)
def its_card_is_complete(subject: Subject) -> str | None:
    """The card says what people need, and its id and aliases are its own."""
    card = subject.card
    if card is None:
        return "it has no card"
    empty = [name for name in ("title", "summary") if not getattr(card, name)]
    empty += [f"scope.{name}" for name in ("shows", "does_not_show") if not getattr(card.scope, name)]
    if empty:
        raise NotConformingError(
            f"{subject.name}: the card {card.path} says nothing under {', '.join(empty)}; expected text. "
            "Write it"
        )
    _require_own_names(card)
    return None


def _require_own_names(card: Card) -> None:
    mine = {card.id, *card.aliases}
    for other in read_catalog():
        is_itself = other.path.resolve() == card.path.resolve()
        # A card with code takes the place of a planned one of the same id.
        shared = sorted(mine & {other.id, *other.aliases})
        if shared and not is_itself and (other.entry or other.id != card.id):
            raise NotConformingError(
                f"{card.id}: the card {card.path} has the name {', '.join(shared)}, which {other.path} has, "
                "too; expected names of its own. Rename one of them"
            )


@check()
def it_is_a_frozen_dataclass_of_parameters(subject: Subject) -> str | None:
    """Its parameters are fields that are stored as they are given and never change."""
    if _is_profile(subject):
        return "a grader profile has no parameters"
    made: type = subject.made
    settings = vars(made).get("__dataclass_params__")  # its own, where a base's would say nothing of it
    if settings is None or not settings.frozen or not issubclass(made, Configured):
        raise NotConformingError(
            f"{subject.name}: {made.__name__} is no frozen dataclass that derives from Configured; expected "
            "one. Write @dataclass(frozen=True) above it, and let it derive from its interface's base"
        )
    return None


@check()
def its_repr_reads_back(subject: Subject) -> str | None:
    """Its ``repr``, evaluated, gives an equal one."""
    if _is_profile(subject):
        return "a grader profile has no parameters"
    read = read_repr(subject.method)
    if read != subject.method:
        raise NotConformingError(
            f"{subject.name}: its repr {subject.method!r} reads back as {read!r}; expected an equal one. "
            "Leave __repr__ to the dataclass, and store parameters as they are given"
        )
    return None


@check()
def its_parameters_go_through_json(subject: Subject) -> str | None:
    """Its parameters, written and read, give an equal one."""
    if not isinstance(subject.method, Configured):
        return "it has no parameters that are checked"
    try:
        read = subject.made.from_params(json.loads(canonical_json(subject.method.params())))
    except (TypeError, ValueError) as error:
        raise NotConformingError(
            f"{subject.name}: its parameters {subject.method.params()} do not come back from JSON: {error}; "
            "expected numbers, texts, truth values, None and tuples of them. Change the parameter's type"
        ) from error
    _require_equal(subject, read, "from JSON")
    return None


@check()
def it_can_be_pickled_and_copied(subject: Subject) -> None:
    """It goes through pickle and deepcopy as it is."""
    ways = {"pickle": lambda it: pickle.loads(pickle.dumps(it)), "copy.deepcopy": copy.deepcopy}
    for way, make in ways.items():
        try:
            made = make(subject.method)
        except Exception as error:  # pickle passes on whatever a class's own code raises
            raise NotConformingError(
                f"{subject.name}: {way} raised {type(error).__name__}: {error}; expected an equal one. Keep "
                "parameters alone in it, and define its class at the top of a module"
            ) from error
        _require_equal(subject, made, f"from {way}")


def _require_equal(subject: Subject, made: Any, whence: str) -> None:
    if made != subject.method or repr(made) != repr(subject.method):
        raise NotConformingError(
            f"{subject.name}: {made!r} came back {whence}; expected {subject.method!r}. Store parameters as "
            "they are given, and compute what follows from them where it is used"
        )


@check()
def its_docstring_names_a_source(subject: Subject) -> str | None:
    """Whoever reads the code learns where the method is from."""
    if _is_profile(subject):
        return "a grader profile may be of our own making"
    module = inspect.getmodule(subject.made)
    text = f"{subject.made.__doc__}\n{module.__doc__ if module is not None else ''}"
    if not _SOURCE.search(text):
        raise NotConformingError(
            f"{subject.name}: the docstring of {subject.made.__name__} names no source; expected 'Source: "
            "...' with paper, number and section. Write it"
        )
    return None


@check(is_of_building=True)
def its_claim_imports_and_has_a_control(subject: Subject) -> str | None:
    """The claim file defines a claim with a control in which it cannot hold."""
    card = subject.card
    path: Path | None = claim_path(card) if card is not None else None
    if card is None or path is None:
        return "it has no claim file"
    try:
        with kept_quiet():
            claim = getattr(load_claim(card), "CLAIM", None)
    except CardError as error:
        raise NotConformingError(str(error)) from error
    if not isinstance(claim, Claim):
        raise NotConformingError(
            f"{subject.name}: {path} has the CLAIM {claim!r:.100}; expected a calculemus.claim.Claim. Define "
            "it"
        )
    if claim.control == claim.contrasts[0]:
        raise NotConformingError(
            f"{subject.name}: the control of the claim in {path} is the claim itself; expected one in which "
            "the claim cannot hold. Use contrast.without_treatment()"
        )
    return None

"""Finding what is to be checked: by id, card, path, class or instance."""

import inspect
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from calculemus.card import INTERFACES, Card, read_card
from calculemus.catalog import import_file, load, read_catalog
from calculemus.conformance.quiet import kept_quiet
from calculemus.conformance.subject import Origin, Subject
from calculemus.errors import CalculemusError, CardError, NotConformingError
from calculemus.grading import PROFILES, get_grader
from calculemus.named import suggest
from calculemus.params import Configured

GRADER = "Grader"


def find(method: Any, folders: Sequence[Path] = ()) -> Subject:
    """Return what is to be checked.

    Args:
        method: An id of the catalog, the name of a grader profile, a card, the path of a card, of its folder
            or of a Python file, a class, or an instance.
        folders: More folders with cards.

    Raises:
        CardError: There is nothing of that name, the card cannot be read, or it is nothing that has checks.
    """
    if isinstance(method, str):
        return _of_name(method, folders)
    if isinstance(method, Path):
        return _of_path(method)
    if isinstance(method, Card):
        return _of_card(method)
    return _of_class(method) if isinstance(method, type) else _of_instance(method)


def find_all(name: str, folders: Sequence[Path] = ()) -> list[Subject]:
    """Return what an id or a path names: one method, or all those with code whose cards are in a folder.

    Raises:
        CardError: As ``find``.
    """
    folder = Path(name)
    if _is_known(name, folders) or not folder.is_dir():
        return [find(name, folders)]
    return [_of_card(card) for card in _built_cards(folder)]


def find_class(origin: Origin) -> Any:
    """Return the class that another process has found.

    Raises:
        CardError: It cannot be imported.
    """
    path = Path(origin.path)
    if not origin.module:
        return load(read_card(path))
    module = _named_module(origin.module, path) or _imported(path)
    found: Any = module
    for part in origin.name.split("."):
        found = getattr(found, part)
    return found


def _named_module(name: str, path: Path) -> ModuleType | None:
    """Return the module of this name if it is that of this file."""
    try:
        module = import_module(name)
    except Exception:  # whatever it is, it is not this module; the file is
        return None
    file = getattr(module, "__file__", None)
    return module if file is not None and Path(file).samefile(path) else None


def _is_known(name: str, folders: Sequence[Path]) -> bool:
    return name in PROFILES or read_catalog(*folders).find(name) is not None


def _of_name(name: str, folders: Sequence[Path]) -> Subject:
    catalog = read_catalog(*folders)
    card = catalog.find(name)
    if card is not None:
        return _of_card(card)
    if name in PROFILES:
        return _of_instance(get_grader(name))
    if Path(name).exists():
        return _of_path(Path(name))
    known = [*PROFILES, *(known for card in catalog for known in (card.id, *card.aliases))]
    raise CardError(
        f"looking for the method '{name}': there is no id, no grader profile and no path of that name; "
        f"{suggest(name, known)}expected an id that 'calculemus list' shows, or a folder, card or Python file"
    )


def _of_path(path: Path) -> Subject:
    if not path.exists():
        raise CardError(f"looking for a method: found nothing at {path}; expected a card or a Python file")
    if path.is_dir():
        cards = _built_cards(path)
        if len(cards) > 1:
            ids = ", ".join(card.id for card in cards)
            raise CardError(
                f"looking for a method: {path} has the cards of {ids}; expected one. Name the card's file"
            )
        return _of_card(cards[0])
    if path.suffix != ".py":
        return _of_card(read_card(path.resolve()))
    card = path.with_suffix(".toml").resolve()
    return _of_card(read_card(card)) if card.is_file() else _of_class(_class_in(path.resolve()))


def _built_cards(folder: Path) -> list[Card]:
    cards = [read_card(path) for path in sorted(folder.resolve().glob("*.toml"))]
    built = [card for card in cards if card.entry]
    if not built:
        raise CardError(
            f"looking for methods: {folder} has {len(cards)} cards and none of them has an entry; expected "
            "the card of a method that is built"
        )
    return built


def _imported(path: Path) -> ModuleType:
    try:
        with kept_quiet():
            return import_file(path)
    except Exception as error:  # other people's modules fail in ways of their own
        raise CardError(
            f"looking for a method: importing {path} found {type(error).__name__}: {error}; expected a "
            "module that imports"
        ) from error


def _class_in(path: Path) -> type:
    """Return the one method that a file defines."""
    module = _imported(path)
    classes = [
        value
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
    ]
    found = [made for made in classes if _interface(made) is not None]
    if len(found) > 1:
        named = [made for made in found if made.__name__.lower() == path.stem.replace("_", "").lower()]
        found = named or found
    if len(found) != 1:
        names = ", ".join(made.__name__ for made in found) or "none"
        raise CardError(
            f"looking for a method in {path}: found {names}; expected one class of an interface that there "
            f"is ({', '.join(INTERFACES)}), called as its file. Write a card with an entry"
        )
    return found[0]


def _interface(made: type) -> str | None:
    """Return the interface of a class: by the name of a base, for a grader by what it has."""
    for base in made.__mro__[1:]:
        if base.__name__ in INTERFACES:
            return base.__name__
    return GRADER if callable(getattr(made, "grade", None)) else None


def _of_card(card: Card) -> Subject:
    subject = Subject(card.id, card.interface, card)
    if not card.entry:
        raise CardError(
            f"checking the method '{card.id}': it is planned, there is no code yet; expected a method that "
            "is built. 'calculemus list --status built' lists those"
        )
    try:
        with kept_quiet():
            subject.made = load(card)
    except CardError as fault:
        subject.fault = fault
        return subject
    subject.origin = Origin(str(card.path))
    _build(subject)
    return subject


def _of_class(made: type) -> Subject:
    subject = Subject(made.__name__, _interface_of(made), made=made, origin=_origin(made))
    _build(subject)
    return subject


def _of_instance(method: Any) -> Subject:
    made = type(method)
    interface = _interface_of(made)
    name = method.name if interface == GRADER and isinstance(method.name, str) else made.__name__
    return Subject(name, interface, made=made, method=method, origin=_origin(made))


def _interface_of(made: type) -> str:
    interface = _interface(made)
    if interface is None:
        raise CardError(
            f"checking {made.__name__}: it derives from no interface and is no grader; expected a class of "
            f"one of {', '.join(INTERFACES)}"
        )
    return interface


def _origin(made: type) -> Origin | None:
    try:
        path = inspect.getsourcefile(made)
    except (OSError, TypeError):  # it was typed in
        return None
    if path is None or "<locals>" in made.__qualname__ or not Path(path).is_file():
        return None
    return Origin(str(Path(path).resolve()), made.__module__, made.__qualname__)


def _build(subject: Subject) -> None:
    """Make an instance with the defaults, or note why there can be none."""
    made = subject.made
    try:
        if not isinstance(made, type):
            raise NotConformingError(
                f"{subject.name}: its entry is {made!r:.200}; expected a class. Name the class in the card"
            )
        with kept_quiet():
            subject.method = made()
    except CalculemusError as error:
        subject.fault = error
    except Exception as error:  # whatever it is, it is what the method does
        has_fields = issubclass(made, Configured)
        subject.fault = NotConformingError(
            f"{subject.name}: building it from its defaults raised {type(error).__name__}: {error}; expected "
            f"{'a default for every parameter' if has_fields else 'a class that needs no arguments'}. Give "
            "it one"
        )

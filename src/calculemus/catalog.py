"""The catalog: all cards that can be found, without importing a method's code.

Cards come from three places: the rooms of this package, packages that name themselves under the entry point
group ``calculemus.cards``, and folders of the user.
"""

import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from calculemus.card import ROOMS, Card, read_card
from calculemus.errors import CardError, MissingExtraError
from calculemus.files import data_folder
from calculemus.named import suggest
from calculemus.params import digest

ENTRY_POINTS = "calculemus.cards"
CARDS_VARIABLE = "CALCULEMUS_CARDS"
EXTRAS = {
    **dict.fromkeys(("torch", "transformers", "safetensors", "tokenizers"), "torch"),
    **dict.fromkeys(("cmaes", "pymoo"), "evolve"),
    "numba": "merge",
    "sklearn": "claims",
}
"""What optional dependencies come with: methods and claims import them at the top of their files."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Cards by id.

    Attributes:
        cards: In order of their ids.
        faults: What is wrong with the cards that could not be read; the others work all the same.
    """

    cards: tuple[Card, ...]
    faults: tuple[CardError, ...] = ()

    def __iter__(self) -> Iterator[Card]:
        return iter(self.cards)

    def find(self, name: str) -> Card | None:
        """Return the card with an id or alias; None where there is none."""
        return next((card for card in self.cards if name == card.id or name in card.aliases), None)

    def get(self, name: str) -> Card:
        """Return the card with an id or alias.

        Raises:
            CardError: There is none; the nearest names are suggested.
        """
        found = self.find(name)
        if found is not None:
            return found
        known = [name for card in self.cards for name in (card.id, *card.aliases)]
        raise CardError(
            f"looking for the method '{name}': the catalog has none of that name; {suggest(name, known)}"
            "expected an id that 'calculemus list' shows"
        )


def local_cards() -> Path:
    """Return the folder of the user's own cards, which need not exist."""
    return data_folder() / "cards"


def read_catalog(*folders: Path) -> Catalog:
    """Read all cards: of this package, of installed packages, of the user, and of more folders.

    Args:
        folders: Folders with cards. A card file may be named too.

    Raises:
        CardError: One of them is not there.
    """
    for folder in folders:
        if not folder.exists():
            raise CardError(
                f"reading cards: found nothing at {folder}; expected a folder with cards, or a card"
            )
    return _read_all(tuple(folder.resolve() for folder in folders))


@cache
def _read_all(folders: tuple[Path, ...]) -> Catalog:
    cards: dict[str, Card] = {}
    faults: list[CardError] = []
    for path in _files(folders):
        try:
            card = read_card(path)
            _add(cards, card)
        except CardError as fault:
            faults.append(fault)
    return Catalog(tuple(cards[name] for name in sorted(cards)), tuple(faults))


def _add(cards: dict[str, Card], card: Card) -> None:
    """Take a card in; a built method takes the place of a planned one."""
    other = cards.get(card.id)
    if other is not None and (other.entry or not card.entry):
        raise CardError(
            f"reading the card {card.path}: the id '{card.id}' is taken by {other.path}; expected an id of "
            "its own. Rename one of them"
        )
    cards[card.id] = card


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    package = Path(__file__).parent
    for room in ROOMS:
        yield from sorted((package / room).glob("*.toml"))
    for folder in (*_installed(), *_named_by_user(), local_cards(), *folders):
        yield from [folder] if folder.is_file() else sorted(folder.glob("*.toml"))


def _installed() -> Iterator[Path]:
    """Find the folders of packages that bring cards; a top-level package is found without being imported."""
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.value):
        found = importlib.util.find_spec(point.value.partition(".")[0])
        for place in (found and found.submodule_search_locations) or ():
            yield Path(place, *point.value.split(".")[1:])


def _named_by_user() -> Sequence[Path]:
    return [Path(part) for part in os.environ.get(CARDS_VARIABLE, "").split(os.pathsep) if part]


def code_path(card: Card) -> Path | None:
    """Return the file of a method's code, without importing it; None where there is none."""
    if not card.entry:
        return None
    module = card.entry.partition(":")[0]
    beside = card.path.with_name(module.rpartition(".")[2] + ".py")
    return beside if beside.is_file() else None


def claim_path(card: Card) -> Path | None:
    """Return the file of a method's claim; None where there is none."""
    path = card.path.with_name(f"{card.id}_claim.py")
    return path if path.is_file() else None


def path_of_test(card: Card) -> Path | None:
    """Return the file of a method's own test; None where there is none, as in an installed package."""
    for root in card.path.parents[1:4]:
        for path in (
            root / "tests" / card.room / f"test_{card.id}.py",
            root / "tests" / f"test_{card.id}.py",
        ):
            if path.is_file():
                return path
    beside = card.path.with_name(f"test_{card.id}.py")
    return beside if beside.is_file() else None


def load(card: Card) -> Any:
    """Import the class of a method.

    Raises:
        CardError: There is no code yet, or it cannot be imported.
        MissingExtraError: It needs an optional dependency that is not installed.
    """
    doing = f"loading the method '{card.id}'"
    if not card.entry:
        raise CardError(f"{doing}: it is planned, there is no code yet; expected a method that is built")
    module_name, _, name = card.entry.partition(":")
    module = _module(card, module_name, doing)
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise CardError(
            f"{doing}: the module {module_name} has no '{name}'; expected what 'entry' in {card.path} names"
        ) from error


def load_claim(card: Card) -> Any:
    """Import the module of a method's claim.

    Raises:
        CardError: There is none, or it cannot be imported.
        MissingExtraError: It needs an optional dependency that is not installed.
    """
    doing = f"loading the claim of '{card.id}'"
    path = claim_path(card)
    if path is None:
        expected = card.path.with_name(f"{card.id}_claim.py")
        raise CardError(f"{doing}: there is none; expected {expected}. See CONTRIBUTING.md")
    package = card.entry.partition(":")[0].rpartition(".")[0]
    return _module(card, f"{package}.{path.stem}" if package else path.stem, doing)


def _module(card: Card, name: str, doing: str) -> Any:
    """Import a module by name, or else from the file beside the card."""
    beside = card.path.with_name(name.rpartition(".")[2] + ".py")
    try:
        if _belongs(name, beside):
            return import_module(name)
        return import_file(beside)
    except MissingExtraError:
        raise
    except Exception as error:  # other people's modules fail in ways of their own
        lacking = error.name if isinstance(error, ModuleNotFoundError) else None
        if lacking in EXTRAS:
            raise MissingExtraError(doing, lacking, EXTRAS[lacking]) from error
        raise CardError(
            f"{doing}: importing {name} found {type(error).__name__}: {error}; expected a module that "
            f"imports, on Python's path or as {beside}"
        ) from error


def _belongs(name: str, beside: Path) -> bool:
    """Say whether the module of this name is the one that the card means."""
    if not beside.is_file():
        return True
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # a package on the way is not there
        return False
    return found is not None and found.origin is not None and Path(found.origin).samefile(beside)


def import_file(path: Path) -> Any:
    """Import a file that lies outside Python's path, once, under a name of its own."""
    name = f"_calculemus_{path.stem}_{digest(str(path.resolve()))[:12]}"
    if name not in sys.modules:
        found = importlib.util.spec_from_file_location(name, path)
        if found is None or found.loader is None:
            raise ImportError(f"{path} is no Python file")
        module = importlib.util.module_from_spec(found)
        sys.modules[name] = module
        try:
            found.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]

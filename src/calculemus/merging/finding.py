"""Merge methods by name: found by the cards of the catalog, ours and strangers' alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from calculemus.card import Card
from calculemus.catalog import load, read_catalog
from calculemus.errors import InvalidParameterError
from calculemus.merging.base import TensorMerge
from calculemus.merging.structure import StructureEdit
from calculemus.named import suggest

INTERFACES = ("TensorMerge", "StructureEdit")
"""What a recipe can run: the other shapes of a merge need data, or several models at run time."""

Merge = TensorMerge | StructureEdit


@dataclass(frozen=True, slots=True)
class Found:
    """A method that a recipe names.

    Attributes:
        card: Its card.
        kind: Its class, whose fields are its settings.
    """

    card: Card
    kind: type[Merge]


def list_merges(*folders: Path) -> Sequence[Card]:
    """Return the cards of all merge methods that are built, in order of their ids.

    Args:
        folders: More folders with cards; see ``read_catalog``.
    """
    return [card for card in read_catalog(*folders) if card.interface in INTERFACES and card.entry]


def get_merge(name: str, *folders: Path) -> Found:
    """Return the merge method of a name.

    Args:
        name: Its id or alias.
        folders: More folders with cards.

    Raises:
        InvalidParameterError: There is none of that name that is built.
        CardError: Its code cannot be imported.
    """
    cards = {known: card for card in list_merges(*folders) for known in (*card.aliases, card.id)}
    looking = {card.id for card in read_catalog(*folders) if card.interface == "CalibratedMerge"}
    if name in looking:
        raise InvalidParameterError(
            f"choosing a merge method: '{name}' looks at data first; expected one that does not. Run: "
            f"calculemus calibrate {name}"
        )
    if name not in cards:
        ids = sorted({card.id for card in cards.values()})
        raise InvalidParameterError(
            f"choosing a merge method: there is no '{name}'; {suggest(name, cards)}there are {', '.join(ids)}"
        )
    return Found(cards[name], load(cards[name]))

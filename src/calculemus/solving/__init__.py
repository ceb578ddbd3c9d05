"""Solving: methods that answer problems by asking models, found by the cards beside them.

Example:
    >>> from calculemus.solving import get_solver
    >>> get_solver("vote:n=8,temperature=0.7")
    Vote(n=8, temperature=0.7, early_stop=False, shots=None, max_tokens=512)
"""

from collections.abc import Sequence
from pathlib import Path

from calculemus.card import Card
from calculemus.catalog import load, read_catalog
from calculemus.errors import InvalidParameterError
from calculemus.named import build, parse_named, suggest
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.transformed import behind, transforms

__all__ = ["Context", "Solver", "Steps", "get_solver", "list_solvers"]


def list_solvers(*folders: Path) -> Sequence[Card]:
    """Return the cards of all solvers that are built, in order of their ids, without importing their code.

    Args:
        folders: More folders with cards; see ``read_catalog``.
    """
    return [card for card in read_catalog(*folders) if card.interface == "Solver" and card.entry]


def get_solver(spec: str, *folders: Path) -> Solver:
    """Return the solver that ``NAME[:param=value,...]`` describes.

    Args:
        spec: Its id or alias, and parameters. A transform of problems is one, too, before the solver that
            its parameter ``inner`` names: ``dip:inner=vote:n=8;temperature=0.7``.
        folders: More folders with cards.

    Raises:
        InvalidParameterError: No solver has that name, it has no such parameter, or a value is out of range.
        CardError: It cannot be imported.
    """
    name, values = parse_named(spec)
    cards = {known: card for card in list_solvers(*folders) for known in (*card.aliases, card.id)}
    if name not in cards and name in transforms(*folders):
        return behind(name, values)
    if name not in cards:
        ids = [card.id for card in list_solvers(*folders)]
        raise InvalidParameterError(
            f"choosing a solver: there is no '{name}'; {suggest(name, cards)}there are {', '.join(ids)}"
        )
    return build(load(cards[name]), values)

"""Solving: methods that answer problems by asking models, found by the cards beside them.

Example:
    >>> from calculemus.solving import get_solver
    >>> get_solver("vote:n=8,temperature=0.7")
    Vote(n=8, temperature=0.7, early_stop=False, shots=None, max_tokens=512)
"""

from functools import cache
from importlib import import_module
from pathlib import Path

from calculemus.errors import InvalidParameterError
from calculemus.named import build, parse_named, suggest
from calculemus.solving.base import Solver, Steps
from calculemus.solving.cards import SolverCard, read_card
from calculemus.solving.context import Context

__all__ = ["Context", "Solver", "SolverCard", "Steps", "get_solver", "list_solvers"]


@cache
def list_solvers() -> tuple[SolverCard, ...]:
    """Return the cards of all solvers, in order of their ids, without importing their code."""
    return tuple(read_card(path) for path in sorted(Path(__file__).parent.glob("*.toml")))


def get_solver(spec: str) -> Solver:
    """Return the solver that ``NAME[:param=value,...]`` describes.

    Raises:
        InvalidParameterError: No solver has that name, it has no such parameter, or a value is out of range.
    """
    name, values = parse_named(spec)
    entries = {card.id: card.entry for card in list_solvers()}
    if name not in entries:
        raise InvalidParameterError(
            f"choosing a solver: there is no '{name}'; {suggest(name, entries)}there are {', '.join(entries)}"
        )
    module, _, attribute = entries[name].partition(":")
    return build(getattr(import_module(module), attribute), values)

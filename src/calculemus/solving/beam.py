"""Beam search over steps: of all partial solutions the best few go on."""

from collections.abc import Callable, Sequence

from calculemus.errors import InvalidParameterError
from calculemus.params import Configured
from calculemus.solving.drawing import refuse_identical
from calculemus.solving.searching import Search
from calculemus.solving.tree import Place, Tree, best, distinct, flat

Rank = Callable[[Sequence[Place], int], list[Place]]


def refuse_uneven(method: Configured, candidates: int, beams: int, temperature: float) -> None:
    """Refuse candidates that cannot be shared out among beams, or that would be the same.

    Raises:
        InvalidParameterError: Candidates that are no multiple of the beams, or several at temperature 0.
    """
    refuse_identical(method, candidates // beams, temperature, "candidates / beams")
    if candidates % beams:
        raise InvalidParameterError(
            f"{type(method).__name__}: parameters candidates={candidates} and beams={beams} do not go "
            "together; expected candidates that are a multiple of the beams, since each beam draws as many. "
            "Change one of them"
        )


def first_copies(places: Sequence[Place], n: int) -> list[Place]:
    """Return the ``n`` best places, those that say what another one says behind all others."""
    first = distinct(best(places, len(places)))
    chosen = {id(place) for place in first}
    return [*first, *best([place for place in places if id(place) not in chosen], len(places))][:n]


def beam_search(tree: Tree, candidates: int, beams: int, depth: int, keep: Rank = best) -> Search:
    """Grow a tree, keeping the best places of every round; whole solutions compete with the others.

    Source: Yu et al. 2023, arXiv:2311.09724, algorithm 1.

    Args:
        tree: With its root alone.
        candidates: Next steps in all that a round draws (K).
        beams: Places that are kept (b), among which the candidates are shared out evenly.
        depth: Most rounds.
        keep: Chooses so many of the places.
    """
    live = [tree.root]
    for _ in range(depth):
        going = [place for place in live if not place.is_final]
        if not going:
            return
        each = candidates if going == [tree.root] else candidates // beams
        children = flat((yield from tree.grow([(place, each) for place in going])))
        yield from tree.judge(children)
        live = keep([place for place in live if place.is_final] + children, beams)

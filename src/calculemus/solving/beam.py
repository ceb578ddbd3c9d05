"""Beam search over steps: of all partial solutions the best few go on."""

from collections.abc import Callable, Sequence

from calculemus.solving.searching import Search
from calculemus.solving.tree import Place, Tree, best, flat

Rank = Callable[[Sequence[Place], int], list[Place]]


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

"""Step-level beam search: a beam whose finished members leave it."""

from calculemus.solving.searching import Search
from calculemus.solving.tree import Place, Tree, best, distinct, flat


def step_beam_search(tree: Tree, beams: int, children: int, depth: int) -> Search:
    """Grow a tree a step a round; ``tree.finals`` are in the end those that were in the beam.

    Source: Chen et al. 2024, arXiv:2405.03553, section 3.4 and algorithm 2: every beam draws as many next
    steps, the best of all of them go on, and the beam gets narrower by one with each that is whole.

    Args:
        tree: With its root alone.
        beams: Places that are kept (B1).
        children: Next steps of each (B2); those with equal texts are one.
        depth: Most rounds.
    """
    live, finished = [tree.root], list[Place]()
    for _ in range(depth):
        new = distinct(flat((yield from tree.grow([(place, children) for place in live]))))
        yield from tree.judge(new)
        kept = best(new, beams)
        finished += [place for place in kept if place.is_final]
        tree.finals[:] = finished
        beams -= sum(place.is_final for place in kept)
        live = [place for place in kept if tree.is_open(place)]
        if not live or not beams:
            return

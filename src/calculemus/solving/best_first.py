"""Best-first search over steps: the place of most worth is always the next to go on."""

from calculemus.solving.searching import Search
from calculemus.solving.tree import Place, Tree, best, flat


def best_first_search(tree: Tree, children: int, expansions: int, depth: int) -> Search:
    """Grow a tree at the place of most worth, until this is a whole solution.

    Args:
        tree: With its root alone.
        children: Next steps drawn at a place.
        expansions: Places that are grown, at most.
        depth: Most steps of a solution.
    """
    waiting: list[Place] = [tree.root]
    for _ in range(expansions):
        if not waiting:
            return
        (place,) = best(waiting, 1)
        if place.is_final:
            return
        waiting.remove(place)
        new = flat((yield from tree.grow([(place, children)])))
        yield from tree.judge(new)
        waiting += [child for child in new if child.is_final or (tree.is_open(child) and child.depth < depth)]

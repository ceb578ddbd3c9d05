"""Monte Carlo tree search over steps: the loop alone. What it goes by are functions that a method hands in.

    yield from mcts(tree, simulations=40, children=5, select=puct(1.5), depth=8)

A simulation goes from the root to a leaf, always to the child that the rule wants most; gives the leaf
children and has them judged; and tells all places on the way what the leaf is worth. So the root was visited
as often as there were simulations, and every place once more than all its children together.
"""

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from calculemus.engine.requests import Request
from calculemus.solving.searching import Search
from calculemus.solving.tree import Place, Tree, flat

Rule = Callable[[Place, Place], float]
"""How much a search wants to go from a place to one of its children."""
Estimate = Callable[[Tree, Sequence[Place]], Generator[Request | Sequence[Request], Any, list[float]]]
"""What leaves bring back to the places before them, one value each."""
Backup = Callable[[Sequence[Place], float], None]
"""Tells the places on a way, the root first, what its leaf brought back, and counts the visit in each."""


def own_value(tree: Tree, places: Sequence[Place]) -> Generator[Any, Any, list[float]]:
    """Return what leaves were judged to be worth; 0 of the root, which nobody judges."""
    del tree
    yield from ()
    return [place.value or 0.0 for place in places]


def add_up(path: Sequence[Place], value: float) -> None:
    """Add a value to all places on a way: what they brought is a mean of all leaves behind them."""
    for place in path:
        place.visits += 1
        place.total += value


def mcts(
    tree: Tree,
    simulations: int,
    children: int | Callable[[Place], int],
    select: Rule,
    *,
    depth: int,
    estimate: Estimate = own_value,
    backup: Backup = add_up,
    in_flight: int = 1,
    enough: int | None = None,
) -> Search:
    """Grow a tree by simulations; it ends sooner where nothing is left to find.

    Whole solutions, places at the largest depth, and places behind which all is known are closed: no
    simulation enters them again. How often each place was visited is noted in the trace.

    Args:
        tree: With its root alone.
        simulations: Ways from the root to a leaf.
        children: Next steps that a leaf gets, or a function of the leaf that says how many.
        select: The child for which it is highest is gone to; of equal ones the first.
        depth: Most steps of a solution.
        estimate: What leaves bring back.
        backup: What it changes in the places on the way.
        in_flight: Simulations that are made at once, so that their requests share batches. Until a result
            is there its way counts as visited for nothing (a virtual loss), and its leaf as closed.
        enough: Whole solutions in the tree after which the search ends; None goes on.
    """
    left, found = simulations, 0
    try:
        while left > 0 and not tree.root.is_closed and (enough is None or found < enough):
            paths = _ways(tree.root, select, min(left, in_flight))
            leaves = [path[-1] for path in paths]
            grown = yield from _expand(tree, leaves, children, depth)
            found += sum(place.is_final for place in grown)
            values = yield from estimate(tree, leaves)
            for path, value in zip(paths, values, strict=True):
                backup(path, value)
                _close(path)
            left -= len(paths)
    finally:
        for place in walk(tree.root):
            if place.visits:
                tree.ctx.trace.annotate(place.node, visits=place.visits)


def walk(root: Place) -> Iterator[Place]:
    """Yield the places that a search may go to from the root, which is left out, parents first."""
    pending = list(root.children)
    for place in pending:
        yield place
        pending += place.children


def _expand(
    tree: Tree, leaves: Sequence[Place], children: int | Callable[[Place], int], depth: int
) -> Generator[Request | Sequence[Request], Any, list[Place]]:
    """Give leaves their children, and return these."""
    shallow = [place for place in leaves if place.depth < depth]
    shares = [(place, children(place) if callable(children) else children) for place in shallow]
    grown = flat((yield from tree.grow(shares)))
    yield from tree.judge(grown)
    return grown


def _ways(root: Place, select: Rule, n: int) -> list[list[Place]]:
    """Return up to ``n`` ways to different leaves, each chosen as if those before it had brought nothing."""
    ways: list[list[Place]] = []
    busy: set[int] = set()
    while len(ways) < n and id(root) not in busy:
        way = [root]
        while way[-1].children:
            here = way[-1]
            free = [place for place in here.children if not place.is_closed and id(place) not in busy]
            if not free:
                break
            way.append(max(free, key=lambda place: select(here, place)))
        busy.add(id(way[-1]))  # a leaf that is taken, or a place whose children all are
        if not way[-1].children:
            ways.append(way)
            _count(way, 1)
    for way in ways:
        _count(way, -1)
    return ways


def _count(way: Sequence[Place], visits: int) -> None:
    for place in way:
        place.visits += visits


def _close(path: Sequence[Place]) -> None:
    """Close the places at the end of a way behind which all is known; a leaf without children is one."""
    for place in reversed(path):
        if not all(child.is_closed for child in place.children):
            return
        place.is_closed = True


def quality(place: Place) -> float:
    """Return the mean of what visits to a place brought back (Q); 0 before the first."""
    return place.total / place.visits if place.visits else 0.0


def likelihood(parent: Place, child: Place) -> float:
    """Return the probability of a step's tokens, the geometric mean of them; 1 where it is unknown.

    Source: Chen et al. 2024, arXiv:2405.03553, section 3.2: the prior of a step.
    """
    del parent
    if child.logprob is None or child.parent is None:
        return 1.0
    return math.exp(child.step_logprob / max(1, child.n_tokens - child.parent.n_tokens))


def puct(c: float, prior: Callable[[Place, Place], float] = likelihood) -> Rule:
    """Return the rule ``Q + c P sqrt(N(parent)) / (1 + N(child))``.

    Args:
        c: Weight of exploration.
        prior: How likely it is, before any visit, to go from a place to its child (P).
    """

    def rule(parent: Place, child: Place) -> float:
        return quality(child) + c * prior(parent, child) * math.sqrt(parent.visits) / (1 + child.visits)

    return rule


def uct(c: float = math.sqrt(2)) -> Rule:
    """Return the rule ``Q + c sqrt(ln N(parent) / N(child))``, which tries every child first.

    Source: Kocsis and Szepesvari 2006, Bandit based Monte-Carlo planning, section 2.3.
    """

    def rule(parent: Place, child: Place) -> float:
        if not child.visits:
            return math.inf
        return quality(child) + c * math.sqrt(math.log(max(1, parent.visits)) / child.visits)

    return rule


def x1_rule(c1: float = 1.25, c2: float = 19652.0) -> Rule:
    """Return the rule of x1, in which values are stretched to 0..1 among siblings.

    ``minmax(Q) + (c1 + ln((N(parent) + c2) / c2)) sqrt(N(parent) - 1) / (1 + N(child))``; where all siblings
    are worth the same, minmax is 0.

    Source: Besta et al. 2025, arXiv:2501.11223, the selection of x1.
    """

    def rule(parent: Place, child: Place) -> float:
        known = [quality(place) for place in parent.children]
        low, high = min(known), max(known)
        stretched = (quality(child) - low) / (high - low) if high > low else 0.0
        weight = c1 + math.log((parent.visits + c2) / c2)
        return stretched + weight * math.sqrt(max(0, parent.visits - 1)) / (1 + child.visits)

    return rule


def rolled_out(n: int, weight: float, max_tokens: int) -> Estimate:
    """Return an estimate that mixes a leaf's own value with those of solutions drawn from it to their end.

    Args:
        n: Solutions drawn from each leaf that is not whole; they count among those that were found.
        weight: Of their mean; the rest is the leaf's own value.
        max_tokens: Longest of them.
    """

    def estimate(tree: Tree, places: Sequence[Place]) -> Generator[Any, Any, list[float]]:
        values = yield from own_value(tree, places)
        groups = yield from tree.roll_out([(place, n) for place in places], max_tokens)
        yield from tree.judge(flat(groups))
        means = [math.fsum(end.worth for end in group) / max(1, len(group)) for group in groups]
        mixed = zip(values, means, groups, strict=True)
        return [(1 - weight) * own + weight * mean if group else own for own, mean, group in mixed]

    return estimate

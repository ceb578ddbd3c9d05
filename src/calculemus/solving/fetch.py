"""FETCH: tree searches in which steps that mean the same are one, led by the mean of several verifiers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from calculemus.events import note
from calculemus.params import AtLeast, Between
from calculemus.problem import Problem
from calculemus.solving.beam import beam_search
from calculemus.solving.best_first import best_first_search
from calculemus.solving.context import Context
from calculemus.solving.drawing import refuse_identical
from calculemus.solving.mcts import mcts, puct, rolled_out
from calculemus.solving.rebase import rebase_search
from calculemus.solving.same_meaning import Meaning, merge_equal
from calculemus.solving.scheme import Scheme
from calculemus.solving.scoring import to_weights
from calculemus.solving.searching import Search, Searching
from calculemus.solving.tree import Merging, Place, Tree

CHILDREN = {"beam": 5, "best_first": 10, "mcts": 4, "rebase": 5}  # public code; rebase: as the beam
ITERATIONS = {"best_first": 50, "mcts": 40}  # public code
T_BALANCE = 0.2  # public code of arXiv:2408.00724
_POOLS: dict[str, Callable[[Sequence[float]], float]] = {
    "max": max,
    "min": min,
    "mean": lambda values: math.fsum(values) / len(values),
}
_warned: set[str] = set()


@dataclass(frozen=True)
class Fetch(Searching):
    """Search as others do, but grow siblings that mean the same only once.

    Source: Wang et al. 2025, arXiv:2502.11183, section 4 and the settings of the public code. Siblings are
    clustered by their embeddings; a cluster is one place, from whose members next steps are drawn in turn.
    Values are clipped and taken to 0..1. Steps that are empty, cut, or repeat the one before are worth 0.

    Attributes:
        strategy: The search: ``beam``, ``best_first``, ``mcts`` or ``rebase``.
        merge: What siblings must share to be one, see ``same_meaning.Meaning``. On an engine that embeds
            nothing, ``embedding`` becomes ``text``, with a note.
        distance: Of ``embedding``: clusters at most so far apart become one (d). At 0 nothing is merged,
            whatever ``merge`` is.
        pool: What a cluster is worth, from what its members are worth.
        beams: Places that the beam keeps; with ``rebase``, ``beams * children`` is the width.
        children: Next steps drawn at a place, twice as many at the root of ``mcts``; None takes 5 of
            ``beam`` and ``rebase``, 10 of ``best_first``, 4 of ``mcts``.
        iterations: Places grown by ``best_first``, simulations of ``mcts``; None takes 50 and 40.
        exploration: Weight of the prior in ``mcts``, which favours large clusters (c).
        rollouts: Solutions that ``mcts`` draws from each leaf to their end.
        rollout_weight: Of their mean value; the rest is the leaf's own.
        enough: Whole solutions after which ``mcts`` ends.
        values: What value heads say: ``signed`` from -1 to 1, ``unit`` from 0 to 1.
    """

    strategy: Literal["beam", "best_first", "mcts", "rebase"] = "beam"
    merge: Meaning = "embedding"
    distance: Annotated[float, Between(0, 2)] = 0.15  # paper; 0.1 in the public service
    pool: Literal["max", "mean", "min"] = "max"  # public code
    beams: Annotated[int, AtLeast(1)] = 5  # public code
    children: Annotated[int | None, AtLeast(1)] = None
    iterations: Annotated[int | None, AtLeast(1)] = None
    exploration: Annotated[float, AtLeast(0)] = 0.6  # public code
    rollouts: Annotated[int, AtLeast(0)] = 2  # public code
    rollout_weight: Annotated[float, Between(0, 1)] = 0.5  # public code
    enough: Annotated[int, AtLeast(1)] = 10  # public code
    values: Literal["signed", "unit"] = "signed"

    scheme: ClassVar[Scheme] = Scheme("tree", "beam", ("generate", "merge", "evaluate", "prune"), ("value",))

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_identical(self, self._n_children, self.temperature, "children")

    @property
    def _n_children(self) -> int:
        return self.children or CHILDREN[self.strategy]

    def plant(self, problem: Problem, ctx: Context) -> Tree:
        """Return the tree of a problem, with its root alone."""
        merge, pool = self._merge(ctx), _POOLS[self.pool]
        return replace(super().plant(problem, ctx), merge=merge, pool=pool, revalue=self._revalue)

    def search(self, tree: Tree) -> Search:
        """Grow the tree."""
        n, iterations = self._n_children, self.iterations or ITERATIONS.get(self.strategy, 0)
        if self.strategy == "best_first":
            yield from best_first_search(tree, n, iterations, self.depth)
        elif self.strategy == "rebase":
            yield from rebase_search(tree, n * self.beams, T_BALANCE, self.depth)
        elif self.strategy == "mcts":
            rule = puct(self.exploration, share_of_siblings)
            most = self.step_tokens * self.depth
            estimate = rolled_out(self.rollouts, self.rollout_weight, most)
            yield from mcts(
                tree, iterations, self._budget, rule, depth=self.depth, estimate=estimate, enough=self.enough
            )
        else:
            yield from beam_search(tree, n * self.beams, self.beams, self.depth)

    def weights(self, places: Sequence[Place]) -> list[float]:
        """Return what the votes of places weigh: their values, which are probabilities."""
        return [place.value or 0.0 for place in places]

    def _merge(self, ctx: Context) -> Merging | None:
        if not self.distance:
            return None
        if self.merge == "embedding" and "Embed" not in ctx.capabilities.kinds:
            _warn_once(
                "fetch: the engine embeds no texts; expected one that does. Steps are merged where they read "
                "the same; say merge=text or merge=result to choose so, or take a local model"
            )
            return merge_equal("text")
        return merge_equal(self.merge, self.distance)

    def _budget(self, place: Place) -> int:
        """Return how many next steps ``mcts`` draws at a place: half a step more for each member."""
        n = self._n_children * (1 if place.parent else 2)
        return min(2 * n, n + len(place.members) // 2)

    def _revalue(self, place: Place, score: float) -> float:
        """Return what a place is worth, from 0 to 1."""
        before = place.parent.step.strip() if place.parent else ""
        repeats = self.step not in ("tokens", "whole") and place.step.strip() in ("", before)
        if repeats or place.is_cut:
            return 0.0
        if self.scorer != "value":
            return min(1.0, to_weights(self.scorer, [score])[0])
        value = (score + 1) / 2 if self.values == "signed" else score
        return min(1.0, max(0.0, value))


def share_of_siblings(parent: Place, child: Place) -> float:
    """Return the prior of a place in ``mcts``: from 0.8 for none of its siblings to 1 for all of them.

    Source: public code of arXiv:2502.11183.
    """
    n = sum(max(1, len(place.members)) for place in parent.children)
    return 0.8 + 0.2 * max(1, len(child.members)) / n


def _warn_once(message: str) -> None:
    """Say a thing once in a process: a set of problems would say it a thousand times."""
    if message not in _warned:
        _warned.add(message)
        note(message)

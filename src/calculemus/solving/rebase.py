"""REBASE: a tree whose next layer of samples is dealt out in proportion to the softmax of rewards."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from calculemus.errors import InvalidParameterError
from calculemus.params import AtLeast, Between
from calculemus.problem import Problem
from calculemus.solving.context import Context
from calculemus.solving.drawing import refuse_identical
from calculemus.solving.scheme import Scheme
from calculemus.solving.searching import Choice, Search, Searching
from calculemus.solving.tree import Place, Tree, best, flat


@dataclass(frozen=True)
class Rebase(Searching):
    """Deal the samples of every layer out by reward, and vote with rewards in the end.

    Source: Wu et al. 2024, arXiv:2408.00724, section 3.2 and the public code's settings. A layer has as many
    samples as there are whole solutions still to come: a solution that ends takes its part of the width away.

    Attributes:
        width: Whole solutions in all (N); each layer of the tree has as many samples, less those that ended.
        t_balance: How evenly samples are dealt out (T_b): near 0 the best place gets all of them, the larger
            it is the more equal are the shares.
        keep: Share of the open places that go on, the best ones; 1 keeps all.
        most_tokens: Longest solution.
        thinks: Whether steps are written before the answer; without them the tree has one layer.
    """

    step_tokens: Annotated[int, AtLeast(1)] = 256  # public code
    depth: Annotated[int, AtLeast(1)] = 25  # public code
    choose: Choice = "weighted_vote"  # paper, section 3.2: by the reward of the last step
    width: Annotated[int, AtLeast(1)] = 16  # paper, section 4: from 6 to 256 by model and set
    t_balance: Annotated[float, Between(0, math.inf, open_left=True)] = 0.2  # public code
    keep: Annotated[float, Between(0, 1, open_left=True)] = 1.0
    most_tokens: Annotated[int, AtLeast(1)] = 1024  # public code
    thinks: bool = True

    scheme: ClassVar[Scheme] = Scheme("tree", "shares", ("generate", "evaluate", "prune", "vote"), ("value",))

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_identical(self, self.width, self.temperature, "width")

    @property
    def template(self) -> str:
        """Name of the template that the root is made of."""
        return "cot" if self.thinks else "direct"

    def plant(self, problem: Problem, ctx: Context) -> Tree:
        """Return the tree of a problem, with its root alone."""
        return replace(super().plant(problem, ctx), most_tokens=self.most_tokens)

    def search(self, tree: Tree) -> Search:
        """Grow the tree, a layer a round."""
        yield from rebase_search(tree, self.width, self.t_balance, self.depth, self.keep)


def rebase_search(tree: Tree, width: int, t_balance: float, depth: int, keep: float = 1.0) -> Search:
    """Grow a tree layer by layer, dealing out to the open places as many samples as the width has left.

    The share of each place is noted in the trace as ``share``, also where it is 0.

    Args:
        tree: With its root alone.
        width: Whole solutions in all; one that ends, or is cut at the limit, leaves that much less.
        t_balance: Temperature of the shares, above 0.
        depth: Most layers.
        keep: Share of the open places that go on, the best ones; at least one.
    """
    live, left = [tree.root], width
    for _ in range(depth):
        live = best(live, math.ceil(keep * len(live)))
        shares = allocate(softmax([place.value or 0.0 for place in live], t_balance), left)
        for place, share in zip(live, shares, strict=True):
            if place is not tree.root:
                tree.ctx.trace.annotate(place.node, share=share)
        children = flat((yield from tree.grow(list(zip(live, shares, strict=True)))))
        yield from tree.judge(children)
        left -= sum(_n_merged(place) for place in children if not tree.is_open(place))
        live = [place for place in children if tree.is_open(place)]
        if not live or left <= 0:
            return


def softmax(rewards: Sequence[float], temperature: float) -> list[float]:
    """Return ``exp(reward / temperature)`` of each, over that of the largest, which is 1.

    Example:
        >>> softmax([0.5, 0.5, -40.0], 0.01)
        [1.0, 1.0, 0.0]
    """
    top = max(rewards, default=0.0)
    return [math.exp((reward - top) / temperature) for reward in rewards]


def allocate(weights: Sequence[float], total: int) -> list[int]:
    """Deal out a whole number in proportion to weights; the shares add up to it, always.

    The paper rounds each share by itself. The public code goes from the largest weight down and rounds up
    what is left, in single precision, where about one deal in twenty does not add up. Here each has the whole
    part of its share, and what is left over goes one each to the largest remainders, reckoned exactly. So a
    share is less than 1 off, and where ``total`` is less than the number of weights, the lowest get 0.

    Args:
        weights: At least 0 and finite, one of them above.
        total: What is dealt out, at least 0.

    Raises:
        InvalidParameterError: There is no weight above 0, or one that is negative or not finite.

    Example:
        >>> allocate([0.2, 0.5, 0.3], 5)
        [1, 3, 1]
    """
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or not sum(weights) or total < 0:
        raise InvalidParameterError(
            f"allocating {total} samples: the weights are {list(weights)}; expected finite ones of at least "
            "0, one of them above, and at least 0 samples. Look at what the rewards come to"
        )
    ratios = [float(weight).as_integer_ratio() for weight in weights]
    unit = max(below for _, below in ratios)  # powers of two all: the largest is a multiple of the others
    exact = [above * (unit // below) for above, below in ratios]
    whole = sum(exact)
    shares = [total * part // whole for part in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (-(total * exact[i] % whole), -exact[i]))
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return shares


def _n_merged(place: Place) -> int:
    """Return how many samples a place stands for."""
    return max(1, len(place.members))

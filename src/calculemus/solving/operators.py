"""Operators: what a scheme of reasoning does to its thoughts in a round, each a function of all live ones.

Source: Besta et al. 2025, arXiv:2501.11223, section 4.3, whose names they have.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from calculemus.engine.requests import Prompt, Request, Sample, Score
from calculemus.solving.listing import read_list
from calculemus.solving.scoring import probability_of_yes
from calculemus.solving.thought_graph import ThoughtGraph
from calculemus.solving.tree import Place, best, flat, merged

Thoughts = Generator[Request | Sequence[Request], Any, list[Place]]


@dataclass(frozen=True, slots=True)
class Widths:
    """How many thoughts the operators make and keep.

    Attributes:
        width: Thoughts that are kept of all.
        branch: Next steps, refinements or joined thoughts drawn from each thought or group of them.
        fan_in: Thoughts that are joined into one.
    """

    width: int
    branch: int
    fan_in: int


def generate(graph: ThoughtGraph, live: list[Place], widths: Widths) -> Thoughts:
    """Draw next steps; the root, of which there is one, draws as many as thoughts are kept at least."""
    n = max(widths.width, widths.branch) if live == [graph.root] else widths.branch
    groups = yield from graph.grow([(place, n) for place in live])
    return [place for place in live if not graph.is_open(place)] + flat(groups)


def evaluate(graph: ThoughtGraph, live: list[Place], widths: Widths) -> Thoughts:
    """Have the scorer value thoughts that have no value yet."""
    del widths
    yield from graph.judge([place for place in live if place.value is None])
    return live


def select(graph: ThoughtGraph, live: list[Place], widths: Widths) -> Thoughts:
    """Keep the best of all."""
    del graph
    yield from ()
    return best(live, widths.width)


def prune(graph: ThoughtGraph, live: list[Place], widths: Widths) -> Thoughts:
    """Keep the best of those that were made from the same thoughts, so that each part keeps one."""
    del widths
    yield from ()
    groups: dict[Any, list[Place]] = {}
    for place in live:
        groups.setdefault(_made_from(graph, place), []).append(place)
    return [place for group in groups.values() for place in best(group, 1)]


def _made_from(graph: ThoughtGraph, place: Place) -> Any:
    before = graph.joined.get(place.node)
    return tuple(each.node for each in before) if before else id(place.parent)


def refine(graph: ThoughtGraph, live: list[Place], widths: Widths) -> Thoughts:
    """Have each whole thought written again, better; the old ones stay beside the new ones."""
    whole = [place for place in live if place.is_final]
    asked = [
        Sample(_prompt(graph, "bp_refine", solution=place.text.strip()), graph.whole, widths.branch)
        for place in whole
    ]
    replies = (yield asked) if asked else []
    pairs = zip(whole, replies, strict=True)
    return live + [graph.add("refined", [place], each) for place, reply in pairs for each in reply]


def decompose(graph: ThoughtGraph, live: list[Place], widths: Widths) -> Thoughts:
    """Have the problem cut into parts, each a thought that is gone on from by itself."""
    del widths
    (completion,) = yield Sample(_prompt(graph, "bp_decompose"), graph.whole)
    parent = graph.add("parts", live[:1], completion)
    parent.is_final = False
    graph.finals.remove(parent)
    parts = read_list(completion.text)
    return [graph.branch(parent, _prompt(graph, "bp_part", part=part)) for part in parts] or live


def aggregate(graph: ThoughtGraph, live: list[Place], widths: Widths) -> Thoughts:
    """Have every few thoughts joined into one; a single one that is left over goes on as it is."""
    groups = [live[start : start + widths.fan_in] for start in range(0, len(live), widths.fan_in)]
    several = [group for group in groups if len(group) > 1]
    asked = [
        Sample(_prompt(graph, "bp_aggregate", thoughts=_listed(g)), graph.whole, widths.branch)
        for g in several
    ]
    replies = (yield asked) if asked else []
    joined = [
        graph.add("joined", group, each)
        for group, reply in zip(several, replies, strict=True)
        for each in reply
    ]
    return joined + [group[0] for group in groups if len(group) == 1]


def merge(graph: ThoughtGraph, live: list[Place], widths: Widths) -> Thoughts:
    """Make one thought of those that say the same; it goes on from all of them in turn."""
    del graph, widths
    yield from ()
    groups: dict[str, list[Place]] = {}
    for place in live:
        groups.setdefault(place.text, []).append(place)
    return [merged(group) for group in groups.values()]


def compare(graph: ThoughtGraph, live: list[Place], widths: Widths) -> Thoughts:
    """Have the model prefer one of each two thoughts, in both orders, and value each by its Borda count.

    Source: Zhang et al. 2024, arXiv:2410.02884, section 3.3, without the closure under transitivity. The
    count is the mean chance of being preferred to another thought; of a single one it is 1.
    """
    del widths
    pairs = list(permutations(range(len(live)), 2))
    asked = [_ask_pair(graph, live[i], live[j]) for i, j in pairs]
    replies = (yield asked) if asked else []
    wins = [0.0] * len(live)
    for (i, j), reply in zip(pairs, replies, strict=True):
        chance = probability_of_yes(reply)
        wins[i] += chance / 2
        wins[j] += (1 - chance) / 2
    for place, won in zip(live, wins, strict=True):
        place.value = won / (len(live) - 1) if len(live) > 1 else 1.0
        graph.ctx.trace.annotate(place.node, score=place.value)
    return live


def _ask_pair(graph: ThoughtGraph, first: Place, second: Place) -> Score:
    prompt = _prompt(graph, "bp_compare", first=first.text.strip(), second=second.text.strip())
    return Score(prompt, ("A", "B") if graph.ctx.is_chat else (" A", " B"))


def _prompt(graph: ThoughtGraph, name: str, **values: str) -> Prompt:
    return graph.ctx.prompt(name, graph.problem, shots=None, earlier=(), **values)


def _listed(group: Sequence[Place]) -> str:
    return "\n\n".join(f"({n}) {place.text.strip()}" for n, place in enumerate(group, 1))


Operation = Callable[[ThoughtGraph, list[Place], Widths], Thoughts]
OPERATORS: dict[str, Operation] = {
    each.__name__: each
    for each in (generate, evaluate, select, prune, refine, decompose, aggregate, merge, compare)
}
"""By name, as plans have them."""
PROMPTS: dict[str, tuple[str, ...]] = {
    "refine": ("bp_refine",),
    "decompose": ("bp_decompose", "bp_part"),
    "aggregate": ("bp_aggregate",),
    "compare": ("bp_compare",),
}
"""Templates that operators fill in."""

"""The tree of a search over steps: places in it, how they grow, and how they are valued.

A search is a generator of requests, as solvers are:

    for _ in range(depth):
        groups = yield from tree.grow([(place, 4) for place in live])
        children = [child for group in groups for child in group]
        yield from tree.judge(children)
        live = best(children, width)

Every place is a node of the problem's trace. Chains are trees of width 1.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from calculemus.engine.requests import Completion, Prompt, Request, Sample, Sampling
from calculemus.problem import Problem
from calculemus.solving.context import Context
from calculemus.solving.scoring import ScorerName, check_scorer, score
from calculemus.solving.steps import StepSplitter, is_final

Growing = Generator[Request | Sequence[Request], Any, "list[list[Place]]"]
Judging = Generator[Request | Sequence[Request], Any, None]
Merging = Callable[["Tree", "Sequence[Place]"], Generator[Request | Sequence[Request], Any, "list[Place]"]]
"""Makes one place of siblings that mean the same; returns the siblings that are left, in their order."""


@dataclass(eq=False, slots=True)
class Place:
    """A partial or whole solution; it is a ``Candidate``.

    Attributes:
        prompt: Question and steps together, to be continued.
        text: The steps.
        step: The last of them; empty at the root.
        parent: The place before it; None at the root.
        node: Its index in the trace; -1 at the root, which has none.
        depth: Number of its steps.
        logprob: Sum of the log-probabilities of its tokens, all steps together; None where unknown.
        n_tokens: Number of its tokens, as far as the engine gives them.
        is_final: Whether it is a whole solution.
        is_cut: Whether a limit ended its last step.
        answer: The answer that it gives; None where it is not whole or gives none.
        value: What it was judged to be worth; None before that.
        visits: How often a search came through it.
        total: Sum of what these visits brought back.
        children: Places behind it.
        members: Places that were merged into this one, itself the first; empty where none were.
    """

    prompt: Prompt
    text: str = ""
    step: str = ""
    parent: "Place | None" = None
    node: int = -1
    depth: int = 0
    logprob: float | None = 0.0
    n_tokens: int = 0
    is_final: bool = False
    is_cut: bool = False
    answer: str | None = None
    value: float | None = None
    visits: int = 0
    total: float = 0.0
    children: list["Place"] = field(default_factory=list)
    members: tuple["Place", ...] = ()

    @property
    def step_logprob(self) -> float:
        """Sum of the log-probabilities of its last step's tokens; 0 where unknown."""
        before = self.parent.logprob if self.parent else 0.0
        return (self.logprob or 0.0) - (before or 0.0)

    @property
    def worth(self) -> float:
        """Its value; the lowest there is where it has none."""
        return self.value if self.value is not None else float("-inf")

    def path(self) -> list["Place"]:
        """Return the places from the first step to this one."""
        places: list[Place] = []
        place: Place | None = self
        while place is not None and place.parent is not None:
            places.append(place)
            place = place.parent
        return places[::-1]

    def spread(self, n: int) -> Iterator[tuple["Place", int]]:
        """Yield who draws how many of ``n`` next steps: its members in turn, those of most worth first."""
        members = sorted(self.members, key=lambda member: -member.worth) or [self]
        for rank, member in enumerate(members):
            share = n // len(members) + (rank < n % len(members))
            if share:
                yield member, share


@dataclass(frozen=True)
class Tree:
    """A search's tree over one problem.

    Attributes:
        problem: What is solved.
        ctx: Of the problem.
        root: Where it begins.
        splitter: What ends a step.
        sampling: How steps are drawn; its stops end a whole solution.
        scorer: What places are valued by.
        heads: Names of the value heads, joined by ``+``; their values are averaged.
        merge: Makes one of siblings that mean the same; None keeps them apart.
        finals: Whole solutions, in the order in which they were found.
    """

    problem: Problem
    ctx: Context
    root: Place
    splitter: StepSplitter
    sampling: Sampling
    scorer: ScorerName = "value"
    heads: str = "value"
    merge: Merging | None = None
    finals: list[Place] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_scorer(self.scorer, self.ctx)

    def grow(self, shares: Sequence[tuple[Place, int]]) -> Growing:
        """Draw next steps, each place as many as its share; return those of each place.

        Places that are whole, and shares of 0, get none.
        """
        drawn = [
            (index, member, count)
            for index, (place, share) in enumerate(shares)
            if not place.is_final
            for member, count in place.spread(share)
        ]
        asked = [Sample(member.prompt, self._step, n) for _, member, n in drawn]
        replies = (yield asked) if asked else []
        groups: list[list[Place]] = [[] for _ in shares]
        for (index, member, _), completions in zip(drawn, replies, strict=True):
            groups[index] += [self._add(member, completion) for completion in completions]
        if self.merge is not None:
            for index, group in enumerate(groups):
                groups[index] = (yield from self.merge(self, group)) if group else group
        self.finals.extend(place for group in groups for place in group if place.is_final)
        return groups

    def judge(self, places: Sequence[Place]) -> Judging:
        """Give places their values."""
        if places:
            scores = yield from score(self.scorer, self.problem, self.ctx, places, self.heads)
            for place, value in zip(places, scores, strict=True):
                place.value = value

    def places(self) -> list[Place]:
        """Return all places behind the root, parents before children."""
        found = list(self.root.children)
        for place in found:
            found += place.children
        return found

    def deepest(self) -> list[Place]:
        """Return the places with the most steps, in the order in which they were found."""
        places = self.places()
        most = max((place.depth for place in places), default=0)
        return sorted((place for place in places if place.depth == most), key=lambda place: place.node)

    def prune(self, kept: Sequence[Place]) -> None:
        """Charge as discarded what was sampled on no path to any of the places that are kept."""
        standing = {id(place) for leaf in kept for place in leaf.path()}
        for place in self.places():
            if id(place) not in standing and place.parent is not None:
                self.ctx.discard(place.n_tokens - place.parent.n_tokens)

    @property
    def _step(self) -> Sampling:
        """How one step is drawn."""
        stops = dict.fromkeys([*self.splitter.stops, *self.sampling.stop])
        return replace(self.sampling, stop=tuple(stops), keep_stop=True, max_tokens=self.splitter.n_tokens)

    def _add(self, parent: Place, completion: Completion) -> Place:
        stopped_by, step = completion.stopped_by, completion.text
        is_end = stopped_by in self.sampling.stop
        if stopped_by is not None and is_end:
            step = step.removesuffix(stopped_by)
        is_end = is_end or (completion.finish == "stop" and stopped_by is None)
        is_whole = is_end or is_final(step)
        text = parent.text + step
        known = parent.logprob is not None and completion.logprob is not None
        place = Place(
            prompt=completion.prefix,
            text=text,
            step=step,
            parent=parent,
            depth=parent.depth + 1,
            logprob=parent.logprob + completion.logprob if known else None,  # type: ignore[operator]
            n_tokens=parent.n_tokens + len(completion.ids or completion.logprobs or ()),
            is_final=is_whole,
            is_cut=completion.finish == "length" and self.splitter.kind != "tokens",
            answer=self.ctx.extract(text) if is_whole else None,
        )
        before = parent.node if parent.node >= 0 else ()
        place.node = self.ctx.trace.add("step", step, before, logprob=completion.logprob, answer=place.answer)
        parent.children.append(place)
        return place


def flat(groups: Sequence[Sequence[Place]]) -> list[Place]:
    """Return the places of all groups in one list."""
    return [place for group in groups for place in group]


def best(places: Sequence[Place], n: int) -> list[Place]:
    """Return the ``n`` places of most worth, the best first; of equal ones those that were found first."""
    return sorted(places, key=lambda place: (-place.worth, place.node))[:n]


def distinct(places: Sequence[Place]) -> list[Place]:
    """Return places without those whose text an earlier one has."""
    first: dict[str, Place] = {}
    for place in places:
        first.setdefault(place.text, place)
    return list(first.values())

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

from calculemus.engine.requests import Completion, Prefix, Prompt, Request, Sample, Sampling
from calculemus.problem import Problem
from calculemus.solving.context import Context
from calculemus.solving.scoring import ScorerName, check_scorer, score
from calculemus.solving.steps import StepSplitter, is_final

Growing = Generator[Request | Sequence[Request], Any, "list[list[Place]]"]
Judging = Generator[Request | Sequence[Request], Any, None]
Acting = Callable[["Tree", "Sequence[Place]"], Judging]
"""Does what new places ask for, such as running their code, and notes in them what came of it."""
Merging = Callable[["Tree", "Sequence[Sequence[Place]]"], Growing]
"""Makes one place of siblings that mean the same; gets groups of siblings, returns what is left of each."""


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
        children: Places behind it, those that mean the same as one.
        members: Places that this one stands for, see ``merged``; empty where it stands for itself.
        is_closed: Whether a search has nothing left to find behind it.
        state: What a method keeps with it; a new place has its parent's.
    """

    prompt: Prompt
    text: str = ""
    step: str = ""
    parent: "Place | None" = field(default=None, repr=False)
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
    children: list["Place"] = field(default_factory=list, repr=False)
    members: tuple["Place", ...] = ()
    is_closed: bool = False
    state: Any = None

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
        act: Does what new places ask for, before they are merged or judged; None for nothing.
        merge: Makes one of siblings that mean the same; None keeps them apart.
        pool: What a place is worth that stands for several, from what these are worth.
        revalue: What a place is worth, from it and its score; None takes the score.
        most_tokens: Of a solution, all its steps together; None sets no limit.
        show: What steps behind a place are drawn from, for that one time; None shows its own prompt.
        finals: Whole solutions, in the order in which they were found.
        drawn: All places behind the root, in the order in which they were found.
    """

    problem: Problem
    ctx: Context
    root: Place
    splitter: StepSplitter
    sampling: Sampling
    scorer: ScorerName = "value"
    heads: str = "value"
    act: Acting | None = None
    merge: Merging | None = None
    pool: Callable[[Sequence[float]], float] = max
    revalue: Callable[[Place, float], float] | None = None
    most_tokens: int | None = None
    show: Callable[["Tree", Place], Prompt] | None = None
    finals: list[Place] = field(default_factory=list)
    drawn: list[Place] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_scorer(self.scorer, self.ctx)

    def grow(self, shares: Sequence[tuple[Place, int]]) -> Growing:
        """Draw next steps, each place as many as its share; return those of each place.

        Places that are not open, and shares of 0, get none.
        """
        groups = yield from self._draw(shares, self._step, self.show)
        if self.act is not None and any(groups):
            yield from self.act(self, flat(groups))
        if self.merge is not None:
            groups = yield from self.merge(self, groups)
        for (place, _), group in zip(shares, groups, strict=True):
            place.children += group
        return groups

    def roll_out(self, shares: Sequence[tuple[Place, int]], max_tokens: int) -> Growing:
        """Draw solutions to their end, as ``grow`` draws steps; they do not become children."""
        sampling = replace(self.sampling, keep_stop=True, max_tokens=max_tokens)
        return (yield from self._draw(shares, lambda _: sampling))

    def complete(self, depth: int) -> Judging:
        """Go on from the best of the deepest places, a step at a time, to a whole solution.

        Steps and no roll-out: code in them is run, and each takes little of what the budget has left.

        Args:
            depth: Most steps of a solution; nothing goes on from a place that has as many.
        """
        waiting = [place for place in self.deepest() if self.is_open(place)]
        while waiting and waiting[0].depth < depth:
            place = max(waiting, key=lambda place: place.worth)
            (waiting,) = yield from self.grow([(place, 1)])
            waiting = [place for place in waiting if self.is_open(place)]

    def _draw(
        self,
        shares: Sequence[tuple[Place, int]],
        how: Callable[[Place], Sampling],
        show: Callable[["Tree", Place], Prompt] | None = None,
    ) -> Growing:
        drawn = [
            (index, member, count)
            for index, (place, share) in enumerate(shares)
            if self.is_open(place)
            for member, count in place.spread(share)
        ]
        shown = [show(self, member) if show else member.prompt for _, member, _ in drawn]
        asked = [Sample(prompt, how(member), n) for prompt, (_, member, n) in zip(shown, drawn, strict=True)]
        replies = (yield asked) if drawn else []
        groups: list[list[Place]] = [[] for _ in shares]
        for (index, member, _), prompt, completions in zip(drawn, shown, replies, strict=True):
            for completion in completions:
                own = prompt is member.prompt
                prefix = completion.prefix if own else behind(member.prompt, completion)
                groups[index].append(self._add(member, completion, prefix))
        self.finals.extend(place for place in flat(groups) if place.is_final)
        return groups

    def judge(self, places: Sequence[Place]) -> Judging:
        """Give places their values; one that stands for several gets what ``pool`` makes of theirs."""
        single = [member for place in places for member in place.members or (place,)]
        if not single:
            return
        scores = yield from score(self.scorer, self.problem, self.ctx, single, self.heads)
        for place, value in zip(single, scores, strict=True):
            place.value = value if self.revalue is None else self.revalue(place, value)
        for place in places:
            if place.members:
                place.value = self.pool([member.worth for member in place.members])

    def deepest(self) -> list[Place]:
        """Return the places with the most steps, in the order in which they were found."""
        most = max((place.depth for place in self.drawn), default=0)
        return [place for place in self.drawn if place.depth == most]

    def prune(self, kept: Sequence[Place]) -> None:
        """Charge as discarded what was sampled on no path to any of the places that are kept."""
        standing = {id(place) for leaf in kept for place in leaf.path()}
        for place in self.drawn:
            if id(place) not in standing and place.parent is not None:
                self.ctx.discard(place.n_tokens - place.parent.n_tokens)

    def is_open(self, place: Place) -> bool:
        """Say whether steps can follow a place: it is not whole, closed, or as long as it may be."""
        is_long = self.most_tokens is not None and place.n_tokens >= self.most_tokens
        return not (place.is_final or place.is_closed or is_long)

    def _step(self, place: Place) -> Sampling:
        """Return how a step is drawn that follows a place."""
        stops = dict.fromkeys([*self.splitter.stops, *self.sampling.stop])
        longest = self.splitter.n_tokens
        if self.most_tokens is not None:
            longest = max(1, min(longest, self.most_tokens - place.n_tokens))
        return replace(self.sampling, stop=tuple(stops), keep_stop=True, max_tokens=longest)

    def _add(self, parent: Place, completion: Completion, prefix: Prompt) -> Place:
        stopped_by, step = completion.stopped_by, completion.text
        is_end = stopped_by in self.sampling.stop
        if stopped_by is not None and is_end:
            step = step.removesuffix(stopped_by)
        is_end = is_end or (completion.finish == "stop" and stopped_by is None)
        is_code = self.splitter.kind == "code" and stopped_by in self.splitter.stops
        is_whole = is_end or (is_final(step) and not is_code)
        text = parent.text + step
        logprob = completion.logprob
        place = Place(
            prompt=prefix,
            text=text,
            step=step,
            parent=parent,
            depth=parent.depth + 1,
            logprob=None if parent.logprob is None or logprob is None else parent.logprob + logprob,
            n_tokens=parent.n_tokens + len(completion.ids or completion.logprobs or ()),
            is_final=is_whole,
            is_cut=completion.finish == "length" and self.splitter.kind != "tokens",
            answer=self.ctx.extract(text) if is_whole else None,
            state=parent.state,
        )
        before = parent.node if parent.node >= 0 else ()
        place.node = self.ctx.trace.add("step", step, before, logprob=logprob, answer=place.answer)
        self.drawn.append(place)
        return place


def merged(members: Sequence[Place]) -> Place:
    """Return the place that stands for siblings which mean the same; of a single one, that one itself."""
    return replace(members[0], members=tuple(members), children=[]) if len(members) > 1 else members[0]


def behind(prompt: Prompt, completion: Completion) -> Prompt:
    """Return a prompt with a completion behind it that was drawn from another one."""
    if isinstance(prompt, str):
        return Prefix(prompt) + completion.text
    if isinstance(prompt, Prefix) and not prompt.added and None not in (prompt.ids, completion.ids):
        return Prefix(prompt.text + completion.text, (*(prompt.ids or ()), *(completion.ids or ())))
    return prompt + completion.text


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

"""Thoughts that do not follow a single one: joined from several, or written anew from a whole one."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from calculemus.engine.requests import Completion, Prompt, Sampling
from calculemus.solving.tree import Place, Tree


@dataclass(frozen=True)
class ThoughtGraph(Tree):
    """A tree of which places may stand behind several others.

    Attributes:
        whole_tokens: Longest thought that is not a step.
        joined: Places behind which a place stands, by its node, where these are not its parent alone.
    """

    whole_tokens: int = 512
    joined: dict[int, Sequence[Place]] = field(default_factory=dict)

    @property
    def whole(self) -> Sampling:
        """How thoughts are drawn that are no steps."""
        return replace(self.sampling, max_tokens=self.whole_tokens)

    def add(self, kind: str, before: Sequence[Place], completion: Completion) -> Place:
        """Add a whole thought behind others, the first of which becomes its parent.

        Args:
            kind: Of its node in the trace.
            before: What it was made from.
            completion: What was sampled.
        """
        first, text = before[0], completion.text
        place = Place(
            prompt=completion.prefix,
            text=text,
            step=text,
            parent=first,
            depth=first.depth + 1,
            logprob=_sum(first.logprob, completion.logprob),
            n_tokens=first.n_tokens + len(completion.ids or completion.logprobs or ()),
            is_final=True,
            is_cut=completion.finish == "length",
            answer=self.ctx.extract(text),
        )
        parents = [each.node for each in before if each.node >= 0]
        place.node = self.ctx.trace.add(kind, text, parents, answer=place.answer)
        self.joined[place.node] = before
        self.drawn.append(place)
        self.finals.append(place)
        return place

    def branch(self, parent: Place, prompt: Prompt) -> Place:
        """Return a place without a text that goes on from a prompt of its own; its node is the parent's."""
        return replace(parent, prompt=prompt, text="", step="", is_final=False, answer=None, children=[])

    def stand_behind(self, place: Place, others: Sequence[Place]) -> None:
        """Note that a place stands for others too, whose tokens are then no waste."""
        self.joined[place.node] = [*self.joined.get(place.node, ()), *others]

    def prune(self, kept: Sequence[Place]) -> None:
        """Charge as discarded what was sampled for none of the places that are kept."""
        pending, standing = list(kept), set[int]()
        while pending:
            place = pending.pop()
            if place.node not in standing:
                standing.add(place.node)
                pending += [*([place.parent] if place.parent else ()), *self.joined.get(place.node, ())]
                pending += place.members
        for place in self.drawn:
            if place.node not in standing and place.parent is not None:
                self.ctx.discard(place.n_tokens - place.parent.n_tokens)


def _sum(before: float | None, own: float | None) -> float | None:
    return None if before is None or own is None else before + own

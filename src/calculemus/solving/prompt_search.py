"""What searches for prompts are made of: loops of proposing, scoring and selecting, and their results."""

from collections.abc import Sequence
from dataclasses import dataclass

from calculemus.params import Configured
from calculemus.rng import Rng
from calculemus.solving.prompt_bench import PromptBench, Tally


@dataclass(frozen=True)
class Loop(Configured):
    """Base of methods that go round: they measure, change something, and measure again."""


@dataclass(frozen=True, slots=True)
class Node:
    """A prompt in the search.

    Attributes:
        tally: How it did on the development set.
        parent: Index of the prompt that it was made from; None for those that the search began with.
        step: In which round it was made; 0 for the first.
    """

    tally: Tally
    parent: int | None = None
    step: int = 0

    @property
    def instruction(self) -> str:
        """The prompt."""
        return self.tally.instruction

    @property
    def score(self) -> float:
        """Share of the development set that it gets right."""
        return self.tally.score


@dataclass(frozen=True, slots=True)
class Proposals:
    """New prompts of a round.

    Attributes:
        made: Pairs of a prompt and the index of the node that it was made from, each prompt once.
        dropped: How many were left out, by the reason.
    """

    made: tuple[tuple[str, int], ...]
    dropped: dict[str, int]


@dataclass(frozen=True)
class Tuned:
    """What a search came to.

    Attributes:
        nodes: All prompts that were scored, in order.
        best: Index of the winner: the best on the development set.
        start: The first prompt on the test set.
        test: The winner on the test set, which had no part in choosing it.
        stopped: Why the search ended.
        dropped: Proposals that were left out, by the reason.
    """

    nodes: tuple[Node, ...]
    best: int
    start: Tally
    test: Tally
    stopped: str
    dropped: dict[str, int]

    @property
    def winner(self) -> Node:
        """The best prompt."""
        return self.nodes[self.best]


@dataclass(frozen=True)
class PromptOptimizer(Loop):
    """Base of searches for a prompt: it proposes, the bench scores, it selects.

    A search of another kind brings its own ``rounds``, ``propose`` and ``select``.
    """

    @property
    def rounds(self) -> int:
        """How many rounds it makes at most."""
        raise NotImplementedError

    def propose(
        self, nodes: Sequence[Node], beam: Sequence[int], step: int, bench: PromptBench, rng: Rng
    ) -> Proposals:
        """Return new prompts made from those in the beam."""
        raise NotImplementedError

    def score(self, instruction: str, bench: PromptBench) -> Tally:
        """Score a prompt on the development set."""
        return bench.on_dev(instruction)

    def select(self, nodes: Sequence[Node], step: int) -> list[int]:
        """Return the indices of the nodes from which the next round goes on, the best first."""
        raise NotImplementedError

    def optimize(self, bench: PromptBench, start: Sequence[str], rng: Rng) -> Tuned:
        """Search, and measure the first prompt and the winner on the test set, once.

        Args:
            bench: Scores prompts.
            start: What to begin with; the first is what the winner is compared with.
            rng: Of the search.
        """
        nodes = [Node(self.score(text, bench)) for text in dict.fromkeys(start)]
        dropped: dict[str, int] = {}
        stopped = f"all {self.rounds} rounds are done"
        for step in range(1, self.rounds + 1):
            if any(not node.tally.failures for node in nodes):
                stopped = "a prompt has no failures left on the development set"
                break
            proposals = self.propose(nodes, self.select(nodes, step - 1), step, bench, rng.child(step))
            for reason, n in proposals.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + n
            if not proposals.made:
                stopped = f"round {step} proposed nothing new"
                break
            nodes += [Node(self.score(text, bench), parent, step) for text, parent in proposals.made]
        best = max(range(len(nodes)), key=lambda index: nodes[index].score)  # the first of equals
        first, last = bench.on_test(nodes[0].instruction), bench.on_test(nodes[best].instruction)
        return Tuned(tuple(nodes), best, first, last, stopped, dropped)

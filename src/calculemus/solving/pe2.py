"""PE2: a model edits a prompt from its failures, led by a meta-prompt."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from calculemus.engine.requests import Sampling
from calculemus.params import AtLeast
from calculemus.rng import Rng
from calculemus.solving.prompt_bench import PromptBench, Tried
from calculemus.solving.prompt_search import Node, PromptOptimizer, Proposals

CONTEXT = {
    "answer": "It stands behind the question, at the beginning of the answer, which the model goes on with.",
    "system": "It is the first thing that the model reads, before the question.",
}
_TAGGED = re.compile(r"<prompt>(.*?)</prompt>", re.S | re.I)
_NAMED = re.compile(r"(?:^|\n)\s*\**new prompt\**\s*:\s*\**\s*(.+)", re.S | re.I)
_OPEN = re.compile(r"<prompt>(.*)", re.S | re.I)
_LONGEST_SHOWN = 1200  # characters of a failed answer in the meta-prompt


@dataclass(frozen=True)
class Pe2(PromptOptimizer):
    """Edit prompts from batches of their failures, and go on from the best of them.

    Source: Ye et al. 2023, arXiv:2311.05661, sections 3 and 4, and appendix A. The meta-prompt, in our words,
    says what is to be done, where the prompt stands, and asks the same questions of every failed example.
    The winner is the best of all on the development set; the test set sees it once.

    Attributes:
        steps: Rounds (T).
        beam: Prompts that a round goes on from.
        expand: Proposals made from each.
        batch_size: Failed examples in each meta-prompt.
        failures: Which examples: the prompt's own failures (``hard``), its failures weighted by how many
            prompts fail on them (``weighted``), or any (``random``).
        backtrack: Go on from the best prompts of all rounds, not of the last one alone.
        step_size: Most words that an edit may change; None for any number.
        momentum: Show the edits that led to a prompt.
        max_words: Longest prompt.
        temperature: Of the model that writes prompts.
        max_tokens: Longest reply to the meta-prompt.
    """

    steps: Annotated[int, AtLeast(0)] = 3  # paper, section 4
    beam: Annotated[int, AtLeast(1)] = 4  # paper, section 4: n = 4
    expand: Annotated[int, AtLeast(1)] = 4  # paper, section 4: m = 4
    batch_size: Annotated[int, AtLeast(1)] = 2  # public code
    failures: Literal["hard", "random", "weighted"] = "hard"  # paper, section 4.3
    backtrack: bool = True  # paper, section 4.3
    step_size: Annotated[int | None, AtLeast(1)] = None
    momentum: bool = False
    max_words: Annotated[int, AtLeast(1)] = 50  # paper: 50 tokens; 200 where prompts are long
    temperature: Annotated[float, AtLeast(0)] = 0.7
    max_tokens: Annotated[int, AtLeast(1)] = 1024

    @property
    def rounds(self) -> int:
        """How many rounds it makes at most."""
        return self.steps

    def propose(
        self, nodes: Sequence[Node], beam: Sequence[int], step: int, bench: PromptBench, rng: Rng
    ) -> Proposals:
        """Show batches of failures to the writer, and read the prompts that it writes."""
        asked = {
            f"{step}/{index}/{n}": (index, self._meta_prompt(nodes, index, bench, rng.child(index, n)))
            for index in beam
            for n in range(self.expand)
        }
        sampling = Sampling(self.temperature, max_tokens=self.max_tokens)
        written = bench.write("pe2", {key: values for key, (_, values) in asked.items()}, sampling)
        known = {_folded(node.instruction) for node in nodes}
        made: list[tuple[str, int]] = []
        dropped: dict[str, int] = {}
        for key, text in written.items():
            parent = asked[key][0]
            proposal = read_prompt(text or "")
            reason = self._why_not(proposal, nodes[parent].instruction, known)
            if reason or proposal is None:
                dropped[reason] = dropped.get(reason, 0) + 1
                continue
            known.add(_folded(proposal))
            made.append((proposal, parent))
        return Proposals(tuple(made), dropped)

    def _why_not(self, proposal: str | None, before: str, known: set[str]) -> str:
        """Return why a proposal is left out; nothing where it is not."""
        if proposal is None:
            return "no prompt in the reply"
        if _folded(proposal) in known:
            return "known already"
        if len(proposal.split()) > self.max_words:
            return f"over {self.max_words} words"
        if self.step_size is not None and word_distance(before, proposal) > self.step_size:
            return f"over {self.step_size} words changed"
        return ""

    def select(self, nodes: Sequence[Node], step: int) -> list[int]:
        """Return the best prompts of all rounds; without backtracking those of this one."""
        among = [index for index, node in enumerate(nodes) if self.backtrack or node.step == step]
        return sorted(among, key=lambda index: -nodes[index].score)[: self.beam]

    def _meta_prompt(
        self, nodes: Sequence[Node], index: int, bench: PromptBench, rng: Rng
    ) -> dict[str, object]:
        """Fill in the meta-prompt: the task in two steps, the context, and the failed examples."""
        node = nodes[index]
        shown = [_example(number, tried) for number, tried in enumerate(self._batch(nodes, node, rng), 1)]
        limits = [f"at most {self.max_words} words"]
        if self.step_size is not None:
            limits.append(f"at most {self.step_size} words of it changed")
        return {
            "prompt": node.instruction or "(empty)",
            "context": CONTEXT[bench.place],
            "examples": "\n\n".join(shown),
            "history": "".join(_history(nodes, index)) if self.momentum else "",
            "limits": ", ".join(limits),
        }

    def _batch(self, nodes: Sequence[Node], node: Node, rng: Rng) -> list[Tried]:
        """Draw examples without replacement."""
        among = node.tally.tried if self.failures == "random" else node.tally.failures
        weights = None
        if self.failures == "weighted":
            failed = [tried.problem.id for other in nodes for tried in other.tally.failures]
            counts = [failed.count(tried.problem.id) for tried in among]
            weights = [count / sum(counts) for count in counts]
        size = min(self.batch_size, len(among))
        places = rng.generator().choice(len(among), size=size, replace=False, p=weights)
        return [among[place] for place in places]


def _example(number: int, tried: Tried) -> str:
    told = (tried.response or "(nothing)").strip()[:_LONGEST_SHOWN]
    return (
        f"Example {number}\nQuestion: {tried.problem.question}\nAnswer of the model: {told}\n"
        f"Right answer: {tried.problem.answer}"
    )


def _history(nodes: Sequence[Node], index: int) -> Iterator[str]:
    """Yield the edits that led to a node, the first one first."""
    line: list[Node] = []
    at: int | None = index
    while at is not None:
        line.append(nodes[at])
        at = nodes[at].parent
    line.reverse()
    if len(line) > 1:
        yield "Edits so far, with the share of right answers:\n"
        for before, after in pairwise(line):
            became = f"became {after.instruction!r} ({after.score:.0%})"
            yield f"- {before.instruction!r} ({before.score:.0%}) {became}\n"
        yield "\n"


def read_prompt(text: str) -> str | None:
    """Return the prompt that a reply proposes, in one line; None where it proposes none.

    Example:
        >>> read_prompt("Reasons ... <prompt>Think slowly.</prompt>"), read_prompt("New prompt: Go on.")
        ('Think slowly.', 'Go on.')
    """
    tagged = _TAGGED.findall(text) or _OPEN.findall(text) or _NAMED.findall(text)
    said = " ".join(tagged[-1].split()).strip("\"'` ") if tagged else ""
    return said or None


def word_distance(a: str, b: str) -> int:
    """Return how many words have to be put in, taken out or replaced to make one text of another.

    Example:
        >>> word_distance("think step by step", "think slowly, step by step now")
        2
    """
    x, y = a.split(), b.split()
    row = list(range(len(y) + 1))
    for i, word in enumerate(x, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(y, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())

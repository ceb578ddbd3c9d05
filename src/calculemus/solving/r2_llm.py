"""R2-LLMs: a tree search that is shown similar solved problems, and similar steps where it expands."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from calculemus.engine.requests import Chat, Prefix, Prompt, Request, Sample, Sampling
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solving.context import Context
from calculemus.solving.drawing import refuse_identical
from calculemus.solving.mcts import mcts, uct
from calculemus.solving.scheme import Scheme
from calculemus.solving.searching import Search, Searching
from calculemus.solving.step_index import StepIndex, check_overlaps, read_references
from calculemus.solving.templates import DEFAULT, Turn
from calculemus.solving.tree import Place, Tree


@dataclass(frozen=True)
class R2Llm(Searching):
    """Search by simulations, with solved problems in the prompt and steps of others at each expansion.

    Source: Dou et al. 2025, arXiv:2507.05557. Coarse: solved problems that are like this one become worked
    examples. Fine: where a place is expanded, reference solutions that came by a similar point are shown up
    to the step that followed there, for that expansion alone. Without both it is plain search.

    Attributes:
        coarse: Solved problems that are shown throughout.
        fine: Steps of others that are shown at an expansion; the root, before any step, gets none.
        abstract: What problems are compared by: their ``words``, numbers apart, or what the ``model`` says
            they are about in general, which references may have as ``meta['abstract']``.
        when: ``always`` shows steps everywhere; ``low_value`` only where a place's value is below ``low``.
        low: See ``when``.
        references: Problem set with solutions, such as a file; None takes the prompt set's examples.
        leak: What is done where the problem itself is among the references, or one with its numbers and
            almost its words: ``refuse`` it, ``leave_out`` such references, or ``allow`` them.
        simulations: Ways from the root to a leaf.
        children: Next steps drawn from each place.
        exploration: Weight of exploration (UCT).
    """

    coarse: Annotated[int, AtLeast(0)] = 2  # paper: not established, as is all that follows
    fine: Annotated[int, AtLeast(0)] = 2
    abstract: Literal["words", "model"] = "words"
    when: Literal["always", "low_value"] = "always"
    low: float = 0.5
    references: str | None = None
    leak: Literal["refuse", "leave_out", "allow"] = "refuse"
    simulations: Annotated[int, AtLeast(1)] = 40  # as in AlphaMath
    children: Annotated[int, AtLeast(1)] = 4
    exploration: Annotated[float, AtLeast(0)] = 1.4

    scheme: ClassVar[Scheme] = Scheme(
        "tree", "mcts", ("retrieve", "select", "generate", "evaluate", "backpropagate"), ("value",)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_identical(self, self.children, self.temperature, "children")

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        asks = ("r2_abstract",) if self.coarse and self.abstract == "model" else ()
        return (*super().prompts, *asks)

    @property
    def reads(self) -> str:
        """Name the references by their content."""
        is_read = self.references is not None and self.retrieves
        return self._index(DEFAULT).digest if is_read else ""

    def plant(self, problem: Problem, ctx: Context) -> Tree:
        """Return the tree of a problem, with its root alone, which keeps the references.

        Raises:
            InvalidParameterError: The problem is among the references.
        """
        tree = super().plant(problem, ctx)
        if not self.retrieves:
            return tree
        index = self._index(str(ctx.capabilities.facts.get("prompts", DEFAULT)))
        if self.leak == "refuse":
            check_overlaps(index, [problem])
        overlaps = index.overlaps([problem]) if self.leak == "leave_out" else ()
        tree.root.state = Found(index, frozenset(pair.index for pair in overlaps))
        return replace(tree, show=self._show) if self.fine else tree

    def search(self, tree: Tree) -> Search:
        """Look for similar problems, then simulate."""
        if self.coarse:
            found: Found = tree.root.state
            text = yield from self._about(tree)
            is_abstract = self.abstract == "model"
            similar = found.index.similar(text, self.coarse, is_abstract, found.leave_out)
            tree.root.state = replace(found, examples=tuple(one.turn for one in similar[::-1]))
            tree.root.prompt = self._prompt(tree, ())
        rule = uct(self.exploration)
        yield from mcts(tree, self.simulations, self.children, rule, depth=self.depth)

    @property
    def retrieves(self) -> bool:
        """Whether anything is shown."""
        return bool(self.coarse or self.fine)

    def _index(self, prompt_set: str) -> StepIndex:
        return read_references(self.references, prompt_set)

    def _about(self, tree: Tree) -> "About":
        """Return what problems are compared by: the question, or the model's abstract of it."""
        if self.abstract == "words":
            return tree.problem.question
        ctx = tree.ctx
        sampling = Sampling(0.0, max_tokens=self.step_tokens, stop=ctx.stop("r2_abstract"))
        (completion,) = yield Sample(ctx.prompt("r2_abstract", tree.problem), sampling)
        ctx.trace.add("abstract", completion.text)
        return completion.text

    def _show(self, tree: Tree, place: Place) -> Prompt:
        """Return what a place is expanded from: with the steps of others, where there are any for it."""
        is_sure = self.when == "low_value" and place.worth >= self.low
        if not place.text or is_sure:
            return place.prompt
        found: Found = place.state
        steps = found.index.next_steps(tree.problem.question, place.text, self.fine, found.leave_out)
        tree.ctx.trace.annotate(place.node, shown=[f"{one.id}, step {n}" for one, n in steps])
        return self._prompt(tree, [one.until(n) for one, n in steps[::-1]]) + place.text

    def _prompt(self, tree: Tree, steps: Sequence[Turn]) -> Prefix | Chat:
        """Return the question with examples before it, those that are most like it last."""
        found: Found = tree.root.state
        earlier = (*found.examples, *steps)
        prompt = tree.ctx.prompt(self.template, tree.problem, shots=self.shots, earlier=earlier)
        return Prefix(prompt) if isinstance(prompt, str) else prompt


@dataclass(frozen=True)
class Found:
    """What a search keeps of its references.

    Attributes:
        index: All of them.
        leave_out: Indices of those that are the problem itself.
        examples: What is shown throughout.
    """

    index: StepIndex
    leave_out: frozenset[int]
    examples: tuple[Turn, ...] = ()


About = Generator[Request | Sequence[Request], Any, str]

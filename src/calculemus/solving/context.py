"""What a solver is given besides the problem: prompts, equal answers, randomness, the trace, the solution."""

from collections.abc import Container, Iterable, Sequence
from typing import Any

from calculemus.cost import Cost
from calculemus.engine.requests import Capabilities, Chat, Completion, Prompt
from calculemus.errors import InvalidParameterError
from calculemus.events import Step, emit
from calculemus.grading.votes import extract_answer, group_equal
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solution import Node, Solution, Trace
from calculemus.solving.templates import DEFAULT, Template, Turn, merge_system, read_template


class Tracer:
    """Collects the nodes of a trace as a method goes on."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []

    def add(self, kind: str, text: str, parents: int | Sequence[int] = (), **meta: Any) -> int:
        """Add a node and return its index.

        Args:
            kind: See ``Node``.
            text: What was written in this step.
            parents: Index of the node it follows, or indices of several; none for a root.
            meta: JSON-like facts.
        """
        before = (parents,) if isinstance(parents, int) else tuple(parents)
        self._nodes.append(Node(kind, text, before, meta))
        emit(Step(len(self._nodes) - 1, kind, text, before))
        return len(self._nodes) - 1

    def follow(self, kind: str, text: str, **meta: Any) -> int:
        """Add a node behind the one that was added last and return its index."""
        return self.add(kind, text, len(self._nodes) - 1 if self._nodes else (), **meta)

    def annotate(self, index: int, **meta: Any) -> None:
        """Add facts to a node: its value, its visits."""
        node = self._nodes[index]
        self._nodes[index] = Node(node.kind, node.text, node.parents, {**node.meta, **meta})

    def finish(self) -> Trace:
        """Return the trace as it stands."""
        return Trace(tuple(self._nodes))

    def __len__(self) -> int:
        return len(self._nodes)


class Context:
    """One problem's helpers.

    Attributes:
        rng: The method's own randomness; requests are seeded apart from it.
        trace: Where the method records its steps.
        capabilities: What the engine can do.
    """

    def __init__(self, rng: Rng, capabilities: Capabilities, prompts: Container[str] | None = None) -> None:
        self.rng = rng.child("method")
        self.trace = Tracer()
        self.capabilities = capabilities
        self._prompts = prompts
        self._pruned = 0

    def prompt(
        self,
        name: str,
        problem: Problem,
        *,
        shots: int | None = None,
        earlier: Sequence[Turn] = (),
        **values: object,
    ) -> Prompt:
        """Fill in the template ``name``: in its chat form where the engine's model has a chat template.

        Args:
            name: A template of the prompt set that the engine's model wants.
            problem: Its question fills the place ``{{question}}``.
            shots: How many of the template's examples to show; None for all.
            earlier: Turns that came before, filled in like examples.
            values: What fills the other places, by name.

        Raises:
            InvalidParameterError: There is no such template, the solver does not list it among its
                ``prompts``, it has fewer examples, or a place has no value.
        """
        values = {"question": problem.question, **values}
        return self.fill(self._template(name), values, shots, earlier)

    def fill(
        self,
        template: Template,
        values: Turn,
        shots: int | None = None,
        earlier: Sequence[Turn] = (),
    ) -> Prompt:
        """Fill in a template that the caller has; see ``prompt``.

        Where the model's chat template knows no system role, its message begins the first turn of the user.
        """
        prompt = template.fill(values, self.is_chat, shots, earlier)
        return merge_system(prompt) if isinstance(prompt, Chat) and self.merges_system else prompt

    def stop(self, name: str) -> tuple[str, ...]:
        """Return the texts that end a completion of the template ``name``."""
        template = self._template(name)
        return (template.chat if self.is_chat else template.plain).stop

    def _template(self, name: str) -> Template:
        if self._prompts is not None and name not in self._prompts:
            raise InvalidParameterError(
                f"filling in the prompt '{name}': the solver's 'prompts' do not have it; add it there, so "
                "that a run's key knows of it"
            )
        return read_template(name, self.capabilities.facts.get("prompts", DEFAULT))

    @property
    def is_chat(self) -> bool:
        """Whether prompts take their chat form."""
        return bool(self.capabilities.facts.get("chat_template"))

    @property
    def merges_system(self) -> bool:
        """Whether system messages go into the user's first turn, as the model's chat template has none."""
        return self.capabilities.facts.get("system_role") is False

    def extract(self, text: str) -> str | None:
        """Return the answer that a text gives, None where it gives none; the gold is not consulted."""
        return extract_answer(text)

    def same(self, answers: Sequence[str | None]) -> list[tuple[int, ...]]:
        """Group answers that the grader finds equal.

        Args:
            answers: As ``extract`` returns them; None is in no group.

        Returns:
            Their indices by group, groups and indices in order of appearance.
        """
        return group_equal(answers)

    def prune(self, *completions: Completion) -> None:
        """Say that completions stand nowhere in the result: their tokens are charged as discarded."""
        self.discard(sum(len(c.ids or c.logprobs or ()) for c in completions))

    def discard(self, n_tokens: int) -> None:
        """Say that so many sampled tokens stand nowhere in the result."""
        self._pruned += n_tokens

    def solution(
        self,
        answer: Completion | str | None,
        candidates: Iterable[str] = (),
        truncated: bool = False,
        failure: str | None = None,
    ) -> Solution:
        """Build the solution; whoever drives the method adds what it cost.

        Args:
            answer: What is graded: a completion or a text; None where there is none.
            candidates: Further answers, best first.
            truncated: Whether a limit cut it short; a completion says so itself.
            failure: Why there is no answer, as one line.
        """
        if isinstance(answer, Completion):
            truncated = truncated or answer.finish == "length"
            answer = answer.text
        if answer is not None and not len(self.trace):
            self.trace.add("completion", answer)
        return Solution(
            answer=answer,
            candidates=tuple(candidates),
            trace=self.trace.finish(),
            cost=Cost(tokens_discarded=self._pruned),
            truncated=truncated,
            failure=failure,
        )

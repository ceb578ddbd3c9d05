"""One generated problem, in every form."""

from collections.abc import Callable
from typing import Any, Protocol

from calculemus.problem import Problem
from calculemus.problems.generated.dag import Dag
from calculemus.problems.generated.draft import Draft
from calculemus.problems.generated.graph import graph_of
from calculemus.problems.generated.phrase import RESULT
from calculemus.problems.generated.spec import Spec
from calculemus.problems.generated.stream import Draw
from calculemus.problems.generated.teller import Row, Telling


class Origin(Protocol):
    """The sequence that an item belongs to.

    Attributes:
        spec: What was asked for.
        split: The split it belongs to.
        name: Names spec, split and seed.
        group: The same for all specs that tell the same quantities.
        say: Translates what is written; None for a language with sentences of its own.
    """

    spec: Spec
    split: Any
    name: str
    group: str
    say: Callable[[str], str] | None

    def draws(self, purpose: str, index: int) -> Draw:
        """Return numbers for something else that is made of an item."""
        ...


class Item:
    """A problem with its worked solutions and program, all from one graph of quantities.

    Attributes:
        origin: The sequence it belongs to.
        index: Its place in the sequence.
        draft: Its quantities.
        telling: Its sentences.

    Example:
        >>> from calculemus.problems.generated import Generated, Spec
        >>> item = Generated(Spec.level(1))[0]
        >>> item.solution.splitlines()[-1] == f"#### {item.answer}"
        True
    """

    __slots__ = ("draft", "index", "origin", "telling")

    def __init__(self, origin: Origin, index: int, draft: Draft, telling: Telling) -> None:
        self.origin = origin
        self.index = index
        self.draft = draft
        self.telling = telling

    @property
    def id(self) -> str:
        """Names spec, split, seed and index."""
        return f"{self.origin.name}/{self.index}"

    @property
    def group(self) -> str:
        """What problems with the same quantities share, in whatever words or language."""
        return f"{self.origin.group}/{self.index}"

    @property
    def spec(self) -> Spec:
        """What was asked for."""
        return self.origin.spec

    @property
    def answer(self) -> str:
        """The answer as canonical text."""
        return str(self.draft.answer)

    @property
    def dag(self) -> Dag:
        """The graph of its quantities."""
        return graph_of(self.draft, self.telling)

    @property
    def question(self) -> str:
        """What is asked, with the story."""
        rows, shown, ordinals = self.telling
        entry, _, words, _ = rows[-1]
        if self.origin.spec.order == "question_first":
            text = f"{entry.ask_named.fill(words)} {story(shown, ordinals)}"
        else:
            ask = entry.ask
            text = f"{story(shown, ordinals)} {ask.form % ask.pick(words)}"
        say = self.origin.say
        return say(text) if say else text

    @property
    def solution(self) -> str:
        """The worked solution in the format of GSM8K: a step a line, annotated, then ``#### answer``."""
        lines = []
        for entry, _, words, is_step in self.telling.rows:
            if is_step:
                step = entry.step
                lines.append(step.form % step.pick(words))
        return self._worked(lines)

    @property
    def plain_solution(self) -> str:
        """The worked solution without annotations."""
        return self._worked([entry.plain.fill(words) for entry, _, words, is_step in self.rows if is_step])

    @property
    def socratic_solution(self) -> str:
        """The annotated solution with the question that each step answers, as in GSM8K's Socratic copy."""
        lines = [
            f"{entry.ask_named.fill(words)} ** {entry.step.fill(words)}"
            for entry, _, words, is_step in self.rows
            if is_step
        ]
        return self._worked(lines)

    @property
    def equations(self) -> str:
        """The sums alone, one a line."""
        return self._worked([entry.sum.fill(words) for entry, _, words, is_step in self.rows if is_step])

    @property
    def program(self) -> str:
        """Python source whose ``solution()`` returns the answer."""
        lines = ["def solution():"]
        rows = self.telling.rows
        for entry, _, words, _ in rows:
            code = entry.code
            lines.append(code.form % code.pick(words))
        lines.append(f"    return {rows[-1][2][RESULT]}")
        return "\n".join(lines)

    @property
    def rows(self) -> list[Row]:
        """The sentences in the order of the story."""
        return self.telling.rows

    @property
    def meta(self) -> dict[str, Any]:
        """What ``Problem.meta`` has: the axes, the split, the group, and what names the structure."""
        return {
            **self.spec.params(),
            "split": self.origin.split,
            "group": self.group,
            "structure": f"{self.draft.structure:016x}",
        }

    def to_problem(self) -> Problem:
        """Return the problem with its annotated solution and its program."""
        return Problem(self.id, self.question, self.answer, self.solution, self.program, self.meta)

    def _worked(self, lines: list[str]) -> str:
        lines.append(f"#### {self.draft.answer}")
        text = "\n".join(lines)
        say = self.origin.say
        return say(text) if say else text


def story(shown: list[Row], ordinals: list[str]) -> str:
    """Return the sentences of a question, without what is asked."""
    sentences = []
    for entry, variant, words, _ in shown:
        tell = entry.tells[variant]
        sentences.append(tell.form % tell.pick(words))
    if ordinals:
        sentences = [f"{which}: {text}" for which, text in zip(ordinals, sentences, strict=True)]
    return " ".join(sentences)

r"""Solved problems in an index: those that are like a problem, and the steps that followed a like point.

    index = read_references("train.jsonl")
    index.next_steps(question, "He has 2 * 3 = 6.\n", k=2)

A problem under test must not be among them: see ``overlaps``.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from calculemus.errors import InvalidParameterError
from calculemus.params import digest
from calculemus.problem import Problem
from calculemus.problems import load
from calculemus.solving.retrieving import Retriever
from calculemus.solving.templates import Turn, read_template

ALIKE = 0.6
"""Similarity of words from which on two questions with the same numbers count as one."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True, slots=True)
class Reference:
    """A solved problem.

    Attributes:
        id: Its name.
        question: What is asked.
        steps: Of its solution, each with the end of its line, the last one with the answer.
        answer: The final answer.
        abstract: What it is about in general words, where somebody wrote that down.
    """

    id: str
    question: str
    steps: tuple[str, ...]
    answer: str = ""
    abstract: str = ""

    @property
    def turn(self) -> Turn:
        """What fills the places of a worked example."""
        return self.until(len(self.steps))

    def until(self, n_steps: int) -> Turn:
        """Return what fills the places of an example that has its first steps alone."""
        solution = "".join(self.steps[:n_steps]).rstrip("\n")
        return {"question": self.question, "solution": solution, "answer": self.answer}


@dataclass(frozen=True, slots=True)
class Entry:
    """A point in a reference solution, with the step that followed.

    Attributes:
        reference: Index of the solution.
        n_steps: How many steps it has up to there, at least 1.
    """

    reference: int
    n_steps: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """A problem under test that is among the references, or almost.

    Attributes:
        problem: Its id.
        reference: Id of the reference.
        index: Place of the reference in the index.
        likeness: 1 for the same words; from ``ALIKE`` on.
    """

    problem: str
    reference: str
    index: int
    likeness: float


class StepIndex:
    """Solved problems, searched by question and by point.

    An index of solutions has an entry for each of their steps but the last: the point behind it. What is
    returned is the step that follows, never the one that was matched.

    Args:
        references: The solved problems; those without steps are left out.
    """

    def __init__(self, references: Iterable[Reference]) -> None:
        self.references = tuple(reference for reference in references if reference.steps)
        self.entries = tuple(
            Entry(number, n)
            for number, reference in enumerate(self.references)
            for n in range(1, len(reference.steps))
        )

    @cached_property
    def digest(self) -> str:
        """Names the references by their content."""
        return digest([[r.id, r.question, list(r.steps), r.answer, r.abstract] for r in self.references])

    @cached_property
    def _points(self) -> Retriever:
        texts = [self.references[entry.reference] for entry in self.entries]
        return Retriever(
            [
                reference.question + "\n" + "".join(reference.steps[: entry.n_steps])
                for reference, entry in zip(texts, self.entries, strict=True)
            ]
        )

    @cached_property
    def _questions(self) -> Retriever:
        return Retriever([reference.question for reference in self.references])

    @cached_property
    def _abstracts(self) -> Retriever:
        return Retriever([reference.abstract or reference.question for reference in self.references])

    def similar(
        self, text: str, k: int, by_abstract: bool = False, leave_out: Collection[int] = ()
    ) -> list[Reference]:
        """Return the solved problems that are most like a text, the best first.

        Args:
            text: A question, or its abstract.
            k: How many at most.
            by_abstract: Compare with abstracts, where references have them, not with questions.
            leave_out: Indices of references that do not count.
        """
        retriever = self._abstracts if by_abstract else self._questions
        return [self.references[hit.index] for hit in retriever.rank(text, k, leave_out)]

    def next_steps(
        self, question: str, steps: str, k: int, leave_out: Collection[int] = ()
    ) -> list[tuple[Reference, int]]:
        """Return the points that are most like a partial solution, the best first.

        Each is a reference and how many of its steps lead up to what followed there, that one included.

        Args:
            question: Of the problem.
            steps: The partial solution.
            k: How many at most.
            leave_out: Indices of references that do not count.
        """
        out = [n for n, entry in enumerate(self.entries) if leave_out and entry.reference in leave_out]
        hits = self._points.rank(f"{question}\n{steps}", k, out)
        found = [self.entries[hit.index] for hit in hits]
        return [(self.references[entry.reference], entry.n_steps + 1) for entry in found]

    def overlaps(self, problems: Iterable[Problem]) -> Iterator[Overlap]:
        """Yield which problems are among the references: with the same numbers, and words that are alike.

        Numbers in words count as words, so that a paraphrase which spells them out is not found.
        """
        numbers = [Counter(_NUMBER.findall(reference.question)) for reference in self.references]
        for problem in problems:
            own = Counter(_NUMBER.findall(problem.question))
            same = [number for number, of_it in enumerate(numbers) if of_it == own]
            others = set(range(len(numbers))) - set(same)
            for hit in self._questions.rank(problem.question, leave_out=others) if same else ():
                if hit.score >= ALIKE:
                    yield Overlap(problem.id, self.references[hit.index].id, hit.index, hit.score)


def check_overlaps(index: StepIndex, problems: Iterable[Problem]) -> None:
    """Make sure that no problem under test is among the references.

    Raises:
        InvalidParameterError: Some are; it lists the pairs.
    """
    found = list(index.overlaps(problems))
    if found:
        shown = ", ".join(f"{pair.problem} = {pair.reference} ({pair.likeness:.2f})" for pair in found[:10])
        more = f", and {len(found) - 10} more" if len(found) > 10 else ""
        raise InvalidParameterError(
            f"retrieving from {len(index.references)} references: problems under test are among them: "
            f"{shown}{more}; expected none. Set leak=leave_out to search without them, or leak=allow"
        )


def to_reference(problem: Problem) -> Reference:
    """Return a solved problem as a reference; its steps are the lines of its solution.

    Where its solution does not end with the answer, a last step with it is added.
    """
    lines = [line for line in (problem.solution or "").splitlines() if line.strip()]
    if lines and "####" not in lines[-1]:
        lines.append(f"#### {problem.answer}")
    steps = tuple(f"{line}\n" for line in lines)
    return Reference(
        problem.id, problem.question, steps, problem.answer, str(problem.meta.get("abstract", ""))
    )


def read_references(name: str | None, prompt_set: str) -> StepIndex:
    """Return the index of a problem set, or by default of the worked examples of a prompt set.

    Args:
        name: A problem set with solutions, such as a file; one that has not changed is read once.
        prompt_set: Whose examples.

    Raises:
        ProblemError: There is no such set.
        InvalidParameterError: None of its problems has a solution.
    """
    if name is None:
        return _examples(prompt_set)
    path = Path(name)
    status = path.stat() if path.is_file() else None
    return _read(name, (status.st_mtime_ns, status.st_size) if status else None)


@lru_cache(maxsize=8)
def _read(name: str, changed: tuple[int, int] | None) -> StepIndex:
    del changed
    index = StepIndex(map(to_reference, load(name)))
    if not index.references:
        raise InvalidParameterError(
            f"reading references from '{name}': none of its problems has a solution; expected worked ones. "
            "Name a set with solutions, such as gsm8k:train"
        )
    return index


@lru_cache(maxsize=8)
def _examples(prompt_set: str) -> StepIndex:
    turns: Sequence[Turn] = read_template("cot", prompt_set).examples
    solved = [
        Problem(f"example {number}", str(turn["question"]), str(turn["answer"]), str(turn["solution"]))
        for number, turn in enumerate(turns, 1)
    ]
    return StepIndex(map(to_reference, solved))

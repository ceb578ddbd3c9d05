"""Find, for every record of a file, the problem it answers, and refuse what cannot be told apart."""

import difflib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from calculemus.errors import UnknownProblemsError
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.study.fields import Given, squeeze
from calculemus.study.formats import Entry
from calculemus.study.records import refuse

Key = tuple[str, int]

# Near ids are a courtesy: comparing with more than these would take seconds.
_NEAR_LIMIT = 3000
_EXAMPLES = 3


@dataclass
class Column:
    """One system's answers: how many there are, and what the file itself says of them."""

    n: int = 0
    flags: dict[str, dict[Key, bool]] = field(default_factory=lambda: defaultdict(dict))


@dataclass
class Joined:
    """A file's records beside a problem set.

    Attributes:
        places: For each record the id of its problem; None where it adds nothing.
        columns: The answers by system.
        unknown: For each record that names no problem of the set, its line and the name it gives.
        n_reworded: Records with an id of the set and another question than the set has.
    """

    places: list[str | None] = field(default_factory=list)
    columns: dict[str | None, Column] = field(default_factory=lambda: defaultdict(Column))
    unknown: list[tuple[int, str]] = field(default_factory=list)
    n_reworded: int = 0


class Joiner:
    """Builds a ``Joined`` from one record after the other."""

    def __init__(self, path: Path, problems: ProblemSet, repeats: bool) -> None:
        self._path = path
        self._problems = problems
        self._repeats = repeats
        self._by_question: dict[str, list[int]] = defaultdict(list)
        for index, problem in enumerate(problems):
            self._by_question[squeeze(problem.question)].append(index)
        self._lines: dict[tuple[str | None, str, int], int] = {}
        self._texts: dict[str, int] = {}

    def join(self, entries: Iterable[Entry]) -> Joined:
        """Place every record.

        Raises:
            RecordError: A problem is answered twice under one sample number, or a question stands for
                several problems.
        """
        joined = Joined()
        for index, entry in enumerate(entries):
            problem = self._problem(entry, index)
            if problem is None:
                shown = entry.id or (entry.question or f"doc_id {entry.position}")[:60]
                joined.unknown.append((entry.line, shown))
            elif self._take(entry, problem.id, joined):
                joined.n_reworded += entry.id == problem.id and _is_reworded(entry, problem)
                joined.places.append(problem.id)
                continue
            joined.places.append(None)
        return joined

    def _problem(self, entry: Entry, index: int) -> Problem | None:
        """Find the problem by id, else by question, else by a place that the record's texts confirm."""
        if entry.id in self._problems.by_id:
            return self._problems.by_id[entry.id]
        places = self._by_question.get(entry.question or "", [])
        if len(places) > 1:
            places = [place for place in places if place in (entry.position, index)]
            if len(places) != 1:
                self._refuse_ambiguous(entry)
        if not places and self._confirms(entry):
            places = [entry.position or 0]
        return self._problems[places[0]] if places else None

    def _confirms(self, entry: Entry) -> bool:
        """Say whether the question of the problem at the record's place stands in the record."""
        if entry.position is None or entry.position >= len(self._problems):
            return False
        question = squeeze(self._problems[entry.position].question)
        return any(question in squeeze(text) for text in entry.evidence)

    def _take(self, entry: Entry, problem_id: str, joined: Joined) -> bool:
        """Count the record's answers; return whether they are new, not the copy for another filter."""
        is_new = True
        for system, given in entry.given.items():
            column = joined.columns[system]
            is_new = self._is_new(entry, system, problem_id, given)
            column.n += len(given.solutions) if is_new else 0
            for label, flag in given.flags.items():
                column.flags[label].setdefault((problem_id, given.first), flag)
        return is_new

    def _is_new(self, entry: Entry, system: str | None, problem_id: str, given: Given) -> bool:
        if self._repeats:
            texts = hash(tuple(solution.answer for solution in given.solutions))
            if self._texts.setdefault(problem_id, texts) == texts and (system, problem_id, 0) in self._lines:
                return False
        for sample in range(given.first, given.first + len(given.solutions)):
            before = self._lines.setdefault((system, problem_id, sample), entry.line)
            if before != entry.line:
                self._refuse_duplicate(entry, system, problem_id, sample, before)
        return True

    def _refuse_duplicate(
        self, entry: Entry, system: str | None, problem_id: str, sample: int, before: int
    ) -> NoReturn:
        whose = f" of '{system}'" if system else ""
        refuse(
            self._path,
            entry.line,
            f"problem '{problem_id}' is answered again{whose}: line {before} has sample {sample} of it too",
            "one answer for each problem and sample",
            "If these are repeated tries, number them with a field 'sample' (0, 1, ...); else remove one.",
        )

    def _refuse_ambiguous(self, entry: Entry) -> NoReturn:
        refuse(
            self._path,
            entry.line,
            f"several problems of '{self._problems.name}' have the question {(entry.question or '')[:60]!r}",
            "a record that names one problem",
            "Give the records the ids of the set in a field 'id'.",
        )


def refuse_unknown(path: Path, joined: Joined, problems: ProblemSet) -> NoReturn:
    """Raise the error that names the records which the problem set does not know, and what is near.

    Raises:
        UnknownProblemsError: Always.
    """
    shown = []
    ids = [problem.id for problem in problems.problems[:_NEAR_LIMIT]]
    for line, name in joined.unknown[:_EXAMPLES]:
        near = difflib.get_close_matches(name, ids, n=1)
        shown.append(f"'{name}' on line {line}" + (f" (near: '{near[0]}')" if near else ""))
    more = ", ..." if len(joined.unknown) > _EXAMPLES else ""
    raise UnknownProblemsError(
        f"joining recorded solutions '{path}' with '{problems.name}': {len(joined.unknown)} of "
        f"{len(joined.places)} records name no problem of the set: {', '.join(shown)}{more}; expected an id "
        f"such as '{problems[0].id}', or the exact text of a question. Choose the set they belong to "
        "(--problems), correct them, or leave them out (--unknown skip)"
    )


def _is_reworded(entry: Entry, problem: Problem) -> bool:
    return entry.question is not None and entry.question != squeeze(problem.question)

"""Known wrong labels as records with evidence; they are applied only where a caller asks for it."""

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from calculemus.events import note
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet


@dataclass(frozen=True, slots=True)
class Correction:
    """What one label of a named set should be, and why.

    Attributes:
        set: The set's name.
        row: The row, from 0.
        question: How the row's question begins.
        label: The answer as the data set has it.
        corrected: The answer that is claimed.
        why: The reason, in a sentence.
        evidence: A chain of equal expressions from the question's figures to the right value.
        also: Other spellings of it.
    """

    set: str
    row: int
    question: str
    label: str
    corrected: str
    why: str
    evidence: str
    also: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The problem's id."""
        return f"{self.set}/{self.row}"

    def fits(self, problem: Problem) -> bool:
        """Say whether a problem is the one of this record, with the label that it had."""
        label = str(problem.meta.get("label", problem.answer))
        return problem.question.startswith(self.question) and label == self.label


def known(name: str) -> tuple[Correction, ...]:
    """Return the corrections of a set, by row."""
    return _records("correction", name)


def rejected(name: str) -> tuple[Correction, ...]:
    """Return the corrections that others apply to a set and that are wrong themselves."""
    return _records("rejected", name)


def apply(problems: ProblemSet) -> ProblemSet:
    """Return the set with its known wrong labels corrected.

    A corrected problem says so: ``meta['label']`` keeps the answer it had, ``meta['correction']`` the reason.
    A row that is not the one of the record is left as it is, with a note.
    """
    records = {record.id: record for record in known(problems.name)}
    corrected = tuple(
        _correct(problem, records[problem.id]) if problem.id in records else problem for problem in problems
    )
    return replace(problems, problems=corrected)


def _correct(problem: Problem, record: Correction) -> Problem:
    if not record.fits(problem):
        note(f"'{problem.id}' was not corrected: it is not the question and label of the correction record")
        return problem
    meta: dict[str, Any] = {**problem.meta, "label": record.label, "correction": record.why}
    if record.also:
        meta["answers"] = [*problem.meta.get("answers", ()), *record.also]
    return replace(problem, answer=record.corrected, meta=meta)


def _records(kind: str, name: str) -> tuple[Correction, ...]:
    return tuple(record for record in _all(kind) if record.set == name)


@cache
def _all(kind: str) -> tuple[Correction, ...]:
    text = files("calculemus.problems").joinpath("corrections.toml").read_text("utf-8")
    rows = tomllib.loads(text)[kind]
    return tuple(Correction(**{**row, "also": tuple(row.get("also", ()))}) for row in rows)

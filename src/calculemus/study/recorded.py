"""Recorded solutions as systems: ``recorded:FILE``, or one of a file's systems, ``recorded:FILE#FIELD``.

A file is read in passes and never held: one pass names its systems, one joins it with the problem set, and
one for each system yields the answers.
"""

import difflib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn, Self

from calculemus.errors import InvalidParameterError
from calculemus.events import track
from calculemus.problems.problemset import ProblemSet
from calculemus.study.formats import Entry, Format, Harness, Plain, detect
from calculemus.study.joining import Joined, Joiner, Key, refuse_unknown
from calculemus.study.records import content_digest, read_records, refuse
from calculemus.study.system import Answer

PREFIX = "recorded:"

Unknown = Literal["error", "skip"]


@dataclass(frozen=True)
class RecordedFile:
    """A file of recorded solutions.

    Attributes:
        path: Where it lies.
        digest: Names its content.
        format: Reads its records.
        systems: The systems it holds, in order of appearance; None where it does not name its only one.
    """

    path: Path
    digest: str
    format: Format
    systems: tuple[str | None, ...]
    _joined: dict[str, Joined] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, path: Path, name: str | None = None) -> Self:
        """Find out a file's format and systems.

        Args:
            path: The file.
            name: A system or, in plain rows, the field of the response; by default all systems are taken.

        Raises:
            RecordError: The file cannot be read, or has no system of this name.
        """
        digest = content_digest(path)
        first = next(read_records(path))[1]
        format = detect(path, first, name)
        records = track(read_records(path), f"reading {path.name}")
        systems = list(dict.fromkeys(system for _, record in records for system in format.systems(record)))
        if name is not None and not (isinstance(format, Plain) and name == format.column):
            if name not in systems:
                _refuse_name(path, name, systems)
            systems = [name]
        return cls(path, digest, format, tuple(systems))

    def entries(self, only: Container[str | None]) -> Iterator[Entry]:
        """Yield the records with the answers of the systems in ``only``."""
        for line, record in read_records(self.path):
            yield self.format.entry(line, record, only)

    def join(self, problems: ProblemSet) -> Joined:
        """Find the problem of every record; the last set's result is kept for the file's other systems."""
        if problems.digest not in self._joined:
            entries = track(self.entries(self.systems), f"joining {self.path.name}")
            joined = Joiner(self.path, problems, self.format.repeats).join(entries)
            self._joined.clear()
            self._joined[problems.digest] = joined
        return self._joined[problems.digest]


@dataclass(frozen=True)
class RecordedSystem:
    """One system of a file.

    Attributes:
        file: The file.
        key: The system's name in the file; None for an only one without a name.
        name: What tables call it.
        unknown: What to do with records that name no problem of the set: ``error``, or ``skip`` them.
        among: The whole set that records may name, where only a part of it is compared on.
    """

    file: RecordedFile
    key: str | None
    name: str
    unknown: Unknown = "error"
    among: ProblemSet | None = None

    def spec(self) -> Mapping[str, Any]:
        """Return what changes the answers: the file's content, the format, the system; not the path."""
        return {
            "kind": "recorded",
            "content": self.file.digest,
            "format": self.file.format.name,
            "field": self.key,
        }

    def answers(self, problems: ProblemSet, done: Container[Key]) -> Iterator[Answer]:
        """Yield the file's answers to ``problems`` that are not in ``done``, in the file's order.

        Raises:
            UnknownProblemsError: Records name problems that the set does not have (``unknown='error'``).
            RecordError: The file cannot be read, or answers a problem twice.
        """
        places = self._join(problems).places
        for place, entry in zip(places, self.file.entries({self.key}), strict=True):
            given = entry.given.get(self.key)
            if given is None or place is None or place not in problems.by_id:
                continue
            for sample, solution in enumerate(given.solutions, given.first):
                if (place, sample) not in done:
                    yield Answer(place, sample, solution)

    def authors_flags(self, problems: ProblemSet) -> Mapping[str, Mapping[Key, bool]]:
        """Return the file's own findings by what they are called, for each problem id and sample."""
        return {
            label: {key: flag for key, flag in flags.items() if key[0] in problems.by_id}
            for label, flags in self._join(problems).columns[self.key].flags.items()
        }

    def remarks(self, problems: ProblemSet) -> list[str]:
        """Return what a reader must know of the join: records left out, questions that differ."""
        joined = self._join(problems)
        whole = self.among or problems
        remarks = []
        if joined.unknown:
            line, name = joined.unknown[0]
            remarks.append(
                f"{self.file.path.name}: {len(joined.unknown)} of {len(joined.places)} records name no "
                f"problem of {whole.name} and were left out, for example '{name}' on line {line}"
            )
        if joined.n_reworded:
            remarks.append(
                f"{self.file.path.name}: {joined.n_reworded} records have an id of {whole.name} and another "
                "question than the set; they were joined by id"
            )
        return remarks

    def _join(self, problems: ProblemSet) -> Joined:
        whole = self.among or problems
        joined = self.file.join(whole)
        if joined.unknown and self.unknown == "error":
            refuse_unknown(self.file.path, joined, whole)
        return joined


def open_recorded(
    spec: str, unknown: Unknown = "error", among: ProblemSet | None = None
) -> list[RecordedSystem]:
    """Open the systems of ``recorded:FILE``, or the one of ``recorded:FILE#FIELD``.

    Args:
        spec: The file, and after '#' a system in it or, in plain rows, the field of the response.
        unknown: What to do with records that name no problem of the set.
        among: The whole set that records may name, where only a part of it is compared on.

    Raises:
        RecordError: The file cannot be read, or has no such field.
    """
    path, name = _split(spec)
    file = RecordedFile.read(path, name)
    default = name or _file_name(file)
    return [RecordedSystem(file, key, key or default, unknown, among) for key in file.systems]


def _split(spec: str) -> tuple[Path, str | None]:
    """Split ``recorded:FILE#FIELD``; file and field may hold a '#' where the file is there to tell."""
    if not spec.startswith(PREFIX) or spec == PREFIX:
        raise InvalidParameterError(
            f"opening recorded solutions: '{spec}' is not of the form {PREFIX}FILE or {PREFIX}FILE#FIELD"
        )
    text = spec.removeprefix(PREFIX)
    if Path(text).expanduser().exists():
        return Path(text).expanduser(), None
    parts = text.split("#")
    splits = [("#".join(parts[:n]), "#".join(parts[n:])) for n in range(1, len(parts) + 1)]
    file, name = next((split for split in splits if Path(split[0]).expanduser().exists()), splits[0])
    return Path(file).expanduser(), name or None


def _file_name(file: RecordedFile) -> str:
    """Name a file's only system: the harness keeps samples in a folder that is called after the model."""
    if isinstance(file.format, Harness) and file.path.name.startswith("samples_"):
        return file.path.resolve().parent.name
    return file.path.stem


def _refuse_name(path: Path, name: str, systems: list[str | None]) -> NoReturn:
    """Say which names there are instead."""
    known = [system for system in systems if system is not None]
    near = difflib.get_close_matches(name, known, n=1)
    shown = ", ".join(f"'{system}'" for system in known[:10]) + (", ..." if len(known) > 10 else "")
    refuse(
        path,
        None,
        f"there is no '{name}' in it",
        f"one of its systems: {shown}" if known else "no '#FIELD', or the name of the field of the response",
        f"Did you mean '#{near[0]}'?" if near else "Leave '#' and what follows out to take all.",
    )

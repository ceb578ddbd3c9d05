"""One door to problem sets: names, files and data sets of the Hugging Face Hub."""

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from calculemus.errors import InvalidParameterError, ProblemError
from calculemus.events import track
from calculemus.problem import Problem
from calculemus.problems import corrections, game24, hub, tabletop
from calculemus.problems.problemset import ProblemSet
from calculemus.problems.readers import READERS, Row, read_rows
from calculemus.problems.rows import Shape, to_problem

DATA_VARIABLE = "CALCULEMUS_DATA"
LANGUAGES = {
    "en": "English",
    "de": "German",
    "es": "Spanish",
    "fr": "French",
    "ru": "Russian",
    "zh": "Chinese",
    "ja": "Japanese",
    "th": "Thai",
    "sw": "Swahili",
    "bn": "Bengali",
    "te": "Telugu",
}


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A problem set that is known by name.

    Attributes:
        name: What ``load`` takes.
        what: One line for people.
        file: Its place in a local data folder.
        hub: Its place on the Hugging Face Hub.
        shape: What its rows look like.
    """

    name: str
    what: str
    file: str
    hub: hub.HubId
    shape: Shape


def _gsm8k(split: str) -> NamedSet:
    name = f"gsm8k:{split}"
    what = f"GSM8K, {split} split: grade-school word problems with annotated solutions"
    shape = Shape(name, numeric=True, annotated=True)
    return NamedSet(name, what, f"gsm8k/{split}.jsonl", hub.HubId("openai/gsm8k", "main", split), shape)


def _mgsm(code: str) -> NamedSet:
    name = f"mgsm:{code}"
    shape = Shape(name, numeric=True, meta={"language": code})
    what = f"MGSM: 250 test problems of GSM8K in {LANGUAGES[code]}"
    return NamedSet(name, what, f"mgsm/mgsm_{code}.tsv", hub.HubId("juletxara/mgsm", code, "test"), shape)


_GSM_HARD = NamedSet(
    "gsm_hard",
    "GSM-Hard: the test problems of GSM8K with large numbers, and programs",
    "gsm_hard/gsmhardv2.jsonl",
    hub.HubId("reasoning-machines/gsm-hard"),
    Shape("gsm_hard", numeric=True),
)

NAMED: dict[str, NamedSet] = {
    known.name: known for known in [_gsm8k("train"), _gsm8k("test"), *map(_mgsm, LANGUAGES), _GSM_HARD]
}
_SHORT = {"gsm8k": "gsm8k:test"}
_MADE = {"game24": game24.load, "tabletop": tabletop.load}


def load(
    name: str, data: Path | str | None = None, limit: int | None = None, *, corrected: bool = False
) -> ProblemSet:
    """Load a problem set.

    Args:
        name: A named set (``gsm8k:test``, ``gsm8k:train``, ``mgsm:de``, ``gsm_hard``; ``gsm8k`` is its test
            split), a file (.jsonl, .json, .tsv, .csv, .parquet), ``hub:ORG/NAME[:CONFIG][:SPLIT]``, or
            ``generated:level=2,n=200,split=iid,seed=0`` with any axis of ``generated.Spec``, or
            ``game24:n=100,seed=0``, or ``tabletop:n=100,steps=1``.
        data: The folder that named sets are read from; by default the environment variable CALCULEMUS_DATA.
            A set that is not in the folder is read from the Hugging Face Hub.
        limit: Read only this many problems, from the start.
        corrected: Replace known wrong labels by their corrections; ``meta['label']`` keeps the original.

    Raises:
        ProblemError: The set is unknown, missing, empty or malformed.
        MissingExtraError: Parquet or the hub are needed and not installed.
        InvalidParameterError: A limit below 1.
    """
    if limit is not None and limit < 1:
        raise InvalidParameterError(
            f"load: parameter 'limit' is {limit}; expected a whole number, at least 1"
        )
    name = _SHORT.get(name, name)
    made = _MADE.get(name.partition(":")[0])
    if made is not None:
        return made(name, limit)
    if name.startswith("generated:"):
        from calculemus.problems.generated.named import load_generated  # here: its tables take time to read

        return load_generated(name, limit)
    files, source, shape = _resolve(name, data)
    rows = islice(_rows(files), limit)
    problems: Iterator[Problem] = (to_problem(row, index, shape) for index, row in enumerate(rows))
    loaded = ProblemSet(name, tuple(track(problems, f"reading {name}", total=limit)), source)
    return corrections.apply(loaded) if corrected else loaded


def local_file(known: NamedSet, data: Path | str | None = None) -> Path | None:
    """Return where a named set stands in the local folder; None without a folder or without the file.

    Raises:
        ProblemError: The folder does not exist.
    """
    folder = data or os.environ.get(DATA_VARIABLE)
    if not folder:
        return None
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        given = "the folder given as data" if data else f"the folder named by {DATA_VARIABLE}"
        raise ProblemError(
            f"loading '{known.name}': {given}, '{folder}', does not exist; expected one with {known.file}. "
            "Correct the path, or leave it out to read from the Hugging Face Hub"
        )
    file = folder / known.file
    return file if file.exists() else None


def _resolve(name: str, data: Path | str | None) -> tuple[list[Path], str, Shape]:
    """Return the files of a set, where they come from, and what is known of their rows."""
    if name in NAMED:
        return _resolve_named(NAMED[name], data)
    if name.startswith("hub:"):
        files, source = hub.fetch(hub.HubId.parse(name.removeprefix("hub:")))
        return files, source, Shape(name.removeprefix("hub:"))
    path = Path(os.path.expanduser(name))
    if path.suffix.lower() in READERS or os.path.isfile(path):
        return [path], str(path), Shape(path.stem)
    raise _unknown(name)


def _resolve_named(known: NamedSet, data: Path | str | None) -> tuple[list[Path], str, Shape]:
    file = local_file(known, data)
    if file is not None:
        return [file], str(file), known.shape
    files, source = hub.fetch(
        known.hub, f"{known.file} is in no local folder (--data DIR or {DATA_VARIABLE})"
    )
    return files, source, known.shape


def _rows(files: list[Path]) -> Iterator[Row]:
    for file in files:
        yield from read_rows(file)


def _unknown(name: str) -> ProblemError:
    family = name.lower().partition(":")[0]
    near = [known for known in NAMED if known.startswith(family)]
    near = near or difflib.get_close_matches(name.lower(), NAMED, n=3, cutoff=0.5) or list(NAMED)
    return ProblemError(
        f"loading problems: there is no problem set '{name}'; the nearest known names are {', '.join(near)}. "
        f"Name one of these, a file ({', '.join(READERS)}), hub:ORG/NAME[:CONFIG][:SPLIT], "
        "game24:n=50 or generated:level=2"
    )

"""Writing the results of claims to a file: for machines, or for people."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calculemus.errors import OutputError
from calculemus.files import replacing

_TITLE = "# What the claims came to\n"
_HEAD = f"""\
{_TITLE}
Written by `calculemus claim`. Each claim is the central one of its paper, run small: a verdict is about this
experiment, not about the paper's. The difference is treatment minus baseline, paired, with its 95 % interval.

| method | compared | baseline | treatment | difference | n | verdict |
|---|---|---|---|---|---|---|
"""
_SCOPES = "\nWhat each experiment shows, and does not:\n\n"
_FIRST_ROW, _NEXT_ROW, _SCOPE = re.compile(r"\| `(\S+)` \|"), "|  |", re.compile(r"- `(\S+)`: ")


def write_results(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write results as JSON, or as a table where the file's name ends in ``.md``.

    Results of other methods that the file has already stay in it.

    Raises:
        OutputError: The file cannot be written, or what is in it are no such results.
    """
    text = _table(path, records) if path.suffix == ".md" else _json(path, records)
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def check_results(path: Path) -> None:
    """Refuse a file that has something else than results of claims in it.

    Raises:
        OutputError: It has.
    """
    if path.suffix == ".md":
        _read_table(path)
    else:
        _read_json(path)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise _no_results(path) from error


def _no_results(path: Path) -> OutputError:
    return OutputError(
        f"writing '{path}': there is something else in it; expected the results of claims, to which new ones "
        "are added, or no file. Name another file"
    )


def _read_json(path: Path) -> dict[str, Mapping[str, Any]]:
    text = _read(path)
    try:
        return {record["id"]: record for record in json.loads(text or "[]")}
    except (ValueError, TypeError, KeyError) as error:
        raise _no_results(path) from error


def _json(path: Path, records: Sequence[Mapping[str, Any]]) -> str:
    by_id = _read_json(path) | {record["id"]: record for record in records}
    return json.dumps([by_id[name] for name in sorted(by_id)], indent=1, sort_keys=True) + "\n"


def _read_table(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the rows of each method in a table that was written before, and its line below the table."""
    text = _read(path)
    if text and not text.startswith(_TITLE):
        raise _no_results(path)
    rows, scopes, name = dict[str, str](), dict[str, str](), ""
    for line in text.splitlines(keepends=True):
        if found := _FIRST_ROW.match(line):
            name = found[1]
            rows[name] = line
        elif name and line.startswith(_NEXT_ROW):
            rows[name] += line
        elif found := _SCOPE.match(line):
            scopes[found[1]] = line
    return rows, scopes


def _table(path: Path, records: Sequence[Mapping[str, Any]]) -> str:
    rows, scopes = _read_table(path)
    for record in records:
        rows[record["id"]] = _rows(record)
        scopes[record["id"]] = f"- `{record['id']}`: {record['shows']} Not shown: {record['does_not_show']}\n"
    last = ""
    if records:
        newest = records[-1]
        last = (
            f"\nLast run: calculemus {newest['version']}, {newest['machine']}, size {newest['size']}, "
            f"{newest['date']}.\n"
        )
    ordered = [[lines[name] for name in sorted(lines)] for lines in (rows, scopes)]
    return "".join([_HEAD, *ordered[0], _SCOPES, *ordered[1], last])


def _rows(record: Mapping[str, Any]) -> str:
    lines = []
    for place, effect in enumerate((*record["effects"], record["control"])):
        verdict = effect["verdict"] if place else f"**{record['verdict']}**"
        lines.append(
            f"| {'' if place else '`' + record['id'] + '`'} "
            f"| {_cell(effect['name'])} ({_cell(effect['metric'])}) "
            f"| {effect['baseline_figure']:.4g} | {effect['treatment_figure']:.4g} "
            f"| {effect['delta']:+.4g} [{effect['low']:+.4g}, {effect['high']:+.4g}] "
            f"| {effect['n']} | {verdict} |\n"
        )
    return "".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

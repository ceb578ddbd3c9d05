"""Writing the results of claims to a file: for machines, or for people."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calculemus.files import replacing

_HEAD = """\
# What the claims came to

Written by `make claims`. Each claim is the central one of its paper, run small: a verdict is about this
experiment, not about the paper's. The difference is treatment minus baseline, paired, with its 95 % interval.

| method | compared | baseline | treatment | difference | n | verdict |
|---|---|---|---|---|---|---|
"""


def write_results(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write results as JSON, or as a table where the file's name ends in ``.md``.

    Raises:
        OutputError: The file cannot be written.
    """
    text = _table(records) if path.suffix == ".md" else json.dumps(records, indent=1, sort_keys=True) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def _table(records: Sequence[Mapping[str, Any]]) -> str:
    lines = [_HEAD]
    for record in records:
        for place, effect in enumerate((*record["effects"], record["control"])):
            verdict = effect["verdict"] if place else f"**{record['verdict']}**"
            lines.append(
                f"| {'' if place else '`' + record['id'] + '`'} "
                f"| {_cell(effect['name'])} ({_cell(effect['metric'])}) "
                f"| {effect['baseline_figure']:.4g} | {effect['treatment_figure']:.4g} "
                f"| {effect['delta']:+.4g} [{effect['low']:+.4g}, {effect['high']:+.4g}] "
                f"| {effect['n']} | {verdict} |\n"
            )
    lines.append("\nWhat each experiment shows, and does not:\n\n")
    lines += [f"- `{r['id']}`: {r['shows']} Not shown: {r['does_not_show']}\n" for r in records]
    if records:
        last = records[-1]
        lines.append(
            f"\ncalculemus {last['version']}, {last['machine']}, size {last['size']}, {last['date']}.\n"
        )
    return "".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

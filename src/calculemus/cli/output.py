"""Results on stdout: tables for people, JSON for machines."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from calculemus.errors import OutputError

_PIPE_WIDTH = 200
_INDENT = "  "


def new_table(*columns: str, left: int = 1) -> Table:
    """Start a plain table; the first ``left`` columns are texts, the others figures."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    for index, column in enumerate(columns):
        if index < left:
            table.add_column(column, overflow="fold")
        else:
            table.add_column(column, justify="right", no_wrap=True)
    return table


def print_table(table: Table) -> None:
    """Print a table, as wide as the terminal; into a pipe, as wide as it needs."""
    _console().print(table)


def print_named_rows(
    heading: str, names: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Print a table of named rows; where a name has no room beside its figures, it stands above them.

    Args:
        heading: Of the names.
        names: One for each row.
        columns: Headings of the figures.
        rows: The figures.
    """
    console = _console()
    table = new_table(heading, *columns)
    for name, row in zip(names, rows, strict=True):
        table.add_row(name, *row)
    if Measurement.get(console, console.options, table).maximum < console.width:
        console.print(table)
    else:
        _print_stacked(console, heading.strip(), names, columns, rows)


def _print_stacked(
    console: Console,
    heading: str,
    names: Sequence[str],
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
) -> None:
    """Print every row's figures, indented, under its name; rich's tables have no rows that go across."""
    figures = new_table(*columns, left=0)
    for row in rows:
        figures.add_row(*row)
    inside = Console(width=console.width - len(_INDENT), markup=False, highlight=False)
    with inside.capture() as captured:
        inside.print(figures)
    lines = [f"{_INDENT}{line}".rstrip() for line in captured.get().splitlines()]
    head, body = lines[: -len(rows)], lines[-len(rows) :]
    console.print("\n".join([heading, *head]))
    for name, line in zip(names, body, strict=True):
        console.print(name, overflow="fold")
        console.print(line)


def print_text(text: str) -> None:
    """Print a paragraph, broken between words on a terminal and in one line into a pipe."""
    _console().print(text, soft_wrap=_is_piped())


def _is_piped() -> bool:
    return not sys.stdout.isatty() and "COLUMNS" not in os.environ


def _console() -> Console:
    width = _PIPE_WIDTH if _is_piped() else None
    return Console(file=sys.stdout, width=width, markup=False, highlight=False)


def check_place(path: Path, what: str) -> None:
    """Refuse a file that could not be written, before the work that is to fill it.

    Raises:
        OutputError: There is no such folder, or a folder of that name.
    """
    if not path.parent.is_dir() or path.is_dir():
        found = "it is a folder" if path.is_dir() else f"there is no folder '{path.parent}'"
        raise OutputError(
            f"{what}: cannot write '{path}': {found}; expected a file in a folder that exists. Give another "
            "path, or make the folder"
        )


def print_json(value: Any) -> None:
    """Print plain lists and dictionaries as JSON; in ASCII where the terminal knows no more."""
    is_ascii = not (sys.stdout.encoding or "").lower().startswith("utf")
    json.dump(value, sys.stdout, indent=2, ensure_ascii=is_ascii, allow_nan=False)
    sys.stdout.write("\n")

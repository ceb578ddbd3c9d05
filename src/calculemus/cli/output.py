"""Results on stdout: tables for people, JSON for machines."""

import json
import os
import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

_PIPE_WIDTH = 200


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


def print_text(text: str) -> None:
    """Print a paragraph, broken between words on a terminal and in one line into a pipe."""
    _console().print(text, soft_wrap=_is_piped())


def _is_piped() -> bool:
    return not sys.stdout.isatty() and "COLUMNS" not in os.environ


def _console() -> Console:
    width = _PIPE_WIDTH if _is_piped() else None
    return Console(file=sys.stdout, width=width, markup=False, highlight=False)


def print_json(value: Any) -> None:
    """Print plain lists and dictionaries as JSON; in ASCII where the terminal knows no more."""
    is_ascii = not (sys.stdout.encoding or "").lower().startswith("utf")
    json.dump(value, sys.stdout, indent=2, ensure_ascii=is_ascii, allow_nan=False)
    sys.stdout.write("\n")

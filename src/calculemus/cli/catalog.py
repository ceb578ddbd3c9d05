"""Commands that read the catalog: ``list``, and ``show`` for a method."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.table import Table

from calculemus.card import ROOMS
from calculemus.catalog import Catalog, read_catalog
from calculemus.claims.status import STATUSES, Entry, entries
from calculemus.cli.output import new_table, print_json, print_table, print_text
from calculemus.errors import InvalidParameterError
from calculemus.named import suggest

Json = Annotated[bool, Parameter(name="--json")]
Folders = Annotated[
    tuple[Path, ...],
    Parameter(name="--path", help="A folder with cards of your own, or a card; may be given several times."),
]
_MOST = 5


def list_methods(
    *,
    room: str | None = None,
    status: str | None = None,
    paper: str | None = None,
    path: Folders = (),
    store: Path | None = None,
    as_json: Json = False,
) -> None:
    """List the methods: the systems of the literature and the baselines, with how far each has come.

    Args:
        room: Only the methods of one room.
        status: Only those of one status; 'built' stands for all that have code.
        paper: Only those of a preprint, by its number, for example 2211.10435.
        path: A folder with cards of your own, or a card.
        store: The results store; by default $CALCULEMUS_STORE, else one in the user's data folder.
        as_json: Print JSON.
    """
    _check_choice("room", room, tuple(ROOMS))
    _check_choice("status", status, STATUSES)
    catalog = read_catalog(*path)
    chosen = [
        entry
        for entry in entries(catalog, store)
        if room in (None, entry.card.room)
        and (status in (None, entry.status) or (status == "built" and entry.status != "planned"))
        and paper in (None, entry.card.arxiv)
    ]
    warn_of_faults(catalog)
    if as_json:
        print_json([entry.record() for entry in chosen])
        return
    print_entries(chosen)
    n_systems = sum(entry.card.is_system for entry in chosen)
    n_built = sum(entry.status != "planned" for entry in chosen)
    n_others = len(chosen) - n_systems
    counted = (
        f"{n} {what}{'' if n == 1 else 's'}" for n, what in ((n_systems, "system"), (n_others, "baseline"))
    )
    print_text(f"{' and '.join(counted)}; {n_built} built")


def _check_choice(name: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise InvalidParameterError(
            f"listing methods: there is no {name} '{value}'; {suggest(value, choices)}expected one of "
            f"{', '.join(choices)}"
        )


def print_entries(chosen: list[Entry]) -> None:
    """Print a line for each method."""
    table = new_table("id", "room", "status", "date", "title", left=5)
    for entry in chosen:
        card = entry.card
        table.add_row(card.id, card.room, entry.status, card.date, card.title)
    print_table(table)


def warn_of_faults(catalog: Catalog) -> None:
    """Say on stderr which cards could not be read."""
    for fault in catalog.faults[:_MOST]:
        print(f"note: {fault}", file=sys.stderr)
    if len(catalog.faults) > _MOST:
        print(f"note: {len(catalog.faults) - _MOST} more cards cannot be read", file=sys.stderr)


def show_method(entry: Entry, similar: list[str], as_json: bool) -> None:
    """Print all that is known of one method."""
    if as_json:
        print_json(entry.full_record(similar))
        return
    card, result = entry.card, entry.result
    arxiv = "number unknown" if card.arxiv == "unknown" else f"arXiv:{card.arxiv}"
    authors = f", {card.authors} authors" if card.authors else ""
    print_text(f"{card.title}\n{arxiv}, {card.date}{authors}\n")
    print_text(card.summary + "\n")
    rows = {
        "id": card.id + (f" (also {', '.join(card.aliases)})" if card.aliases else ""),
        "room": f"{card.room}: {ROOMS[card.room]}",
        "interface": card.interface,
        "status": entry.status,
        "tags": ", ".join(card.tags) or "none",
        "claim": card.claim.text,
        "held against": card.claim.baseline,
        "metric": f"{card.claim.metric}, {card.claim.direction}",
        "reported": card.claim.reported or "nothing",
        "measured": _measured(result),
        "a small run shows": card.scope.shows,
        "it does not show": card.scope.does_not_show,
        "not established": card.scope.not_established or "nothing noted",
        **{f"differs: {what.replace('_', ' ')}": how for what, how in card.differs.items()},
        "similar": ", ".join(similar),
        **{name: str(path or "none yet") for name, path in entry.paths().items()},
    }
    _print_pairs(rows)


def _print_pairs(rows: Mapping[str, str]) -> None:
    """Print names and what belongs to them, in two columns."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows.items():
        table.add_row(name, text)
    print_table(table)


def _measured(result: Any) -> str:
    if result is None:
        return "not yet: calculemus claim ID runs it"
    effect = result["effects"][0]
    return (
        f"{result['verdict']}: {effect['treatment']} {effect['treatment_figure']:.4g} against "
        f"{effect['baseline']} {effect['baseline_figure']:.4g}, difference {effect['delta']:+.4g} "
        f"[{effect['low']:+.4g}, {effect['high']:+.4g}] (n={effect['n']}, {result['model']}, "
        f"{result['size']}, {result['version']}, {result['date']})"
    )

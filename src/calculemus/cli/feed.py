"""``calculemus feed``: read a page of the paper feed, and plan cards for what is new on it."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from calculemus.feed import Import, Match

app = App(name="feed", help="Read a page of the paper feed, and plan cards for what is new on it.")


@app.command(name="import")
def import_feed(
    page: Path,
    /,
    *,
    saved: date | None = None,
    cards: Path | None = None,
    dry_run: bool = False,
    store: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Say which papers of a feed page the catalog covers, and add the others as planned cards.

    Args:
        page: A page of daily papers, saved from a browser as text or as HTML.
        saved: The day the page was saved, as 2025-11-20: it leaves out the year of dates of its own year. By
            default today.
        cards: The folder for new cards; by default that of your own cards.
        dry_run: Write no cards.
        store: The results store, for how far methods have come; by default as for 'list'.
        as_json: Print JSON.
    """
    from calculemus.claims.status import entries  # here and below, so that --help stays fast
    from calculemus.cli.catalog import warn_of_faults
    from calculemus.cli.output import print_json
    from calculemus.feed import import_page

    imported = import_page(page, cards, is_dry=dry_run, today=saved)
    statuses = {entry.card.id: entry.status for entry in entries(imported.known, store)}
    warn_of_faults(imported.known)
    if as_json:
        print_json(_record(imported, statuses, dry_run))
    else:
        _print(imported, statuses, dry_run)


def _record(imported: "Import", statuses: dict[str, str], is_dry: bool) -> dict[str, Any]:
    """Return what came of it as JSON-like data."""
    new = zip(imported.found("new"), imported.planned, strict=True)
    return {
        "page_date": imported.page.date,
        "n_entries": len(imported.matches),
        "covered": [_covered(match, statuses) for match in imported.found("arxiv", "title")],
        "probably_covered": [_covered(match, statuses) for match in imported.found("probably")],
        "new": [
            {
                "title": card.title,
                "id": card.id,
                "room": card.room,
                "interface": card.interface,
                "date": match.entry.date,
                "arxiv": match.entry.arxiv,
                "path": str(card.path),
            }
            for match, card in new
        ],
        "is_written": not is_dry,
    }


def _covered(match: "Match", statuses: dict[str, str]) -> dict[str, Any]:
    assert match.card is not None  # by how it was found
    return {
        "title": match.entry.title,
        "id": match.card.id,
        "status": statuses[match.card.id],
        "card_title": match.card.title,
        "how": match.how,
        "likeness": match.likeness,
    }


def _print(imported: "Import", statuses: dict[str, str], is_dry: bool) -> None:
    from calculemus.cli.output import new_table, print_table, print_text

    covered, near = imported.found("arxiv", "title"), imported.found("probably")
    if covered:
        table = new_table("covered", "status", "paper", left=3)
        for row in (_covered(match, statuses) for match in covered):
            table.add_row(row["id"], row["status"], row["title"])
        print_table(table)
        print()
    if near:
        table = new_table("probably", "status", "paper", "title of the card", "likeness", left=4)
        for row in (_covered(match, statuses) for match in near):
            table.add_row(row["id"], row["status"], row["title"], row["card_title"], f"{row['likeness']:.2f}")
        print_table(table)
        print()
    if imported.planned:
        table = new_table("new", "room (a guess)", "paper", left=3)
        for card in imported.planned:
            table.add_row(card.id, card.room, card.title)
        print_table(table)
        print()
    n_new = len(imported.planned)
    print_text(
        f"{len(imported.matches)} papers on the page of {imported.page.date}: {len(covered)} covered, "
        f"{len(near)} probably covered, {n_new} new"
    )
    if n_new:
        does = "A planned card would be written" if is_dry else "A planned card was written"
        print_text(f"{does} for each new one, in {imported.planned[0].path.parent}")

"""``show``: a method of the catalog, or a run of the store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from calculemus.card import Card
from calculemus.catalog import Catalog, read_catalog
from calculemus.claims.status import entries
from calculemus.cli import runs
from calculemus.cli.catalog import Folders, show_method, warn_of_faults
from calculemus.errors import StoreError
from calculemus.named import suggest


def show(
    name: str,
    *,
    problem: str | None = None,
    start: runs.Start = 0,
    limit: runs.Count = 20,
    grader: str | None = None,
    store: Path | None = None,
    path: Folders = (),
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Show one method: its card, claim and files; or one run: what it was, how it did, a page of its rows.

    Args:
        name: Id of a method, as 'calculemus list' has it; or a run's name, or the start of its key.
        problem: The id of a run's problem to show in full, with every sample and every grader's verdict.
        start: Rows of a run to pass over.
        limit: Rows of a run to show at most.
        grader: Whose verdicts to show in the rows: NAME or NAME@VERSION; 'default' if not given.
        store: The results store; by default $CALCULEMUS_STORE, else one in the user's data folder.
        path: A folder with cards of your own, or a card.
        as_json: Print JSON.
    """
    catalog = read_catalog(*path)
    card = catalog.find(name)
    if card is None:
        known = [card.id for card in catalog]
        with _naming_methods(name, known):
            runs.show(
                name,
                problem=problem,
                start=start,
                limit=limit,
                grader=grader,
                store=store,
                as_json=as_json,
            )
        return
    warn_of_faults(catalog)
    _show_card(card, catalog, store, as_json)


@contextmanager
def _naming_methods(name: str, known: list[str]) -> Iterator[None]:
    """Add to the error about a run that is not there the methods of nearly that name."""
    try:
        yield
    except StoreError as error:
        hint = suggest(name, known)
        if not hint:
            raise
        raise StoreError(f"{error}. Of methods, {hint.strip()}") from error


def _show_card(card: Card, catalog: Catalog, store: Path | None, as_json: bool) -> None:
    from calculemus.search import SearchIndex

    everything = list(entries(catalog, store))
    (entry,) = (entry for entry in everything if entry.card.id == card.id)
    similar = [hit.entry.card.id for hit in SearchIndex(everything).similar(card.id)]
    show_method(entry, similar, as_json)

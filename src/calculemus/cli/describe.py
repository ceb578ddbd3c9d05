"""``describe``: what solvers are made of, and which of them are settings of the blueprint."""

from typing import Annotated

from cyclopts import Parameter

from calculemus.catalog import load
from calculemus.cli.catalog import Folders
from calculemus.cli.output import new_table, print_json, print_table, print_text
from calculemus.errors import InvalidParameterError
from calculemus.named import suggest

_PARTS = ("structure", "strategy", "operators", "scorers")


def describe(
    name: str | None = None,
    *,
    path: Folders = (),
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Say what a solver is made of: structure, strategy, operators, scorers; of the blueprint, its cases too.

    Args:
        name: Id of a solver, as 'calculemus list' has it; all that are built if not given.
        path: A folder with cards of your own, or a card.
        as_json: Print JSON.
    """
    rows = schemes(name, path)
    cases = _cases() if name == "blueprint" else []
    if as_json:
        print_json({"solvers": rows, "cases": cases} if cases else rows)
        return
    _print_rows("solver", rows)
    if cases:
        print_text("\nKnown methods as its settings:")
        _print_rows("case", cases)
        for case in cases:
            print_text(f"\n{case['case']} ({case['method']}): {case['settings']}")
            if case["differs"]:
                print_text(f"  differs: {case['differs']}")


def schemes(name: str | None, path: Folders) -> list[dict[str, str]]:
    """Return for one solver, or for all that are built, what it is made of.

    Raises:
        InvalidParameterError: There is no such solver.
    """
    from calculemus.solving import list_solvers

    cards = {card.id: card for card in list_solvers(*path)}
    if name is not None and name not in cards:
        raise InvalidParameterError(
            f"describing a solver: there is no '{name}'; {suggest(name, cards)}expected one of "
            f"{', '.join(cards)}"
        )
    rows: list[dict[str, str]] = []
    for card in cards.values() if name is None else (cards[name],):
        scheme = getattr(load(card), "scheme", None)
        own = ["not said"] * len(_PARTS)
        if scheme is not None:
            operators, scorers = " ".join(scheme.operators), " ".join(scheme.scorers)
            own = [scheme.structure, scheme.strategy, operators, scorers or "none"]
        rows.append({"solver": card.id, **dict(zip(_PARTS, own, strict=True))})
    return rows


def _cases() -> list[dict[str, str]]:
    from calculemus.solving.blueprint_cases import special_cases

    return special_cases()


def _print_rows(first: str, rows: list[dict[str, str]]) -> None:
    names = (first, *_PARTS)
    table = new_table(*names, left=len(names))
    for row in rows:
        table.add_row(*(row[name] for name in names))
    print_table(table)

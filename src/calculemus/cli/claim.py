"""``claim``: run the central claims of methods, print what came of them, and keep it."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from calculemus.card import Card
from calculemus.catalog import Catalog, claim_path, read_catalog
from calculemus.claim import Size
from calculemus.cli.catalog import Folders, warn_of_faults
from calculemus.cli.output import new_table, print_json, print_table, print_text
from calculemus.errors import InvalidParameterError
from calculemus.store import Store, default_store_path


def claim(
    *ids: str,
    every: Annotated[bool, Parameter(name="--all")] = False,
    size: Size = "small",
    seeds: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    model: str = "tiny",
    problems: str | None = None,
    data: Path | None = None,
    path: Folders = (),
    store: Path | None = None,
    out: tuple[Path, ...] = (),
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Run the central claims of methods: baseline, treatment, paired effect, verdict, cost, control.

    Args:
        ids: Methods, as 'calculemus list' has them.
        every: Run the claims of all methods that have one.
        size: 'smoke' takes seconds, 'small' minutes, 'real' runs on --model and --problems.
        seeds: How many seeds each arm is run with, from 0.
        model: What solvers run on: 'tiny', a folder or hub id of a Hugging Face model, or an endpoint.
        problems: A problem set, for the size 'real'.
        data: The folder of named sets; by default CALCULEMUS_DATA, then the hub.
        path: A folder with cards of your own, or a card.
        store: The results store; by default $CALCULEMUS_STORE, else one in the user's data folder.
        out: A file to write the results to as JSON; with the ending .md, as a table for people. What it has
            of other methods stays. May be given several times.
        as_json: Print JSON.
    """
    from calculemus.claims.lab import StudyLab
    from calculemus.claims.result import result_record
    from calculemus.claims.run import run_claim
    from calculemus.claims.writing import check_results, write_results

    for file in out:
        check_results(file)
    catalog = read_catalog(*path)
    chosen = _chosen(catalog, ids, every)
    warn_of_faults(catalog)
    records: list[dict[str, Any]] = []
    with (
        Store.open(store or default_store_path()) as opened,
        StudyLab(opened, size, tuple(range(seeds)), model, problems, data, folders=path) as lab,
    ):
        for card in chosen:
            record = result_record(run_claim(card, lab))
            opened.add_claim(card.id, record)
            records.append(record)
            if not as_json:
                print_claim(record)
    for file in out:
        write_results(file, records)
    if as_json:
        print_json(records)


def _chosen(catalog: Catalog, ids: tuple[str, ...], every: bool) -> list[Card]:
    with_claims = [card for card in catalog if claim_path(card) is not None]
    if every and not ids:
        return with_claims
    if every or not ids:
        raise InvalidParameterError(
            f"running claims: {'both ids and --all are' if every else 'no method is'} given; expected ids, "
            f"or --all. Methods with claims: {', '.join(card.id for card in with_claims)}"
        )
    return [catalog.get(name) for name in ids]


def print_claim(record: dict[str, Any]) -> None:
    """Print the result of one claim."""
    print_text(f"{record['id']}: {record['verdict'].upper()}")
    print_text(f"Claim: {record['claim']}")
    if record["reported"]:
        print_text(f"Reported: {record['reported']}")
    table = new_table("compared", "baseline", "treatment", "difference", "p", "n", "verdict")
    for effect in (*record["effects"], record["control"]):
        table.add_row(
            f"{effect['name']} ({effect['metric']})",
            f"{effect['baseline_figure']:.4g}",
            f"{effect['treatment_figure']:.4g}",
            f"{effect['delta']:+.4g} [{effect['low']:+.4g}, {effect['high']:+.4g}]",
            f"{effect['p_value']:.2g}",
            str(effect["n"]) + (f" x {effect['n_seeds']} seeds" if effect["n_seeds"] > 1 else ""),
            effect["verdict"],
        )
    print_table(table)
    for arm in ("baseline", "treatment"):
        effect = record["effects"][0]
        print_text(f"{effect[arm]}: {_cost(effect[f'{arm}_cost'])}")
    if record["control"]["verdict"] != "undecided":
        print_text("The control did not come out undecided: the experiment shows nothing.")
    print_text(f"Shows: {record['shows']}")
    print_text(f"Does not show: {record['does_not_show']}")
    seeds = f"{len(record['seeds'])} seed{'s' if len(record['seeds']) > 1 else ''}"
    print_text(
        f"{record['size']}, {seeds}, model {record['model']}, calculemus {record['version']}"
        f"{' at ' + record['commit'] if record['commit'] else ''}, {record['machine']}, {record['date']}\n"
    )


_SHOWN = {
    "tokens_in": "tokens in",
    "tokens_cached": "cached",
    "tokens_out": "out",
    "tokens_discarded": "discarded",
    "flops": "FLOPs",
    "seconds_engine": "s",
}


def _cost(cost: dict[str, float]) -> str:
    known = [f"{cost[name]:,.4g} {unit}" for name, unit in _SHOWN.items() if name in cost]
    return ", ".join(known) or "cost unknown"

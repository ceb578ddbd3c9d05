"""``calculemus mergebench``: every method of the catalog on experts of one base, in one table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from calculemus.cli.catalog import Folders

if TYPE_CHECKING:
    from calculemus.merging.bench_panel import Panel
    from calculemus.merging.mergebench import Row, Skipped


def mergebench(
    *,
    experts: Literal["tiny", "arith", "digits"] = "tiny",
    base: str | None = None,
    model: tuple[str, ...] = (),
    tasks: tuple[str, ...] = (),
    ability: tuple[str, ...] = (),
    data: Path | None = None,
    limit: Annotated[int | None, Parameter(validator=Number(gte=2))] = None,
    method: tuple[str, ...] = (),
    data_free: bool = False,
    seed: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    out: Path | None = None,
    again: Path | None = None,
    path: Folders = (),
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Measure merging methods: accuracy relative to the experts, forgetting, seconds, memory, bytes.

    Args:
        experts: Models made here, which are trained when they are first asked for: 'tiny' from the model that
            ships, 'arith' on sums, 'digits' on images.
        base: In their place, a model of your own: a folder, or a hub id in the local cache.
        model: An expert made from it. Given once for each expert.
        tasks: The problem set of each expert, in their order.
        ability: A problem set of what the base can do and a merge may forget.
        data: The folder of named problem sets; by default CALCULEMUS_DATA, then the hub.
        limit: Problems of each set.
        method: A method with settings, as in ties:density=0.5; by default all that can run.
        data_free: Leave out methods that look at data; some of them train for minutes.
        seed: Of the methods' draws.
        out: Write a manifest here: settings, hashes of models and problems, and all rows.
        again: Measure what this manifest has once more, and say which rows differ.
        path: A folder with cards of your own methods, or a card.
        as_json: Print JSON.
    """
    from calculemus.cli.output import check_place, print_json
    from calculemus.merging.bench_manifest import manifest, save_manifest
    from calculemus.merging.bench_panel import checkpoint_panel, panel_from
    from calculemus.merging.mergebench import MergeBench

    if again is not None:
        _print_again(again, path, as_json)
        return
    if out is not None:
        check_place(out, "benching merges")
    if base is None:
        panel = panel_from(_SOURCES[experts])
    else:
        panel = checkpoint_panel(base, model, tasks, ability, str(data) if data else None, limit)
    bench = MergeBench(methods=method, is_data_free=data_free, seed=seed)
    rows = list(bench.rows(panel, *path))
    found = manifest(bench, panel, rows) if out is not None or as_json else {}
    if out is not None:
        save_manifest(out, found)
    if as_json:
        print_json(found)
    else:
        print_rows(panel, rows)


_SOURCES = {
    "tiny": {"kind": "tiny", "dev": 20, "test": 60},
    "arith": {"kind": "arith", "recipe": {}},
    "digits": {"kind": "digits", "recipe": {}},
}


def print_rows(panel: "Panel", rows: "list[Row | Skipped]") -> None:
    """Print the table, and below it what could not run."""
    from calculemus.cli.output import new_table, print_table, print_text
    from calculemus.merging.mergebench import Skipped

    measured = [row for row in rows if not isinstance(row, Skipped)]
    names = [task.name for task in panel.tasks]
    table = new_table(
        "model", *names, "relative, %", "forgotten, points", "s", "peak MB", "MB read", "written"
    )
    for row in measured:
        table.add_row(*_cells(row, names))
    print_table(table)
    n = measured[0].normalised.n_problems
    print_text(
        f"\nAccuracies in %, on {n:,} problems of {len(names)} tasks. relative: the mean over tasks of "
        "accuracy over that of the task's expert, with its 95 % interval by the bootstrap over problems. "
        "forgotten: what the base's abilities lost. s: wall-clock with tuning. peak MB: memory above what "
        "there was before the merge."
    )
    for row in measured:
        if row.method not in ("", row.name):
            print_text(f"{row.name}: {row.method}")
    for row in rows:
        if isinstance(row, Skipped):
            print_text(f"not run: {row.name}: {row.reason}")


def _cells(row: "Row", names: list[str]) -> list[str]:
    share, lost, cost = row.normalised, row.forgetting, row.cost
    forgotten = "" if lost is None else f"{_points(lost.delta)} [{_points(lost.low)}, {_points(lost.high)}]"
    return [
        row.name,
        *(f"{100 * row.accuracies[name]:.1f}" for name in names),
        f"{100 * share.value:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]",
        forgotten,
        "" if cost.seconds_engine is None else f"{cost.seconds_engine:.2f}",
        *(
            "" if n is None else f"{n / 1e6:.1f}"
            for n in (cost.peak_bytes, cost.bytes_read, cost.bytes_written)
        ),
    ]


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _print_again(path: Path, folders: tuple[Path, ...], as_json: bool) -> None:
    """Print for each row of a manifest whether it came out as before."""
    from calculemus.cli.output import print_json, print_text
    from calculemus.merging.bench_manifest import again, read_manifest, row_record

    found = list(again(read_manifest(path), *folders))
    if as_json:
        print_json([{"same": one.is_same, "was": one.was, "now": row_record(one.row)} for one in found])
        return
    for one in found:
        print_text(f"{'same ' if one.is_same else 'OTHER'}  {one.row.name}")
    n_other = sum(not one.is_same for one in found)
    print_text(f"{len(found) - n_other} of {len(found)} rows are what they were")

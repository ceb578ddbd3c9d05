"""Commands that read a store: ``runs``, ``show``, ``diff``, ``regrade`` and ``export``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from calculemus.cli import run_text
from calculemus.cli.output import print_json
from calculemus.store import Overview, Run, Store, default_store_path
from calculemus.study import run_records

Json = Annotated[bool, Parameter(name="--json")]
Count = Annotated[int, Parameter(validator=Number(gte=1))]
Start = Annotated[int, Parameter(validator=Number(gte=0))]


def _open(store: Path | None, readonly: bool = True) -> Store:
    return Store.open(store or default_store_path(), create=False, readonly=readonly)


def _overview(store: Store, run: Run) -> Overview:
    return Overview(run, {grader: store.summary(run, grader) for grader in store.graders(run)})


def runs(*, store: Path | None = None, limit: Count = 20, as_json: Json = False) -> None:
    """List the runs of a store, newest first, with the accuracy that each grader gives.

    Args:
        store: The results store; by default $CALCULEMUS_STORE, else one in the user's data folder.
        limit: Runs to list at most.
        as_json: Print JSON.
    """
    with _open(store) as opened:
        overviews = opened.overview(limit)
    if as_json:
        print_json([run_records.overview_record(overview) for overview in overviews])
    else:
        run_text.print_runs(overviews)


def show(
    run: str,
    *,
    problem: str | None = None,
    start: Start = 0,
    limit: Count = 20,
    grader: str | None = None,
    store: Path | None = None,
    as_json: Json = False,
) -> None:
    """Show one run: what it was, how it did, and a page of its rows; or one problem in full.

    Args:
        run: Its name, or the start of its key.
        problem: The id of a problem to show in full, with every sample and every grader's verdict.
        start: Rows to pass over.
        limit: Rows to show at most.
        grader: Whose verdicts to show in the rows: NAME or NAME@VERSION; 'default' if not given.
        store: The results store; by default $CALCULEMUS_STORE, else one in the user's data folder.
        as_json: Print JSON.
    """
    from calculemus.study.choose import choose_grader

    with _open(store) as opened:
        found = opened.find(run)
        overview = _overview(opened, found)
        if problem is not None:
            record = run_records.problem_record(opened, overview, problem)
            print_json(record) if as_json else run_text.print_problem(record)
            return
        chosen = choose_grader(list(overview.tallies), grader, f"showing the run {found.key[:12]}")
        record = run_records.run_record(opened, overview, chosen, start, limit)
    if as_json:
        print_json(record)
    else:
        run_text.print_run(overview, record)


def diff(
    a: str, b: str, *, grader: str | None = None, store: Path | None = None, as_json: Json = False
) -> None:
    """Say what differs between two runs: prompts, samplers, files, versions, problems, outcomes.

    Args:
        a: Name of the first run, or the start of its key.
        b: Name of the second, or the start of its key.
        grader: Whose verdicts to compare: NAME or NAME@VERSION; 'default' if not given.
        store: The results store; by default $CALCULEMUS_STORE, else one in the user's data folder.
        as_json: Print JSON.
    """
    from calculemus.study.diff import diff_runs

    with _open(store) as opened:
        found = diff_runs(opened, opened.find(a), opened.find(b), grader)
    if as_json:
        print_json(found.to_json())
    else:
        run_text.print_diff(found)


def regrade(run: str, *, grader: str, store: Path | None = None, as_json: Json = False) -> None:
    """Grade a stored run with a grader, without asking the system again.

    Verdicts of other graders, and of other versions of this one, stay beside the new ones.

    Args:
        run: Its name, or the start of its key.
        grader: The grader's profile, for example 'gsm8k_strict'.
        store: The results store; by default $CALCULEMUS_STORE, else one in the user's data folder.
        as_json: Print JSON.
    """
    from calculemus.grading import get_grader
    from calculemus.study.run import grade

    profile = get_grader(grader)
    with _open(store, readonly=False) as opened:
        found = opened.find(run)
        grade(opened, found, profile)
        overview = _overview(opened, found)
    if as_json:
        print_json(run_records.overview_record(overview))
    else:
        run_text.print_graders(overview)


def export(run: list[str], *, out: Path, grader: str | None = None, store: Path | None = None) -> None:
    """Write the rows of runs to a file: JSON Lines, CSV or Parquet, by its ending.

    Args:
        run: Names of runs, or starts of their keys.
        out: The file, ending in .jsonl, .csv or .parquet.
        grader: Whose verdicts to write: NAME or NAME@VERSION; 'default' if not given.
        store: The results store; by default $CALCULEMUS_STORE, else one in the user's data folder.
    """
    from calculemus.study.export import export_runs

    with _open(store) as opened:
        found = [opened.find(name) for name in run]
        export_runs(opened, found, out, grader)
    print(f"wrote {sum(each.n_answers for each in found)} rows of {len(found)} runs to {out}")

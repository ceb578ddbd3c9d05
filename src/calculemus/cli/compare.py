"""``calculemus compare``: which of these systems is better on these problems, at what cost, how surely."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from calculemus.cli.compare_text import print_comparison
from calculemus.cli.live import NO_BUDGET_FLAGS, NO_MODEL_FLAGS, BudgetFlags, ModelFlags
from calculemus.cli.output import check_place, print_json
from calculemus.events import note
from calculemus.grading import get_grader
from calculemus.grading.base import Grader
from calculemus.problems import ProblemSet, load
from calculemus.store import Store, default_store_path
from calculemus.study.compare import Missing
from calculemus.study.compare import compare as compare_systems
from calculemus.study.recorded import Unknown
from calculemus.study.system import System
from calculemus.study.systems import Live, open_systems
from calculemus.study.views import problem_views


def compare(
    *systems: str,
    problems: str,
    data: Path | None = None,
    corrected: bool = False,
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    grader: str = "default",
    baseline: str | None = None,
    missing: Missing = "common",
    unknown: Unknown = "error",
    store: Path | None = None,
    model: str | None = None,
    samples: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    dry_run: bool = False,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
    report: Path | None = None,
    models: ModelFlags = NO_MODEL_FLAGS,
    budget: BudgetFlags = NO_BUDGET_FLAGS,
) -> None:
    """Compare systems on one problem set, in pairs.

    Args:
        systems: SOLVER@MODEL: a method, with parameters if any, on a model (cot@tiny, vote:n=8@FOLDER,
            pal@http://HOST/v1#MODEL); recorded:FILE for all systems of a file of recorded solutions,
            recorded:FILE#FIELD for one.
        problems: The problem set: generated:level=2,n=200, gsm8k:test, mgsm:de, gsm_hard, a file, or
            hub:ORG/NAME.
        data: The folder of named sets; by default CALCULEMUS_DATA, then the hub.
        corrected: Grade against corrected answers where labels are known to be wrong.
        limit: Compare on this many problems from the start of the set.
        grader: The profile that grades.
        baseline: The system that the others are compared with; by default the first.
        missing: Problems that a system did not answer: leave them out for all, or count them as wrong.
        unknown: Records that name no problem of the set: stop, or leave them out.
        store: The results store; by default $CALCULEMUS_STORE, else one in the user's data folder.
        model: The model of methods that name none: tiny, a folder, a hub id, an endpoint.
        samples: Tries of a method at each problem.
        dry_run: Say what the comparison would take, and ask no model.
        as_json: Print JSON.
        report: Write a page with plots and every problem to this file, for a browser.
        models: How models are opened and asked.
        budget: What one try at one problem may spend.
    """
    if report is not None:
        check_place(report, "report")
    whole = load(problems, data, corrected=corrected)
    part = whole if limit is None else whole.first(limit)
    chosen = get_grader(grader)
    place = store or default_store_path()
    live = Live(model, models.options(), models.key, models.seed, budget.budget(), samples, models.tier)
    with live:
        opened = open_systems(systems, unknown, among=whole, live=live)
        if dry_run:
            _price(place, opened, part, as_json)
        else:
            _compare(place, opened, part, chosen, baseline, missing, as_json, report)


def _compare(
    place: Path,
    systems: list[System],
    problems: ProblemSet,
    grader: Grader,
    baseline: str | None,
    missing: Missing,
    as_json: bool,
    report: Path | None,
) -> None:
    """Run the comparison, print it and write the report."""
    with Store.open(place) as store:
        comparison = compare_systems(store, systems, problems, grader, baseline, missing)
        if as_json:
            print_json(comparison.to_json())
        else:
            print_comparison(comparison)
        if report is not None:
            from calculemus.report import write_report  # here: most comparisons draw no page

            write_report(report, comparison, problem_views(store, comparison, problems, systems))
            note(f"the report is {report}: open it in a browser")


def _price(place: Path, systems: list[System], problems: ProblemSet, as_json: bool) -> None:
    """Print what the comparison would take; nothing is written."""
    from calculemus.cli.price_text import print_pricing  # here: most comparisons are run
    from calculemus.study.pricing import price_systems

    if place.exists():
        with Store.open(place, readonly=True) as store:
            pricing = price_systems(store, systems, problems)
    else:
        pricing = price_systems(None, systems, problems)
    if as_json:
        print_json(pricing.to_json())
    else:
        print_pricing(pricing)

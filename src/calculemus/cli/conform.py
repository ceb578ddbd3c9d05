"""``conform``: put methods through the checks of their interface, and say what they keep to."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from calculemus.cli.catalog import Folders
from calculemus.cli.output import new_table, print_json, print_table, print_text

if TYPE_CHECKING:
    from calculemus.conformance import Report

_SHOWN = 300


def conform(
    method: str,
    *,
    path: Folders = (),
    patience: Annotated[float, Parameter(validator=Number(gt=0))] = 60.0,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Put a method, ours or your own, through every check of its interface.

    The exit status is 0 where it conforms, and 1 where it does not.

    Args:
        method: Id of a method, name of a grader profile, or the path of a card, a Python file, or a folder:
            then all methods in it that have code are checked.
        path: A folder with cards of your own, or a card.
        patience: Seconds that one thing a method is asked to do may take.
        as_json: Print JSON.
    """
    from calculemus.conformance.finding import find_all
    from calculemus.conformance.running import check_subject

    reports = [check_subject(subject, patience) for subject in find_all(method, path)]
    if as_json:
        print_json([report.record() for report in reports])
    else:
        _print_reports(reports)
    return 0 if all(report.ok for report in reports) else 1


def _print_reports(reports: "Sequence[Report]") -> None:
    for report in reports:
        table = new_table("check", "outcome", "why", left=3)
        for result in report.results:
            message = result.message if len(result.message) <= _SHOWN else f"{result.message[:_SHOWN]} ..."
            table.add_row(result.check.replace("_", " "), result.outcome, " ".join(message.split()))
        print_table(table)
        print_text(_verdict(report) + "\n")


def _verdict(report: "Report") -> str:
    n_passed, n_skipped = report.count("passed"), report.count("skipped")
    counts = f"{n_passed} checks passed, {n_skipped} do not apply"
    if report.count("expected failure"):
        counts += f", {report.count('expected failure')} fail as declared"
    if report.ok:
        return f"{report.name} conforms to {report.interface}: {counts}"
    faults = ", ".join(result.check.replace("_", " ") for result in report.faults)
    return (
        f"{report.name} does not conform to {report.interface}: {counts}, {len(report.faults)} fail: {faults}"
    )

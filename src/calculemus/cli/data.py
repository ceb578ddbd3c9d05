"""``calculemus data``: list, show, verify and make problem sets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from calculemus.problem import Problem
    from calculemus.problems.verify import Report

app = App(name="data", help="List, show, verify and make problem sets.")
app.command(
    "calculemus.cli.make:make", name="make", help="Generate word problems with solutions and programs."
)

_SHOWN_FINDINGS = 20  # on a terminal; --json has all
_DECIMALS = 2

SetName = Annotated[
    str, Parameter(help="A named set, a file, hub:ORG/NAME[:CONFIG][:SPLIT] or generated:level=2,n=200.")
]
DataFolder = Annotated[
    Path | None,
    Parameter(name="--data", help="The folder of named sets; by default CALCULEMUS_DATA, then the hub."),
]
AsJson = Annotated[bool, Parameter(name="--json", help="Print JSON for machines.")]


@app.command
def verify(name: SetName, /, *, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Count what a set holds; end with status 1 if something is wrong with it."""
    from calculemus.cli.output import print_json  # here and below, so that --help stays fast

    report = _report(name, data)
    if as_json:
        print_json(report.to_json())
    else:
        _print_report(report)
    if not report.is_sound:
        raise SystemExit(1)


def _report(name: str, data: Path | None) -> "Report":
    """Check a set; a generated one item by item against what it was made from."""
    if name.startswith("generated:"):
        from calculemus.problems.generated.check import verify_generated

        return verify_generated(name)
    from calculemus.problems import load
    from calculemus.problems.verify import verify as count

    return count(load(name, data))


@app.command
def show(
    name: SetName, /, *, n: int = 3, data: DataFolder = None, corrected: bool = False, as_json: AsJson = False
) -> None:
    """Print the first problems of a set.

    Args:
        name: The set.
        n: How many problems.
        data: The folder of named sets.
        corrected: Apply the known corrections of wrong labels.
        as_json: Print JSON for machines.
    """
    from dataclasses import asdict

    from calculemus.cli.output import print_json
    from calculemus.problems import load

    problems = load(name, data, limit=n, corrected=corrected)
    if as_json:
        print_json([asdict(problem) for problem in problems])
    else:
        print("\n\n".join(_describe(problem) for problem in problems))


@app.command(name="list")
def list_sets(*, data: DataFolder = None, as_json: AsJson = False) -> None:
    """List the named sets, and where each would be read from."""
    from calculemus.cli.output import new_table, print_json, print_table
    from calculemus.problems.sources import NAMED, local_file

    rows = [
        {
            "name": known.name,
            "what": known.what,
            "read_from": str(local_file(known, data) or f"hub:{known.hub}"),
        }
        for known in NAMED.values()
    ]
    if as_json:
        print_json(rows)
        return
    table = new_table("set", "what", "read from", left=3)
    for row in rows:
        table.add_row(*row.values())
    print_table(table)
    print(
        "\nBesides: a .jsonl, .json, .tsv, .csv or .parquet file, hub:ORG/NAME[:CONFIG][:SPLIT], or problems "
        "made on the spot: generated:level=2,n=200."
    )


def _describe(problem: "Problem") -> str:
    lines = [f"{problem.id}  ->  {problem.answer}", problem.question]
    for title, text in (("solution", problem.solution), ("program", problem.program)):
        if text:
            lines += [f"{title}:", *(f"    {line}" for line in text.strip().splitlines())]
    lines += [f"{key}: {value}" for key, value in problem.meta.items()]
    return "\n".join(lines)


def _print_report(report: "Report") -> None:
    from calculemus.cli.output import new_table, print_table

    table = new_table("fact", "value")
    table.add_row("problems", _figure(report.rows))
    for topic, facts in report.facts.items():
        table.add_section()
        for fact, value in facts.items():
            table.add_row(f"{topic}: {fact.replace('_', ' ')}", _figure(value))
    print(f"{report.name}, from {report.source}\n")
    print_table(table)
    for title, records in (
        ("labels known to be wrong (load with corrected=True to replace them)", report.corrections),
        ("corrections that others apply and that are wrong", report.rejected),
    ):
        if records:
            print(f"\n{title}:")
        for record in records:
            corrected = ", ".join((record.corrected, *record.also))
            print(f"  {record.id}: {record.label} -> {corrected}. {record.why}")
    _print_findings(report)


def _print_findings(report: "Report") -> None:
    print(f"\nwrong: {len(report.wrong) or 'nothing'}")
    for finding in report.wrong[:_SHOWN_FINDINGS]:
        print(f"  {finding.id}: {finding.what}")
    if len(report.wrong) > _SHOWN_FINDINGS:
        print(f"  and {len(report.wrong) - _SHOWN_FINDINGS} more: --json lists all")


def _figure(value: Any) -> str:
    """Write a count with thousands commas, a mean or share with a few digits."""
    if isinstance(value, float):
        return f"{value:,.{_DECIMALS}f}"
    return f"{value:,}" if isinstance(value, int) else str(value)

"""What the commands about runs say, for people."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from calculemus.cli.output import new_table, print_table
from calculemus.cli.trace_text import step_heading, step_text
from calculemus.store import Overview
from calculemus.study.diff import ProblemsDiff, RunDiff, Setting
from calculemus.verdict import OUTCOMES

_KEY = 8
_WIDTH = 60
_LISTED = 10


def _line(text: Any, width: int = _WIDTH) -> Text:
    """Return a text, or a value as JSON, as one short line in which nothing commands the terminal."""
    if text is None:
        return Text("—")
    words = " ".join((text if isinstance(text, str) else json.dumps(text)).split())
    return Text(_harmless(words if len(words) <= width else words[: width - 1] + "…"))


def _harmless(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def print_runs(overviews: Sequence[Overview]) -> None:
    """Print a line for each run."""
    table = new_table("key", "name", "problems", "begun (UTC)", "accuracy", "rows", left=5)
    for overview in overviews:
        run = overview.run
        rows = str(run.n_answers) if run.finished else f"{run.n_answers} (unfinished)"
        accuracies = "\n".join(_accuracy(overview, grader) for grader in overview.tallies)
        table.add_row(
            run.key[:_KEY],
            _line(run.name),
            _line(run.problems_name),
            run.created[:16].replace("T", " "),
            accuracies or "not graded",
            rows,
        )
    print_table(table)


def _accuracy(overview: Overview, grader: str) -> str:
    graded = sum(overview.tallies[grader].values())
    part = f" of {graded} graded" if graded < overview.run.n_answers else ""
    return f"{grader} {overview.accuracy(grader):.1%}{part}"


def print_graders(overview: Overview) -> None:
    """Print what each grader found in a run."""
    if not overview.tallies:
        print("not graded")
        return
    table = new_table("grader", "accuracy", *OUTCOMES)
    for grader, counts in overview.tallies.items():
        found = (str(counts.get(outcome, 0)) for outcome in OUTCOMES)
        table.add_row(grader, f"{overview.accuracy(grader):.1%}", *found)
    print_table(table)


def print_run(overview: Overview, record: Mapping[str, Any]) -> None:
    """Print a run: what it was, how it did, and a page of its rows."""
    run = overview.run
    state = "finished" if run.finished else "unfinished"
    print(_harmless(f"{run.name}  {run.key}"))
    print(_harmless(f"{run.problems_name}: {run.n_problems} problems, {run.n_answers} rows, {state}"))
    print(f"begun {run.created}")
    print(_harmless(json.dumps(run.spec, indent=2, ensure_ascii=False)))
    for name, mean in record["mean_cost"].items():
        print(f"mean {name}: {mean:.6g}")
    print_graders(overview)
    if not record["page"]:
        print("no rows here")
        return
    table = new_table("problem", "outcome", "extracted", "gold", "how", "response", left=6)
    for row in record["page"]:
        table.add_row(
            _line(_place(row["problem_id"], row["sample"])),
            row["outcome"] or "not graded",
            _line(row["extracted"], 20),
            _line(row["gold"], 20),
            _line(row["how"], 30),
            _line(row["failure"] if row["response"] is None else row["response"]),
        )
    print_table(table)
    start = record["start"]
    print(f"rows {start + 1} to {start + len(record['page'])} of {run.n_answers}")


def print_problem(record: Mapping[str, Any]) -> None:
    """Print one problem of a run in full."""
    print(_harmless(f"{record['id']}, answered by {record['system']}\n\n{record['question']}\n"))
    print(_harmless(f"gold: {record['gold']}"))
    if record["solution"]:
        print(_harmless(f"worked solution:\n{record['solution']}"))
    for sample in record["samples"]:
        print(f"\nsample {sample['sample']}{', cut short by a limit' if sample['truncated'] else ''}")
        for grader, verdict in sample["verdicts"].items():
            extracted = _line(verdict["extracted"]).plain
            print(_harmless(f"  {grader}: {verdict['outcome']}, took {extracted} ({verdict['how']})"))
        if sample["failure"]:
            print(_harmless(f"  failed: {sample['failure']}"))
        for name, value in sample["cost"].items():
            print(f"  {name}: {value:.6g}")
        print(_harmless(f"\n{sample['response'] or ''}"))
        _print_trace(sample)


def _print_trace(sample: Mapping[str, Any]) -> None:
    """Print how a response came about, unless that is the response itself."""
    trace = sample["trace"]
    if len(trace) == 1 and trace[0]["text"] == sample["response"]:
        return
    for index, node in enumerate(trace):
        print(_harmless(step_heading(index, node["kind"], node["parents"])))
        print(_harmless(step_text(node["text"])))


def print_diff(found: RunDiff) -> None:
    """Print what differs between two runs."""
    print(_harmless(f"A: {found.a.name}  {found.a.key}\nB: {found.b.name}  {found.b.key}"))
    if found.settings:
        table = new_table("setting", "A", "B", left=3)
        for setting in found.settings:
            table.add_row(_line(setting.name), *_sides(setting))
        print_table(table)
    else:
        print("settings: the same")
    _print_problems(found.problems)
    for run, graders in (("A", found.graders_a), ("B", found.graders_b)):
        if graders:
            print(f"graders of {run} alone: {', '.join(graders)}")
    print(f"answers to the same problem and sample: {found.n_shared}, other text in {found.n_changed}")
    if found.grader is None:
        print("outcomes: not compared, no grader has graded both; use calculemus regrade")
        return
    print(f"under {found.grader}:")
    print(f"  right in A only: {_some([_place(*where) for where in found.right_only_a])}")
    print(f"  right in B only: {_some([_place(*where) for where in found.right_only_b])}")
    print(f"  another text taken for the answer: {len(found.extractions)}")
    for extraction in found.extractions[:_LISTED]:
        a, b = _line(extraction.a).plain, _line(extraction.b).plain
        print(f"    {_place(extraction.problem_id, extraction.sample)}: A {a}, B {b}")


def _sides(setting: Setting) -> list[Text]:
    """Return both values as JSON, in which spaces show; of long ones the part around the first difference."""
    texts = {run: json.dumps(value, ensure_ascii=False) for run, value in setting.values.items()}
    start = 0
    if len(texts) == 2 and max(map(len, texts.values())) > _WIDTH:
        start = max(0, _shared_length(texts["a"], texts["b"]) - _WIDTH // 3)
    return [_excerpt(texts[run], start) if run in texts else Text("(not set)") for run in ("a", "b")]


def _shared_length(a: str, b: str) -> int:
    """Return how many characters two texts begin alike with."""
    differing = (index for index, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(differing, min(len(a), len(b)))


def _excerpt(text: str, start: int) -> Text:
    part = text[start : start + _WIDTH]
    return Text(_harmless(f"{'…' if start else ''}{part}{'…' if start + _WIDTH < len(text) else ''}"))


def _print_problems(problems: ProblemsDiff) -> None:
    lists = (
        ("problems of A alone", problems.only_a),
        ("problems of B alone", problems.only_b),
        ("problems with another question, gold or facts", problems.changed),
    )
    if problems == ProblemsDiff():
        print("problems: the same")
    for title, ids in lists:
        if ids:
            print(f"{title}: {_some(ids)}")
    if problems.reordered:
        print("problems: in another order")


def _place(problem_id: str, sample: int) -> str:
    return f"{problem_id} sample {sample}" if sample else problem_id


def _some(names: Sequence[str]) -> str:
    """Count the names and give the first of them."""
    if not names:
        return "0"
    more = f", and {len(names) - _LISTED} more (all with --json)" if len(names) > _LISTED else ""
    return _harmless(f"{len(names)}: {', '.join(names[:_LISTED])}{more}")

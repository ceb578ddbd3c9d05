"""The commands about runs, from the command line to what they print."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import calculemus.grading
from calculemus.cli import run
from calculemus.cost import Cost
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.solution import Node, Solution, Trace
from calculemus.store import Run, Store, StoredAnswer
from calculemus.verdict import Verdict

N = 30
PROMPT = "Let us think step by step. " * 5
Cli = Callable[..., str]


class LastDigit:
    name = "last_digit"
    version = 3

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        assert response is not None
        outcome = "correct" if response[-1] == problem.answer[-1] else "wrong"
        return Verdict(outcome, response[-1], "digit", "last_digit@3")


def add_run(store: Store, name: str, offset: int) -> Run:
    """Store a run whose answers are too large by ``offset`` in every third problem."""
    problems = [
        Problem(f"sums/{i}", f"How much is {i} + {i}?", str(2 * i), "worked", meta={"steps": 1})
        for i in range(N)
    ]
    spec = {"prompt": PROMPT + "\n" * offset, "sampler": {"temperature": offset}}
    found = store.begin(spec, ProblemSet("sums", tuple(problems)), name)
    values = [2 * i + (offset if i % 3 == 0 else 0) for i in range(N)]
    store.append(
        found,
        [
            StoredAnswer(
                f"sums/{i}",
                0,
                Solution(f"It is\n  {value}", trace=Trace((Node("step", "think"),)), cost=Cost(tokens_out=i)),
            )
            for i, value in enumerate(values)
        ],
    )
    verdicts = [
        (f"sums/{i}", 0, Verdict("correct" if value == 2 * i else "wrong", str(value), "last", "default@1"))
        for i, value in enumerate(values)
    ]
    store.record(found, "default@1", verdicts)
    store.finish(found)
    return store.find(found.key)


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    with Store.open(tmp_path / "store.db") as store:
        add_run(store, "alpha", 0)
        add_run(store, "beta", 1)
    return tmp_path / "store.db"


@pytest.fixture
def cli(store_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command on the store and return what it printed; it must succeed."""
    monkeypatch.setenv("CALCULEMUS_STORE", str(store_path))
    monkeypatch.setenv("COLUMNS", "200")

    def call(*tokens: str) -> str:
        status = run(tokens)
        printed = capsys.readouterr()
        assert status == 0, printed.err
        return printed.out

    return call


@pytest.fixture
def failing(store_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command on the store and return its message; it must fail."""
    monkeypatch.setenv("CALCULEMUS_STORE", str(store_path))

    def call(*tokens: str) -> str:
        assert run(tokens) == 2
        return capsys.readouterr().err

    return call


def find(store_path: Path, name: str) -> Run:
    with Store.open(store_path, readonly=True) as store:
        return store.find(name)


def test_runs_lists_the_newest_first_with_their_accuracy(cli: Cli, store_path: Path) -> None:
    lines = [line.split() for line in cli("runs").splitlines() if "sums" in line]
    beta, alpha = find(store_path, "beta"), find(store_path, "alpha")
    assert [line[:3] for line in lines] == [[beta.key[:8], "beta", "sums"], [alpha.key[:8], "alpha", "sums"]]
    assert [line[-3:] for line in lines] == [["default@1", "66.7%", "30"], ["default@1", "100.0%", "30"]]
    assert "alpha" not in cli("runs", "--limit", "1")


def test_runs_as_json_has_the_same_facts(cli: Cli, store_path: Path) -> None:
    first, _ = json.loads(cli("runs", "--json"))
    beta = find(store_path, "beta")
    assert first == {
        "key": beta.key,
        "name": "beta",
        "problems": "sums",
        "problems_digest": beta.problems_digest,
        "n_problems": N,
        "rows": N,
        "finished": True,
        "created": beta.created,
        "accuracy": {"default@1": 20 / 30},
        "outcomes": {"default@1": {"correct": 20, "wrong": 10}},
    }


def test_the_store_named_on_the_command_line_goes_before_the_environment(cli: Cli, tmp_path: Path) -> None:
    with Store.open(tmp_path / "other.db") as store:
        add_run(store, "gamma", 2)
    (only,) = json.loads(cli("runs", "--json", "--store", str(tmp_path / "other.db")))
    assert only["name"] == "gamma"


def test_an_unfinished_or_half_graded_run_says_so(cli: Cli, store_path: Path) -> None:
    with Store.open(store_path) as store:
        half = store.begin({"half": 1}, store.problems(store.find("alpha")), "half")
        store.append(half, [StoredAnswer(f"sums/{i}", 0, Solution(str(i))) for i in (0, 1)])
        assert "not graded" in cli("show", "half")
        store.record(half, "default@1", [("sums/0", 0, Verdict("correct", "0", "last", "default@1"))])
    line = cli("runs").splitlines()[2]
    assert "default@1 100.0% of 1 graded" in line
    assert line.rstrip().endswith("2 (unfinished)")


def test_show_prints_the_spec_the_summary_and_a_page(cli: Cli, store_path: Path) -> None:
    shown = cli("show", find(store_path, "beta").key[:10], "--start", "6", "--limit", "2")
    assert '"temperature": 1' in shown
    assert "mean tokens_out: 14.5" in shown
    summary = next(line.split() for line in shown.splitlines() if line.startswith("default@1"))
    assert summary == ["default@1", "66.7%", "20", "10", "0", "0"]
    rows = [line.split() for line in shown.splitlines() if line.startswith("sums/")]
    assert rows == [
        ["sums/6", "wrong", "13", "12", "last", "It", "is", "13"],
        ["sums/7", "correct", "14", "14", "last", "It", "is", "14"],
    ]
    assert shown.endswith("rows 7 to 8 of 30\n")
    assert cli("show", "beta", "--start", "30").endswith("no rows here\n")


def test_show_as_json_has_the_page_as_rows(cli: Cli) -> None:
    shown = json.loads(cli("show", "beta", "--start", "29", "--json"))
    assert shown["spec"]["sampler"] == {"temperature": 1}
    assert shown["mean_cost"] == {"tokens_out": 14.5}
    assert shown["grader"] == "default@1"
    (row,) = shown["page"]
    assert (row["problem_id"], row["gold"], row["response"]) == ("sums/29", "58", "It is\n  58")
    assert (row["outcome"], row["extracted"], row["tokens_out"], row["flops"]) == ("correct", "58", 29, None)


def test_show_gives_one_problem_in_full(cli: Cli, store_path: Path) -> None:
    with Store.open(store_path) as store:
        beta = store.find("beta")
        store.append(beta, [StoredAnswer("sums/3", 1, Solution(None, truncated=True, failure="late\x1b[2J"))])
        store.record(beta, "strict@1", [("sums/3", 0, Verdict("unparsed", None, "none", "strict@1"))])
    shown = cli("show", "beta", "--problem", "sums/3")
    for part in ("How much is 3 + 3?", "gold: 6", "worked", "default@1: wrong, took 7 (last)"):
        assert part in shown
    assert "strict@1: unparsed, took — (none)" in shown
    assert "It is\n  7" in shown
    assert "sample 1, cut short by a limit\n  failed: late\N{REPLACEMENT CHARACTER}[2J" in shown
    record = json.loads(cli("show", "beta", "--problem", "sums/3", "--json"))
    assert record["meta"] == {"steps": 1}
    first, second = record["samples"]
    assert first["trace"] == [{"kind": "step", "text": "think", "parents": [], "meta": {}}]
    assert {grader: v["outcome"] for grader, v in first["verdicts"].items()} == {
        "default@1": "wrong",
        "strict@1": "unparsed",
    }
    assert (second["response"], second["truncated"], second["verdicts"]) == (None, True, {})


def test_diff_shows_where_long_settings_begin_to_differ_and_whose_answers_are_right(cli: Cli) -> None:
    shown = cli("diff", "alpha", "beta")
    prompts = next(line for line in shown.splitlines() if line.startswith("prompt"))
    assert prompts.rstrip().endswith('step by step. \\n"')
    assert len(prompts.strip()) < len(PROMPT)
    (temperatures,) = [line.split() for line in shown.splitlines() if line.startswith("sampler.temperature")]
    assert temperatures == ["sampler.temperature", "0", "1"]
    assert "problems: the same" in shown
    assert "right in A only: 10: sums/0, sums/3," in shown
    assert "right in B only: 0" in shown
    assert "sums/0: A 0, B 1" in shown
    assert "settings: the same" in cli("diff", "alpha", "alpha")


def test_diff_as_json_names_every_row(cli: Cli) -> None:
    found = json.loads(cli("diff", "alpha", "beta", "--json"))
    assert found["a"]["name"] == "alpha"
    assert found["right_only_a"] == [[f"sums/{i}", 0] for i in range(0, N, 3)]
    assert {"name": "sampler.temperature", "values": {"a": 0, "b": 1}} in found["settings"]


def test_diff_says_how_problem_sets_and_graders_differ(cli: Cli, store_path: Path) -> None:
    with Store.open(store_path) as store:
        problems = [Problem(f"sums/{i}", "changed", "1") for i in (2, 1)] + [Problem("new", "?", "1")]
        other = store.begin({"other": 1}, ProblemSet("other", tuple(problems)), "other")
        store.append(other, [StoredAnswer("sums/1", 0, Solution("x"))])
        store.record(other, "strict@1", [("sums/1", 0, Verdict("wrong", "x", "", "strict@1"))])
    shown = cli("diff", "alpha", "other")
    assert "problems of A alone: 28: sums/0, sums/3" in shown
    assert "and 18 more (all with --json)" in shown
    assert "problems of B alone: 1: new" in shown
    assert "problems with another question, gold or facts: 2: sums/1, sums/2" in shown
    assert "problems: in another order" in shown
    assert "graders of A alone: default@1" in shown
    assert "graders of B alone: strict@1" in shown
    assert "same problem and sample: 1, other text in 1" in shown
    assert "no grader has graded both" in shown
    assert "(not set)" in shown


def test_regrade_adds_the_verdicts_of_another_grader(
    cli: Cli, store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def get_grader(name: str) -> Any:
        asked.append(name)
        return LastDigit()

    monkeypatch.setattr(calculemus.grading, "get_grader", get_grader)
    lines = [line.split() for line in cli("regrade", "beta", "--grader", "last_digit").splitlines()]
    assert ["last_digit@3", "66.7%", "20", "10", "0", "0"] in lines
    assert ["default@1", "66.7%", "20", "10", "0", "0"] in lines
    assert asked == ["last_digit"]
    record = json.loads(cli("regrade", "beta", "--grader", "last_digit", "--json"))
    assert record["outcomes"]["last_digit@3"] == {"correct": 20, "wrong": 10, "unparsed": 0, "error": 0}
    assert json.loads(cli("show", "beta", "--grader", "last_digit", "--json"))["page"][0]["extracted"] == "1"


def test_export_writes_the_rows_of_several_runs(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    printed = cli("export", "alpha", "beta", "--out", str(out), "--grader", "default")
    assert printed == f"wrote 60 rows of 2 runs to {out}\n"
    with out.open(newline="") as file:
        assert [row["system"] for row in csv.DictReader(file)] == ["alpha"] * N + ["beta"] * N


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["runs", "--store", "/nowhere/store.db"], "there is no such file"),
        (["show", "alpa"], "for example alpha"),
        (["show", "alpha", "--problem", "sums/99"], "none of that id"),
        (["show", "alpha", "--grader", "strict"], "no verdicts of the grader 'strict'"),
        (["show", "alpha", "--limit", "0"], "--limit"),
        (["show", "alpha", "--start", "-1"], "--start"),
        (["diff", "alpha"], "requires an argument"),
        (["regrade", "alpha", "--grader", "defualt"], "default"),
        (["export", "--out", "rows.csv"], "requires an argument"),
        (["export", "alpha", "--out", "rows.doc"], "expected one of .jsonl, .csv, .parquet"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(failing: Cli, tokens: list[str], message: str) -> None:
    error = failing(*tokens)
    assert message in error
    assert "Traceback" not in error

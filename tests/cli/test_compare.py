"""``calculemus compare`` from end to end: on the real data, and on every way to use it wrongly."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from statsmodels.stats.proportion import proportion_confint

from calculemus import cli
from calculemus.cli.compare_text import sentences
from calculemus.store import Store
from calculemus.study.comparison import Comparison, PairResult, SystemResult

# The published accuracies of the four systems are 21.7, 39.0, 34.7 and 56.3 %.
PUBLISHED = {"6b_finetuning": 286, "6b_verification": 515, "175b_finetuning": 458, "175b_verification": 742}
N = 30


def run_json(capsys: pytest.CaptureFixture[str], *tokens: object) -> dict[str, Any]:
    assert cli.run(["compare", *map(str, tokens), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a problem set, two systems' solutions, and the store beside them."""
    monkeypatch.setenv("CALCULEMUS_STORE", str(tmp_path / "store.db"))
    monkeypatch.chdir(tmp_path)
    problems = [
        {"id": f"p{i}", "question": f"How much is {i} + {i}?", "answer": str(2 * i)} for i in range(N)
    ]
    lines(tmp_path / "sums.jsonl", problems)
    good = [f"It is {2 * i if i < 25 else 99}." for i in range(N)]
    bad = [f"It is {2 * i}." if i < 8 else "No idea." if i < 20 else None for i in range(N)]
    for name, texts, tokens in (("good", good, 40), ("bad", bad, 1000)):
        rows = [{"id": f"p{i}", "response": text, "tokens_out": tokens} for i, text in enumerate(texts)]
        lines(tmp_path / f"{name}.jsonl", rows)
    return tmp_path


BOTH = ("recorded:good.jsonl", "recorded:bad.jsonl", "--problems", "sums.jsonl")


def test_the_published_table_comes_out_cold_in_under_ten_seconds(data_dir: Path, tmp_path: Path) -> None:
    solutions = data_dir / "gsm8k" / "example_model_solutions.jsonl"
    command = [
        *("compare", f"recorded:{solutions}", "--problems", "gsm8k:test", "--data", str(data_dir)),
        *("--store", str(tmp_path / "store.db"), "--json"),
    ]
    code = f"import sys; from calculemus import cli; sys.exit(cli.run({command!r}))"
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert time.perf_counter() - started < 10
    found = json.loads(done.stdout)
    assert {system["name"]: system["correct"] for system in found["systems"]} == PUBLISHED
    assert {system["n"] for system in found["systems"]} == {1319}
    assert [round(100 * system["accuracy"], 1) for system in found["systems"]] == [21.7, 39.0, 34.7, 56.3]
    assert found["notes"] == ["all 5,276 verdicts agree with the file's own flags (is_correct)"]
    assert len(found["pairs"]) == 6


def test_every_stored_verdict_equals_the_flag_of_the_file(data_dir: Path, tmp_path: Path) -> None:
    solutions = data_dir / "gsm8k" / "example_model_solutions.jsonl"
    store = tmp_path / "store.db"
    tokens = ["compare", f"recorded:{solutions}", "--problems", "gsm8k:test", "--data", str(data_dir)]
    assert cli.run([*tokens, "--store", str(store)]) == 0
    rows = [json.loads(line) for line in solutions.read_text("utf-8").splitlines()]
    with Store.open(store) as opened:
        for name in PUBLISHED:
            outcomes = opened.outcomes(opened.find(name), "default@1")
            assert [outcome == "correct" for _, _, outcome in outcomes] == [
                row[name]["is_correct"] for row in rows
            ]


def test_json_has_the_keys_that_machines_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run_json(capsys, *BOTH)
    good, bad = found["systems"]
    assert {"name", "n", "correct", "accuracy", "ci_low", "ci_high", "unparsed"} <= good.keys()
    assert (good["name"], good["n"], good["correct"], good["unparsed"]) == ("good", N, 25, 0)
    assert (bad["name"], bad["correct"], bad["unparsed"], bad["errors"]) == ("bad", 8, 12, 10)
    (pair,) = found["pairs"]
    assert {"a", "b", "delta", "ci_low", "ci_high", "p_value"} <= pair.keys()
    assert (pair["a"], pair["b"], pair["delta"]) == ("good", "bad", pytest.approx(-17 / N))
    assert json.loads(json.dumps(Comparison.from_json(found).to_json())) == found


def test_the_table_fits_80_columns_and_says_what_it_shows(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.run(["compare", *BOTH]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert max(map(len, out.splitlines())) <= 80
    text = " ".join(out.split())
    low, high = (f"{100 * end:.1f}" for end in proportion_confint(25, N, method="wilson"))
    assert f"good 83.3 [{low}, {high}] baseline 0 0" in text
    assert re.search(r"bad 26\.7 \[.{10}\] -56\.7 \[-\d\d\.\d, -\d\d\.\d\] <0\.0001\* 40\.0 % 33\.3 %", text)
    assert "The pair is separable: no interval of a difference holds zero." in text
    assert "tokens front over mean of an answer out tokens out" in text
    assert "good 40 yes" in text
    assert "bad 1,000" in text


def test_a_cost_that_a_system_does_not_know_is_a_dash(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"id": f"p{i}", "response": "1", "seconds": 2.5} for i in range(N)]
    lines(folder / "timed.jsonl", rows)
    assert cli.run(["compare", "recorded:timed.jsonl", *BOTH]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "tokens engine mean of an answer out seconds ─" in text
    assert "timed - 2.5 good 40 - bad 1,000 -" in text


def test_systems_that_cannot_be_told_apart_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["compare", "recorded:good.jsonl", *BOTH]) == 0
    out = capsys.readouterr().out
    assert "Not separable, 1 of 3 pairs: good-2 and good (+0.0 [" in out


def test_the_second_call_answers_from_the_store(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = run_json(capsys, *BOTH)
    assert run_json(capsys, *BOTH) == first
    with Store.open(folder / "store.db") as store:
        assert len(store.runs()) == 2


def test_a_limit_compares_on_the_start_of_the_set(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run_json(capsys, *BOTH, "--limit", 10)
    assert [(system["n"], system["correct"]) for system in found["systems"]] == [(10, 10), (10, 8)]
    assert found["notes"] == []


def test_another_system_can_be_the_baseline(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run_json(capsys, *BOTH, "--baseline", "bad")
    assert (found["baseline"], found["pairs"][0]["a"]) == ("bad", "bad")
    assert found["pairs"][0]["delta"] == pytest.approx(17 / N)


def test_missing_answers_are_left_out_or_count_as_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (folder / "good.jsonl").read_text().splitlines(keepends=True)
    (folder / "half.jsonl").write_text("".join(rows[:15]))
    systems = ("recorded:good.jsonl", "recorded:half.jsonl", "--problems", "sums.jsonl")
    common = run_json(capsys, *systems)
    assert [(system["n"], system["correct"]) for system in common["systems"]] == [(15, 15), (15, 15)]
    assert common["notes"] == ["compared on the 15 of 30 problems that all systems answered: half lacks 15"]
    wrong = run_json(capsys, *systems, "--missing", "wrong")
    assert [(system["n"], system["correct"]) for system in wrong["systems"]] == [(30, 25), (30, 15)]


def test_unknown_problems_stop_or_are_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (folder / "good.jsonl").open("a") as file:
        file.write('{"id": "p99", "response": "198"}\n')
    assert cli.run(["compare", *BOTH]) == 2
    assert (
        "1 of 31 records name no problem of the set: 'p99' on line 31 (near: 'p9')" in capsys.readouterr().err
    )
    found = run_json(capsys, *BOTH, "--unknown", "skip")
    assert found["systems"][0]["correct"] == 25
    assert "1 of 31 records name no problem" in found["notes"][0]


def test_a_report_is_written_and_its_place_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["compare", *BOTH, "--report", "report.html", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["n"] == N
    assert err == "note: the report is report.html: open it in a browser\n"
    page = (folder / "report.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert "sums.jsonl" in page


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ((), "error: opening systems: none is named"),
        (("recorded:none.jsonl",), "error: reading recorded solutions 'none.jsonl': there is no such file"),
        (("good.jsonl",), "Did you mean 'recorded:good.jsonl'?"),
        (("recorded:good.jsonl#x",), "there is no 'x' in it"),
        (("recorded:good.jsonl", "--baseline", "god"), "Did you mean 'good'?"),
        (("recorded:good.jsonl", "--grader", "defualt"), "did you mean default?"),
        (("recorded:good.jsonl", "--limit", "0"), "Must be >= 1"),
        (("recorded:good.jsonl", "--limit", "1"), "there are 1 problems; expected at least 2"),
        (("recorded:good.jsonl", "--missing", "no"), 'Choose from: "common", "wrong"'),
        (("recorded:good.jsonl", "--store", "good.jsonl"), "opening the store good.jsonl"),
        (("recorded:good.jsonl", "--report", "none/report.html"), "none/report.html"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str], tokens: tuple[str, ...], message: str
) -> None:
    assert cli.run(["compare", *tokens, "--problems", "sums.jsonl"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def comparison(deltas: list[float]) -> Comparison:
    systems = [
        SystemResult(str(i), "k", 9, 9, 3, 0.3, 0.2, 0.4, "Wilson", 0, 0) for i in range(len(deltas) + 1)
    ]
    pairs = [
        PairResult("0", str(i), 9, 1, 2, d, d - 0.1, d + 0.1, "Tango", 0.2, "exact McNemar", 0.4, 0.05 * i)
        for i, d in enumerate(deltas, 1)
    ]
    return Comparison("set", 9, "default@1", "0", tuple(systems), tuple(pairs))


def test_sentences_list_a_few_pairs_and_count_the_rest() -> None:
    _, close, visible = sentences(comparison([0.0] * 7 + [0.5]))
    assert close.startswith("Not separable, 7 of 8 pairs: 1 and 0 (+0.0 [-10.0, 10.0]); 2 and 0")
    assert close.endswith("5 and 0 (+0.0 [-10.0, 10.0]); and 2 more.")
    assert visible.startswith("9 problems show a difference of 5.0 to 40.0 points with 80 % power")


def test_one_system_alone_gets_one_sentence() -> None:
    assert list(sentences(comparison([]))) == ["The interval is a 95 % one (Wilson)."]

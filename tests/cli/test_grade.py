"""calculemus grade: one verdict a row, in order; what labelled rows say; every bad row named by its line."""

import json
from pathlib import Path
from typing import Any

import pytest

from calculemus import cli
from calculemus.grading import PROFILES

ROWS = [
    {"gold": "1/2", "pred": "0.5", "equal": True},
    {"gold": "18", "pred": "#### 19", "equal": False},
    {"gold": 42, "pred": "I do not know"},
    {"gold": "7", "pred": None},
    {"gold": "3", "pred": "The answer is 3.", "equal": False},
]


def write(folder: Path, rows: list[Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert cli.run(["grade", *map(str, arguments)]) == 2
    return capsys.readouterr().err


def test_out_holds_one_row_per_input_row_in_order(tmp_path: Path) -> None:
    out = tmp_path / "verdicts.jsonl"
    assert cli.run(["grade", str(write(tmp_path, ROWS)), "--out", str(out)]) == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["line"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["outcome"] for row in rows] == ["correct", "wrong", "unparsed", "error", "correct"]
    assert [row["extracted"] for row in rows] == ["0.5", "19", None, None, "3"]
    assert all(row["how"] and row["seconds"] >= 0 and row["grader"] == "default@1" for row in rows)


def test_labelled_rows_are_compared_with_the_verdicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["grade", str(write(tmp_path, ROWS)), "--json"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)["graders"]
    assert {
        name: facts[name] for name in ("n", "correct", "wrong", "unparsed", "error", "labelled", "agree")
    } == {
        "n": 5,
        "correct": 2,
        "wrong": 1,
        "unparsed": 1,
        "error": 1,
        "labelled": 3,
        "agree": 2,
    }
    assert facts["false_positives"] == [5]
    assert facts["false_negatives"] == []


def test_all_profiles_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "verdicts.jsonl"
    assert cli.run(["grade", str(write(tmp_path, ROWS)), "--profiles", "all", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert all(f"{name}@" in printed for name in PROFILES)
    outcomes = json.loads(out.read_text(encoding="utf-8").splitlines()[1])["outcomes"]
    assert outcomes["gsm8k_strict@1"] == "wrong"
    assert outcomes["boxed@1"] == "unparsed"


def test_problems_come_as_objects_or_by_id(
    tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"problem": {"question": "2 + 2?", "answer": "4", "meta": {"answers": ["four"]}}, "response": "four"},
        {"problem": "gsm8k:test/0", "response": "A: 18"},
    ]
    path = write(tmp_path, rows)
    arguments = [str(path), "--problems", "gsm8k:test", "--data", str(data_dir), "--json"]
    assert cli.run(["grade", *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["graders"][0]["correct"] == 2


def test_tolerance_is_read_from_the_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"gold": "3.14159", "pred": "3.14", "abs_tol": 0.01}, {"gold": "3.14159", "pred": "3.14"}]
    assert cli.run(["grade", str(write(tmp_path, rows)), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["graders"][0]["correct"] == 1


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"gold": "1"}, "line 2: the keys gold; expected"),
        ({"pred": "1"}, "line 2: the keys pred; expected"),
        ({"gold": None, "pred": "1"}, "line 2: 'gold' is null"),
        ({"gold": "1", "pred": ["1"]}, "line 2: 'response' is a list"),
        ({"gold": "1", "pred": "1", "equal": "maybe"}, "line 2: 'equal' is text"),
        ({"gold": "  ", "pred": "1"}, "line 2: reading a gold answer"),
        ({"problem": "sums/1", "response": "1"}, "name the set with --problems"),
        ({"gold": "1", "pred": "1", "abs_tol": "near"}, "line 2: grading 'line 2': its abs_tol is 'near'"),
    ],
)
def test_a_bad_row_is_named_by_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: dict[str, Any], found: str
) -> None:
    assert found.lower() in refused(capsys, write(tmp_path, [ROWS[0], row])).lower()


def test_a_bad_file_leaves_no_output_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"gold": "1", "pred": "1"}\n{"gold": "1", "pre', encoding="utf-8")
    out = tmp_path / "verdicts.jsonl"
    assert "line 2: the last line is torn" in refused(capsys, path, "--out", out)
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_missing_file_and_an_unknown_profile_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no such file" in refused(capsys, tmp_path / "none.jsonl")
    assert "did you mean boxed" in refused(capsys, write(tmp_path, ROWS), "--profiles", "boxd")


def test_a_verdict_file_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(capsys, write(tmp_path, ROWS), "--out", tmp_path / "none" / "v.jsonl")
    assert "writing" in error
    assert "expected a file, in a folder" in error

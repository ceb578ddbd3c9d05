"""Exported files hold every row, in three formats, and appear whole or not at all."""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from calculemus.cost import Cost
from calculemus.errors import MissingExtraError, OutputError, StoreError
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.solution import Solution
from calculemus.store import Run, Store, StoredAnswer
from calculemus.study.export import COLUMNS, export_runs
from calculemus.verdict import Verdict

TEXT = 'a "quoted", two-line\r\nÜnïcode answer; 7'


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().decode().splitlines()]


def read_parquet(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


def read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db") as opened:
        yield opened


def make(store: Store, name: str, n: int = 3) -> Run:
    problems = ProblemSet("sums", tuple(Problem(f"sums/{i}", f"{i},\n?", str(i)) for i in range(n)))
    run = store.begin({"name": name}, problems, name)
    solutions = [
        Solution(f"{name} {TEXT}", cost=Cost(tokens_out=i, flops=i / 4))
        if i
        else Solution(None, failure="late")
        for i in range(n)
    ]
    store.append(
        run, [StoredAnswer(f"sums/{i}", s, solution) for i, solution in enumerate(solutions) for s in (0, 1)]
    )
    store.record(run, "default@1", [("sums/1", 1, Verdict("correct", "7", "last/number", "default@1"))])
    return run


def expected(run: Run, n: int = 3) -> list[dict[str, Any]]:
    rows = [dict.fromkeys(COLUMNS) for _ in range(2 * n)]
    for index, row in enumerate(rows):
        i, sample = divmod(index, 2)
        row |= {"run": run.key, "system": run.name, "problems": "sums", "problem_id": f"sums/{i}"}
        row |= {"sample": sample, "question": f"{i},\n?", "gold": str(i), "truncated": False}
        row |= (
            {"response": f"{run.name} {TEXT}", "tokens_out": i, "flops": i / 4} if i else {"failure": "late"}
        )
    rows[3] |= {"outcome": "correct", "extracted": "7", "how": "last/number", "grader": "default@1"}
    return rows


@pytest.mark.parametrize(("ending", "read"), [("jsonl", read_jsonl), ("parquet", read_parquet)])
def test_every_row_of_every_run_is_there_with_its_types(
    store: Store, tmp_path: Path, ending: str, read: Callable[[Path], list[dict[str, Any]]]
) -> None:
    runs = [make(store, "first"), make(store, "second", 4)]
    export_runs(store, runs, tmp_path / f"rows.{ending}")
    rows = read(tmp_path / f"rows.{ending}")
    assert rows == expected(runs[0]) + expected(runs[1], 4)
    assert all(tuple(row) == COLUMNS for row in rows)


def test_a_csv_has_the_same_cells_as_text_and_nothing_where_there_is_nothing(
    store: Store, tmp_path: Path
) -> None:
    run = make(store, "first")
    export_runs(store, [run], tmp_path / "rows.csv")
    cells = [{k: "" if v is None else str(v) for k, v in row.items()} for row in expected(run)]
    assert read_csv(tmp_path / "rows.csv") == cells


def test_parquet_is_written_in_batches(store: Store, tmp_path: Path) -> None:
    run = make(store, "long", 1500)
    export_runs(store, [run], tmp_path / "rows.parquet")
    assert pq.ParquetFile(tmp_path / "rows.parquet").num_row_groups > 1
    assert [row["problem_id"] for row in read_parquet(tmp_path / "rows.parquet")] == [
        f"sums/{i}" for i in range(1500) for _ in (0, 1)
    ]


def test_half_of_a_surrogate_pair_is_written_as_an_escape(store: Store, tmp_path: Path) -> None:
    problems = ProblemSet("one", (Problem("one/0", "?", "1"),))
    run = store.begin({}, problems, "odd")
    store.append(run, [StoredAnswer("one/0", 0, Solution("a\ud800b"))])
    for ending in ("jsonl", "csv", "parquet"):
        export_runs(store, [run], tmp_path / f"rows.{ending}")
    assert read_jsonl(tmp_path / "rows.jsonl")[0]["response"] == "a\ud800b"
    assert read_csv(tmp_path / "rows.csv")[0]["response"] == "a\\ud800b"
    assert read_parquet(tmp_path / "rows.parquet")[0]["response"] == "a\\ud800b"


def test_the_verdicts_are_those_of_the_grader_asked_for(store: Store, tmp_path: Path) -> None:
    run, out = make(store, "first"), tmp_path / "rows.jsonl"
    store.record(run, "strict@2", [("sums/0", 0, Verdict("error", None, "none", "strict@2"))])
    export_runs(store, [run], out, "strict")
    assert [(row["outcome"], row["grader"]) for row in read_jsonl(out) if row["outcome"]] == [
        ("error", "strict@2")
    ]
    with pytest.raises(StoreError, match=r"exporting to '.*rows.jsonl' the run .* 'boxed'; expected one of"):
        export_runs(store, [run], out, "boxed")


def test_a_run_without_verdicts_is_exported_without(store: Store, tmp_path: Path) -> None:
    run = store.begin({}, ProblemSet("one", (Problem("one/0", "?", "1"),)), "ungraded")
    store.append(run, [StoredAnswer("one/0", 0, Solution("1"))])
    export_runs(store, [run], tmp_path / "rows.jsonl")
    assert read_jsonl(tmp_path / "rows.jsonl")[0]["outcome"] is None


@pytest.mark.parametrize("name", ["rows.xlsx", "rows"])
def test_an_unknown_ending_is_answered_with_the_known_ones(store: Store, tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match=r"expected one of \.jsonl, \.csv, \.parquet"):
        export_runs(store, [make(store, "first")], tmp_path / name)


def test_parquet_without_its_library_names_the_extra(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'calculemus\[parquet\]'"):
        export_runs(store, [make(store, "first")], tmp_path / "rows.parquet")


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_a_failed_export_keeps_the_old_file_and_leaves_nothing_else(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    out = folder / f"rows.{ending}"
    out.write_text("old")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    run = make(store, "first")
    monkeypatch.setattr(Store, "problem", fail)
    with pytest.raises(KeyboardInterrupt):
        export_runs(store, [run], out)
    assert [path.name for path in folder.iterdir()] == [out.name]
    assert out.read_text() == "old"


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_a_file_that_cannot_be_written_is_named(store: Store, tmp_path: Path, ending: str) -> None:
    run = make(store, "first")
    for folder in (tmp_path / "missing", tmp_path / "store.db"):
        out = folder / f"rows.{ending}"
        with pytest.raises(OutputError, match=rf"writing '{out}': .*; expected a file, in a folder"):
            export_runs(store, [run], out)

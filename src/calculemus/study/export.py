"""Stored runs as a table of rows: JSON Lines, CSV or Parquet.

One row for each run, problem and sample. Files are written row by row to a temporary name beside the
target and then renamed, so that the target is either the old file or the whole new one.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from calculemus.errors import MissingExtraError, StoreError
from calculemus.events import track
from calculemus.files import replacing
from calculemus.problem import Problem
from calculemus.store import Run, Store, StoredRow
from calculemus.store.records import COST_COLUMNS
from calculemus.study.choose import choose_grader

TEXT_COLUMNS = ("run", "system", "problems", "problem_id", "question", "gold", "response", "failure")
VERDICT_COLUMNS = ("outcome", "extracted", "how", "grader")
COLUMNS = (*TEXT_COLUMNS[:4], "sample", *TEXT_COLUMNS[4:], "truncated", *VERDICT_COLUMNS, *COST_COLUMNS)

_BATCH = 1024

# A lone surrogate is no UTF-8; written as \udc00 it is still valid JSON, and readable elsewhere.
_ERRORS = "backslashreplace"

Row = dict[str, Any]


def export_runs(store: Store, runs: Sequence[Run], path: Path, grader: str | None = None) -> None:
    """Write the rows of ``runs`` to a file.

    Args:
        store: Where the runs are.
        runs: Whose rows, in this order.
        path: Ends in ``.jsonl``, ``.csv`` or ``.parquet``, which decides the format.
        grader: Whose verdicts: ``name@version``, or a name for its newest version; None for ``default``
            where a run has it, else another that it has, else none.

    Raises:
        StoreError: The ending is another, or the grader has not graded a run.
        OutputError: The file cannot be written.
        MissingExtraError: Parquet without pyarrow.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise StoreError(
            f"exporting to '{path}': found the ending '{path.suffix}', expected one of "
            f"{', '.join(_WRITERS)}. Give the file one of these endings"
        )
    doing = f"exporting to '{path}'"
    graders = [choose_grader(store.graders(run), grader, f"{doing} the run {run.key[:12]}") for run in runs]
    rows = (row for run, name in zip(runs, graders, strict=True) for row in _rows(store, run, name))
    with replacing(path) as temporary:
        write(temporary, track(rows, doing, sum(run.n_answers for run in runs)))


def row_record(run: Run, problem: Problem, row: StoredRow) -> Row:
    """Return one stored answer as a flat row of COLUMNS."""
    solution, verdict = row.solution, row.verdict
    return {
        "run": run.key,
        "system": run.name,
        "problems": run.problems_name,
        "problem_id": row.problem_id,
        "sample": row.sample,
        "question": problem.question,
        "gold": problem.answer,
        "response": solution.answer,
        "failure": solution.failure,
        "truncated": solution.truncated,
        **{name: getattr(verdict, name) if verdict else None for name in VERDICT_COLUMNS},
        **{name: getattr(solution.cost, name) for name in COST_COLUMNS},
    }


def _rows(store: Store, run: Run, grader: str | None) -> Iterator[Row]:
    problem: Problem | None = None
    for row in store.rows(run, grader):
        if problem is None or problem.id != row.problem_id:
            problem = store.problem(run, row.position)
        yield row_record(run, problem, row)


def _write_jsonl(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", errors=_ERRORS, newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_csv(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", errors=_ERRORS, newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_parquet(path: Path, rows: Iterable[Row]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("exporting to Parquet", "pyarrow", "parquet") from error
    kinds = dict.fromkeys(COST_COLUMNS, pa.float64()) | {"sample": pa.int64(), "truncated": pa.bool_()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    rows = iter(rows)
    with pq.ParquetWriter(path, schema) as writer:
        while batch := list(islice(rows, _BATCH)):
            columns = {name: [_utf8(row[name]) for row in batch] for name in COLUMNS}
            writer.write_batch(pa.RecordBatch.from_pydict(columns, schema=schema))


def _utf8(value: Any) -> Any:
    """Return the value; text without lone surrogates."""
    return value.encode(errors=_ERRORS).decode() if isinstance(value, str) else value


_WRITERS: dict[str, Callable[[Path, Iterable[Row]], None]] = {
    ".jsonl": _write_jsonl,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}

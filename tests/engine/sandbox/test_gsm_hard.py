"""The programs of GSM-Hard, which a model wrote: the sandbox gives CPython's answer on all of them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from calculemus.engine.sandbox import Sandbox, as_number

# CPython itself: a fresh process that runs each program as a script would, and shows what solution() returns.
PLAIN = """
import json, sys
for line in sys.stdin:
    names = {"__name__": "__main__"}
    try:
        exec(json.loads(line), names)
        print(repr(names["solution"]()))
    except Exception as problem:
        print(type(problem).__name__)
"""


@pytest.fixture(scope="module")
def rows(data_dir: Path) -> list[dict[str, Any]]:
    text = (data_dir / "gsm_hard" / "gsmhardv2.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def ask_cpython(programs: list[str]) -> list[str]:
    lines = "".join(json.dumps(program) + "\n" for program in programs)
    done = subprocess.run([sys.executable, "-I", "-c", PLAIN], input=lines, capture_output=True, text=True)
    return done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("tier", [None, "std", "sci"])
def test_every_program_gives_what_cpython_gives(
    sandbox: Sandbox, rows: list[dict[str, Any]], tier: Any
) -> None:
    programs = [row["code"] for row in rows[:: 5 if tier == "sci" else 1]]  # sci takes its time
    runs = sandbox.run_many(programs, tier=tier)
    assert [repr(run.value) for run in runs] == ask_cpython(programs)
    assert {run.status for run in runs} == {"ok"}
    if tier is None:
        assert sum(run.tier == "mini" for run in runs) >= 1300


@pytest.mark.slow
def test_every_program_reaches_the_target_of_the_data_set(
    sandbox: Sandbox, rows: list[dict[str, Any]]
) -> None:
    runs = sandbox.run_many(row["code"] for row in rows)
    found = [as_number(run.require_number().value) for run in runs]
    wrong = [row["target"] for row, value in zip(rows, found, strict=True) if value is None]
    assert wrong == []
    near = [abs(float(value or 0) - row["target"]) < 1e-3 for row, value in zip(rows, found, strict=True)]
    assert sum(near) == len(rows)

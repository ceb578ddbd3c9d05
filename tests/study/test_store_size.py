"""Large stores stay quick, in bounded memory."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.solution import Solution
from calculemus.store import Store, StoredAnswer
from calculemus.verdict import Verdict

N_ROWS = 200_000
N_RUNS = 10_000

LOOK = """
import json, re, sys, time
from calculemus.store import Store
def peak():
    # Not ru_maxrss, which begins with the peak of the process that started this one.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
before = peak()
start = time.perf_counter()
with Store.open(sys.argv[1], readonly=True) as store:
    run = store.find("large")
    starts = [0, run.n_answers // 2, run.n_answers - 50]
    pages = [[row.position for row in store.rows(run, "g@1", at, 50)] for at in starts]
    summary = store.summary(run, "g@1")
    costs = store.mean_costs(run)
seconds = time.perf_counter() - start
grown = peak() - before
print(json.dumps({"pages": pages, "summary": summary, "seconds": seconds, "grown": grown}))
"""


@pytest.mark.slow
def test_a_run_of_200000_rows_opens_pages_and_summarises_in_two_seconds(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store.open(path) as store:
        problems = ProblemSet("n", tuple(Problem(f"n/{i}", "?", "1") for i in range(N_ROWS)))
        run = store.begin({}, problems, "large")
        for low in range(0, N_ROWS, 2000):
            ids = [f"n/{i}" for i in range(low, low + 2000)]
            store.append(run, [StoredAnswer(key, 0, Solution(key + "x" * 1000)) for key in ids])
            store.record(run, "g@1", [(key, 0, Verdict("correct", "1", "rule", "g@1")) for key in ids])
    looked = subprocess.run(
        [sys.executable, "-c", LOOK, str(path)], capture_output=True, text=True, check=True
    )
    found = json.loads(looked.stdout)
    assert found["pages"] == [list(range(at, at + 50)) for at in (0, N_ROWS // 2, N_ROWS - 50)]
    assert found["summary"] == {"correct": N_ROWS, "wrong": 0, "unparsed": 0, "error": 0}
    assert found["seconds"] < 2
    # The answers are 200 MB.
    assert 0 < found["grown"] < 20e6


@pytest.mark.slow
def test_10000_runs_are_listed_with_their_counts_in_a_second(tmp_path: Path) -> None:
    problems = ProblemSet("n", tuple(Problem(f"n/{i}", "?", "1") for i in range(2)))
    with Store.open(tmp_path / "store.db") as store:
        for index in range(N_RUNS):
            run = store.begin({"index": index, "prompt": "x" * 500}, problems, f"run {index}")
            store.append(run, [StoredAnswer(p.id, 0, Solution("1")) for p in problems])
            store.record(run, "g@1", [("n/0", 0, Verdict("correct", "1", "rule", "g@1"))])
        start = time.perf_counter()
        overviews = store.overview()
        assert time.perf_counter() - start < 1
    assert [overview.run.name for overview in overviews] == [f"run {i}" for i in reversed(range(N_RUNS))]
    assert all(overview.tallies == {"g@1": {"correct": 1}} for overview in overviews)
    assert all(overview.run.n_answers == 2 for overview in overviews)

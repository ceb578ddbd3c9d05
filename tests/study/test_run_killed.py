"""A study killed without warning goes on as if nothing had happened."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calculemus.rng import Rng
from calculemus.store import Store

SCRIPT = Path(__file__).with_name("scripted_study.py")
N_ROWS = 5000
N_KILLS = 50
BATCH = 7
TABLES = ("problem_set", "problem", "answer", "verdict", "tally")
RNG = Rng(0, ("kill",))


def start(store: Path, pause: float) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(SCRIPT), str(store), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)


def finish(store: Path) -> None:
    with start(store, 0) as child:
        child.communicate(timeout=60)
    assert child.returncode == 0


def steps_stored(path: Path) -> int:
    """Count answers and verdicts; 0 before there are tables."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        try:
            answers, verdicts = (
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("answer", "verdict")
            )
        except sqlite3.OperationalError:
            return 0
        return answers + verdicts


def kill_after(path: Path, dots: int, jitter: float) -> None:
    """Run the study, and kill it ``jitter`` seconds after it has printed so many dots."""
    with start(path, 1e-4) as child:
        assert child.stdout is not None
        while dots > 0:
            read = child.stdout.read(dots)
            assert read, "the study ended before it could be killed"
            dots -= len(read)
        time.sleep(jitter)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert child.returncode == -signal.SIGKILL


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table, but for when the run was begun."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        tables = {t: connection.execute(f"SELECT * FROM {t}").fetchall() for t in TABLES}
        columns = [row[1] for row in connection.execute("PRAGMA table_info(run)") if row[1] != "created"]
        tables["run"] = connection.execute(f"SELECT {', '.join(columns)} FROM run").fetchall()
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    return tables


@pytest.mark.slow
def test_a_study_killed_at_fifty_points_leaves_the_rows_of_an_undisturbed_one(tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed.db", tmp_path / "killed.db"
    finish(undisturbed)
    generator = RNG.generator()
    points = sorted(generator.choice(2 * N_ROWS - 1000, N_KILLS, replace=False).tolist())
    stored = [0]
    for point in points:
        kill_after(killed, 1 + max(0, point - stored[-1]), generator.uniform(0, 0.003))
        stored.append(steps_stored(killed))
    assert stored == sorted(stored), "steps were lost"
    assert any(0 < n < N_ROWS for n in stored), "no kill fell into generating"
    assert any(N_ROWS < n < 2 * N_ROWS for n in stored), "no kill fell into grading"
    finish(killed)
    assert contents(killed) == contents(undisturbed)
    with Store.open(killed, readonly=True) as store:
        (run,) = store.runs()
        assert run.finished
        assert run.n_answers == N_ROWS


@pytest.mark.slow
def test_a_study_killed_while_it_makes_its_store_can_start_again(tmp_path: Path) -> None:
    generator = RNG.child("making").generator()
    for index in range(8):
        path = tmp_path / f"{index}.db"
        kill_after(path, 1, generator.uniform(0, 0.03))
        with Store.open(path) as store:
            for run in store.runs():
                assert len(store.problems(run)) == run.n_problems


def test_no_answer_is_lost_but_those_of_an_unfinished_batch(tmp_path: Path) -> None:
    kill_after(tmp_path / "store.db", 1 + 100, 0)
    assert steps_stored(tmp_path / "store.db") >= 100 - BATCH

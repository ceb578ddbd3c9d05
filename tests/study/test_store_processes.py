"""Several processes on one store."""

import multiprocessing
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pytest

from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.solution import Solution
from calculemus.store import Store, StoredAnswer
from calculemus.verdict import Verdict

N = 300
CONTEXT = multiprocessing.get_context("spawn")
PROBLEMS = ProblemSet("sums", tuple(Problem(f"sums/{i}", "?", "1") for i in range(N)))


def write_run(path: Path, name: str, ready: Barrier) -> None:
    ready.wait(60)
    with Store.open(path) as store:
        run = store.begin({"name": name}, PROBLEMS, name)
        for i in range(N):
            store.append(run, [StoredAnswer(f"sums/{i}", 0, Solution(f"{name} {i}"))])
        for i in range(N):
            store.record(run, "g@1", [(f"sums/{i}", 0, Verdict("correct", name, "rule", "g@1"))])
        store.finish(run)


def make_stores(folder: Path, n: int, together: Barrier) -> None:
    for index in range(n):
        together.wait(60)
        Store.open(folder / f"{index}.db").close()


def write_until_told(path: Path, stop: Event) -> None:
    with Store.open(path) as store:
        run = store.begin({}, PROBLEMS, "endless")
        sample = 0
        while not stop.is_set():
            store.append(run, [StoredAnswer(f"sums/{i}", sample, Solution("x" * 2000)) for i in range(N)])
            sample += 1


@pytest.mark.slow
def test_processes_write_different_runs_to_one_new_store_at_once(tmp_path: Path) -> None:
    path, names = tmp_path / "store.db", ["a", "b", "c", "d"]
    # All reach the making of the tables together.
    ready = CONTEXT.Barrier(len(names))
    writers = [CONTEXT.Process(target=write_run, args=(path, name, ready)) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * len(names)
    with Store.open(path, readonly=True) as store:
        assert sorted(run.name for run in store.runs()) == names
        for run in store.runs():
            assert run.finished
            assert [row.solution.answer for row in store.rows(run)] == [f"{run.name} {i}" for i in range(N)]
            assert store.summary(run, "g@1")["correct"] == N


@pytest.mark.slow
def test_processes_that_make_the_same_store_at_once_all_open_it(tmp_path: Path) -> None:
    together = CONTEXT.Barrier(4)
    makers = [CONTEXT.Process(target=make_stores, args=(tmp_path, 80, together)) for _ in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(60)
    assert [maker.exitcode for maker in makers] == [0] * 4
    assert len(list(tmp_path.glob("*.db"))) == 80


@pytest.mark.slow
def test_a_reader_sees_whole_batches_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    Store.open(path).close()
    stop = CONTEXT.Event()
    writer = CONTEXT.Process(target=write_until_told, args=(path, stop))
    writer.start()
    counts = []
    with Store.open(path, readonly=True) as store:
        while len(set(counts)) < 5:
            assert writer.is_alive()
            counts += [run.n_answers for run in store.runs()]
        run = store.runs()[0]
        assert len(list(store.rows(run, start=run.n_answers - 10, limit=10))) == 10
    stop.set()
    writer.join(60)
    assert writer.exitcode == 0
    assert all(count % N == 0 for count in counts)
    assert counts == sorted(counts)

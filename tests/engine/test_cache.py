"""Replies on disk: found by what was asked, charged at their first cost, safe from kills and neighbours."""

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calculemus import Budget, Cost, Problem, Rng, Solution
from calculemus.engine.cache import ReplyCache
from calculemus.engine.requests import Prefix, Sample, Sampling, Score
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.toy import ToyLM
from calculemus.errors import BudgetExceededError, StoreError

HOT = Sampling(temperature=1.0, max_tokens=5)
Steps = Generator[Any, Any, Solution]


class Tree:
    """Samples, continues each sample, scores the ends."""

    def start(self, problem: Problem, rng: Rng, capabilities: Any) -> Steps:
        first = yield Sample(problem.question, replace(HOT, max_tokens=2), 3)
        second = yield [Sample(completion.prefix, HOT, 2) for completion in first]
        scored = yield Score("A:", tuple(completion.text for reply in second for completion in reply))
        return Solution(repr((first, second, scored)))


def solve(rows: int = 64, **settings: Any) -> tuple[dict[str, Solution], ToyLM, Scheduler]:
    engine = ToyLM.random(Rng(5), rows=rows)
    scheduler = Scheduler(engine, **settings)
    asked = [(Problem(f"p/{i}", f"Q: {i}\nA:", ""), 0) for i in range(10)]
    return {name: solution for name, _, solution in scheduler.solve_all(Tree(), asked)}, engine, scheduler


def untimed(solutions: dict[str, Solution]) -> dict[str, Solution]:
    nothing = {"seconds_queue": None, "seconds_engine": None, "tokens_in": None, "tokens_cached": None}
    return {name: replace(s, cost=replace(s.cost, **nothing)) for name, s in sorted(solutions.items())}


def test_what_was_asked_is_not_asked_again_and_costs_what_it_did(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "replies.db") as cache:
        first, engine, scheduler = solve(cache=cache)
        # Equal scorings in flight are shared, and those after them come from the file.
        assert scheduler.saved.tokens_out == 0
        assert len(cache) <= engine.n_jobs
    with ReplyCache(tmp_path / "replies.db") as cache:
        again, idle, scheduler = solve(rows=3, cache=cache)
    assert idle.n_jobs == 0
    assert untimed(again) == untimed(first)
    assert scheduler.saved.tokens_out == engine.counted.tokens_out
    assert {name: s.cost.seconds_engine for name, s in again.items()} == pytest.approx(
        {name: s.cost.seconds_engine for name, s in first.items()}
    )


def test_the_cache_changes_no_result(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "replies.db") as cache:
        cached, _, _ = solve(cache=cache)
    assert untimed(cached) == untimed(solve()[0])


def test_a_budget_counts_replies_from_disk_like_others(tmp_path: Path) -> None:
    def last_step(tokens: int, cache: ReplyCache) -> list[str | None]:
        found, _, _ = solve(cache=cache, budget=Budget(tokens=tokens))
        return [solution.failure for _, solution in sorted(found.items())]

    with ReplyCache(tmp_path / "replies.db") as cache:
        fresh = last_step(34, cache)
        assert last_step(34, cache) == fresh
        assert any(failure and BudgetExceededError.__name__ in failure for failure in fresh)


def test_everything_that_changes_a_reply_is_in_its_address(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "replies.db") as cache:
        asked = [
            ("engine", Sample("x", HOT), (1,)),
            ("other", Sample("x", HOT), (1,)),
            ("engine", Sample("x", HOT), (2,)),
            ("engine", Sample("x", HOT, 2), (1,)),
            ("engine", Sample("x", replace(HOT, top_p=0.5)), (1,)),
            ("engine", Sample(Prefix("x"), HOT), (1,)),
            ("engine", Sample(Prefix("x", (1,)), HOT), (1,)),
            ("engine", Score("x", ()), ()),
            ("engine", Sample("half a pair \ud800", HOT), (1,)),
        ]
        assert len({cache.key(*each) for each in asked}) == len(asked)
        assert cache.key(*asked[0]) == cache.key("engine", Sample("x", replace(HOT)), (1,))


def test_a_reply_is_there_before_it_is_written_and_after(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "replies.db") as cache:
        address = cache.key("e", Sample("x"), (0,))
        assert cache.get(address) is None
        cache.put(address, (0.5, None), Cost(tokens_in=3))
        for _ in range(2):
            kept = cache.get(address)
            assert kept is not None
            assert (kept.reply, kept.cost) == ((0.5, None), Cost(tokens_in=3))
            cache.flush()
        cache.put(address, (0.7,), Cost())
        cache.flush()
        assert cache.get(address) == kept, "a reply is never changed"


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE precious (x)")
    with pytest.raises(StoreError, match="another program"):
        ReplyCache(path)
    (tmp_path / "text.db").write_text("no database at all, but long enough to be looked at" * 20)
    with pytest.raises(StoreError, match="not a database"):
        ReplyCache(tmp_path / "text.db")


WRITER = """
import sys
from calculemus import Cost
from calculemus.engine.cache import ReplyCache
from calculemus.engine.requests import Sample
path, name, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
with ReplyCache(path) as cache:
    for i in range(n):
        cache.put(cache.key(name, Sample(str(i)), (i,)), (float(i),), Cost(tokens_out=i))
        cache.put(cache.key("both", Sample(str(i)), (i,)), (float(i),), Cost(tokens_out=i))
        if i % 10 == 0:
            cache.flush()
            print(i, flush=True)
"""


def start(path: Path, name: str, n: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(path), name, str(n)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_two_processes_write_to_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "replies.db"
    writers = [start(path, name, 300) for name in ("a", "b")]
    assert [writer.communicate(timeout=60) and writer.returncode for writer in writers] == [0, 0]
    with ReplyCache(path) as cache:
        assert len(cache) == 900


@pytest.mark.slow
def test_a_kill_loses_nothing_that_was_written_and_breaks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "replies.db"
    waits = Rng(1, ("kill",)).generator().uniform(0, 0.02, 8).tolist()
    for round_, wait in enumerate(waits):
        with start(path, f"round {round_}", 100_000) as writer:
            assert writer.stdout is not None
            for _ in range(3):
                told = int(writer.stdout.readline())
            time.sleep(wait)
            writer.send_signal(signal.SIGKILL)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            for (text,) in connection.execute("SELECT reply FROM reply"):
                json.loads(text)
        with ReplyCache(path) as cache:
            for i in range(told + 1):
                kept = cache.get(cache.key(f"round {round_}", Sample(str(i)), (i,)))
                assert kept is not None
                assert kept.reply == (float(i),)

"""Runs are listed newest first, and found by their names and keys."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from calculemus.errors import StoreError
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.store import Store, default_store_path

PROBLEMS = ProblemSet("one", (Problem("one/0", "?", "1"),))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db") as opened:
        yield opened


def test_runs_are_listed_newest_first(store: Store) -> None:
    runs = [store.begin({"spec": spec}, PROBLEMS, f"system {spec}") for spec in "abc"]
    assert [run.key for run in store.runs()] == [run.key for run in reversed(runs)]
    assert [run.name for run in store.runs(limit=2)] == ["system c", "system b"]
    assert [overview.run for overview in store.overview(1)] == store.runs(1)


def test_a_run_is_found_by_the_start_of_its_key_or_as_the_newest_of_its_name(store: Store) -> None:
    runs = [store.begin({"spec": i}, PROBLEMS, f"name {i % 2}") for i in range(60)]
    assert store.find("name 0").key == runs[58].key
    for run in runs:
        others = [other.key for other in runs if other is not run]
        unique = next(n for n in range(1, 33) if not any(key.startswith(run.key[:n]) for key in others))
        assert store.find(run.key[:unique]).key == run.key
        assert store.find(run.key.upper()).key == run.key
        if unique > 1:
            with pytest.raises(StoreError, match=r"several keys start like this: .*Give more of the key"):
                store.find(run.key[: unique - 1])


@pytest.mark.parametrize("asked", ["system aa", "", "%", "zz"])
def test_a_run_that_is_not_found_is_answered_with_near_names(store: Store, asked: str) -> None:
    with pytest.raises(StoreError, match=r"there is none.*the store has no runs yet.*calculemus runs"):
        store.find(asked)
    store.begin({}, PROBLEMS, "system a")
    with pytest.raises(StoreError, match=r"there is none.*for example system a\."):
        store.find(asked)


def test_the_default_store_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALCULEMUS_STORE", "/named/file.db")
    assert default_store_path() == Path("/named/file.db")
    monkeypatch.delenv("CALCULEMUS_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_store_path() == Path("/data/calculemus/store.db")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_store_path() == Path("/home/someone/.local/share/calculemus/store.db")

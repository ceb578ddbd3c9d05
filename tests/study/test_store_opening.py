"""Opening what is a store, what is none, and what may not be opened."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import calculemus
from calculemus.errors import StoreError
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.solution import Solution
from calculemus.store import Store, StoredAnswer, connection
from calculemus.store.schema import APPLICATION_ID, SCHEMA_VERSION

PROBLEMS = ProblemSet("one", (Problem("one/0", "1?", "1"),))
NOBODY = 65534


def make(path: Path) -> Path:
    with Store.open(path) as store:
        store.append(store.begin({}, PROBLEMS, "a"), [StoredAnswer("one/0", 0, Solution("1"))])
    return path


def read_as_nobody(path: Path, *, readonly: bool) -> "subprocess.CompletedProcess[str]":
    """Read a store's answers in a process without the right to write to its folder."""
    script = (
        "import os, sys\n"
        "from calculemus.store import Store\n"
        "if os.getuid() == 0: os.setuid(int(sys.argv[3]))\n"
        "with Store.open(sys.argv[1], readonly=sys.argv[2] == 'True') as store:\n"
        "    print([row.solution.answer for row in store.rows(store.find('a'))])\n"
    )
    command = [sys.executable, "-c", script, str(path), str(readonly), str(NOBODY)]
    source = Path(calculemus.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own are closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="closed-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_new_store_is_made_with_its_folder(tmp_path: Path) -> None:
    path = make(tmp_path / "some" / "folder" / "store.db")
    with contextlib.closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert raw.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert raw.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    with Store.open(str(path), create=False) as store:
        assert len(store.runs()) == 1


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()
    with pytest.raises(StoreError, match="it is empty; expected a store with earlier results"):
        Store.open(path, readonly=True)
    make(path)


@pytest.mark.parametrize("options", [{"create": False}, {"readonly": True}])
def test_no_store_is_made_where_none_is_wanted(tmp_path: Path, options: dict[str, bool]) -> None:
    path = tmp_path / "folder" / "store.db"
    with pytest.raises(StoreError, match=r"no such file.*Run 'calculemus compare' first"):
        Store.open(path, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_named_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be read as a header\n" * 100)
    before = path.read_bytes()
    for options in ({}, {"readonly": True}):
        with pytest.raises(StoreError, match=r"notes\.txt: SQLite found 'file is not a database'.*Expected"):
            Store.open(path, **options)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE run (id)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"another program \(application id 0, 1 table.*expected"):
        Store.open(path)
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("DROP TABLE run")
        raw.execute("PRAGMA application_id = 7")
    with pytest.raises(StoreError, match="application id 7"):
        Store.open(path)
    assert before[:16] == path.read_bytes()[:16]
    assert [p.name for p in tmp_path.iterdir()] == ["other.db"]


@pytest.mark.parametrize(
    ("version", "advice"), [(SCHEMA_VERSION + 1, "upgrade calculemus"), (SCHEMA_VERSION - 1, "export it")]
)
@pytest.mark.parametrize("readonly", [False, True])
def test_a_store_of_another_version_names_both_and_is_kept(
    tmp_path: Path, version: int, advice: str, readonly: bool
) -> None:
    path = make(tmp_path / "store.db")
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    message = f"store.db: found schema version {version}, expected {SCHEMA_VERSION}.*{advice}"
    with pytest.raises(StoreError, match=message):
        Store.open(path, readonly=readonly)
    assert path.read_bytes() == before


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="it is a folder; expected a file"):
        Store.open(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"making the folder .*/file of a store: File exists; expected"):
        Store.open(tmp_path / "file" / "store.db")


def test_a_store_opened_for_reading_refuses_to_write(tmp_path: Path) -> None:
    with Store.open(make(tmp_path / "store.db"), readonly=True) as store:
        run = store.find("a")
        assert store.begin({}, PROBLEMS, "a") == run
        for write in (
            lambda: store.begin({"new": 1}, PROBLEMS, "b"),
            lambda: store.append(run, [StoredAnswer("one/0", 1, Solution("1"))]),
            lambda: store.finish(run),
        ):
            with pytest.raises(StoreError, match="readonly database"):
                write()


def test_a_torn_store_says_that_it_is_unsound(tmp_path: Path) -> None:
    path = make(tmp_path / "store.db")
    path.write_bytes(path.read_bytes()[:5000])
    with (
        pytest.raises(StoreError, match=r"malformed.*restore the file from a copy"),
        Store.open(path) as store,
    ):
        list(store.rows(store.find("a")))


def test_a_store_that_another_process_holds_says_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "store.db")
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.05)
    with contextlib.closing(sqlite3.connect(path)) as other, Store.open(path) as store:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"writing answers to the store .*locked.*wait for them"):
            store.append(store.find("a"), [StoredAnswer("one/0", 1, Solution("1"))])
        assert len(list(store.rows(store.find("a")))) == 1
        other.execute("COMMIT")
        store.append(store.find("a"), [StoredAnswer("one/0", 1, Solution("1"))])


def test_making_a_store_that_another_process_keeps_reading_says_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "store.db")
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.05)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM run").fetchall()
        with pytest.raises(StoreError, match=r"opening the store .*locked.*wait for them"):
            Store.open(path)
        other.execute("COMMIT")
    Store.open(path).close()
    with contextlib.closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_full_disk_loses_nothing_that_was_stored(tmp_path: Path) -> None:
    path = make(tmp_path / "store.db")
    with Store.open(path) as store:
        # SQLite's own limit of the file gives the same error as a full disk.
        store._connection.execute("PRAGMA max_page_count = 40")
        with pytest.raises(StoreError, match=r"full.*free space on the disk.*nothing stored is lost"):
            store.append(store.find("a"), [StoredAnswer("one/0", 1, Solution("x" * 10**6))])
        assert [row.sample for row in store.rows(store.find("a"))] == [0]


def test_a_store_in_a_folder_without_write_access_can_be_read_and_not_opened_for_writing(
    closed_folder: Path,
) -> None:
    path = make(closed_folder / "store.db")
    path.chmod(0o644)
    closed_folder.chmod(0o555)
    reading = read_as_nobody(path, readonly=True)
    assert reading.stdout == "['1']\n", reading.stderr
    writing = read_as_nobody(path, readonly=False)
    assert "StoreError: opening the store" in writing.stderr
    assert "that this user may write" in writing.stderr
    missing = read_as_nobody(closed_folder / "new.db", readonly=False)
    assert "unable to open database file" in missing.stderr
    assert "that this user may write" in missing.stderr

"""The queue: jobs in an SQLite file beside the store, and a folder of what each of them wrote."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from calculemus.errors import PageError
from calculemus.store.connection import store_errors, transaction

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
OPEN = (WAITING, RUNNING)

_TABLE = """
    CREATE TABLE IF NOT EXISTS job (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        title TEXT NOT NULL,
        arguments TEXT NOT NULL,
        status TEXT NOT NULL,
        created TEXT NOT NULL,
        started TEXT,
        ended TEXT,
        pid INTEGER,
        code INTEGER,
        reason TEXT,
        is_unwanted INTEGER NOT NULL DEFAULT 0
    )
"""
_COLUMNS = "id, kind, title, arguments, status, created, started, ended, pid, code, reason, is_unwanted"


@dataclass(frozen=True, slots=True)
class Job:
    """One command.

    Attributes:
        id: Its number, from 1.
        kind: ``claim`` or ``comparison``.
        title: What a list calls it.
        arguments: Of the command ``calculemus``.
        status: One of the five above.
        created: When it was asked for, ISO 8601, UTC; so are the next two.
        started: When it began; None before.
        ended: When it was over; None before.
        pid: Of its process; None before it began.
        code: How its process ended.
        reason: Why it failed, where the process does not say.
        is_unwanted: Whether somebody has cancelled it.
    """

    id: int
    kind: str
    title: str
    arguments: tuple[str, ...]
    status: str
    created: str
    started: str | None
    ended: str | None
    pid: int | None
    code: int | None
    reason: str | None
    is_unwanted: bool

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs."""
        return self.status in OPEN


class Queue:
    """Jobs in a file; safe to use from many threads and processes.

    Args:
        store: The results store; the queue lies beside it.
    """

    def __init__(self, store: Path) -> None:
        self.path = store.with_name(f"{store.name}.jobs")
        self.folder = store.with_name(f"{store.name}.jobs-output")

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with (
            store_errors("reading the queue beside", self.path),
            closing(sqlite3.connect(self.path)) as opened,
        ):
            opened.isolation_level = None
            opened.execute("PRAGMA journal_mode = WAL")
            opened.execute(_TABLE)
            yield opened

    def add(self, kind: str, title: str, arguments: Sequence[str]) -> Job:
        """Put a command at the end of the queue."""
        with self._connected() as opened:
            added = opened.execute(
                "INSERT INTO job (kind, title, arguments, status, created) VALUES (?, ?, ?, ?, ?)",
                (kind, title, json.dumps(list(arguments)), WAITING, _now()),
            )
            return self._one(opened, added.lastrowid)

    def get(self, number: int) -> Job:
        """Return a job.

        Raises:
            PageError: There is none of that number.
        """
        with self._connected() as opened:
            return self._one(opened, number)

    def _one(self, opened: sqlite3.Connection, number: int | None) -> Job:
        found = opened.execute(f"SELECT {_COLUMNS} FROM job WHERE id = ?", (number,)).fetchone()
        if found is None:
            raise PageError(
                f"showing the work {number}: the queue has none of that number; expected one of the "
                "list of work"
            )
        return _read(found)

    def newest(self, limit: int, before: int | None = None) -> list[Job]:
        """Return jobs, newest first: those with a smaller number than ``before``, or the newest."""
        if not self.path.is_file():
            return []
        condition = "WHERE id < ?" if before is not None else "WHERE ? IS NULL"
        with self._connected() as opened:
            found = opened.execute(
                f"SELECT {_COLUMNS} FROM job {condition} ORDER BY id DESC LIMIT ?", (before, limit)
            )
            return [_read(columns) for columns in found]

    def begin_next(self) -> Job | None:
        """Mark the oldest job that waits as running and return it; None where none waits."""
        with self._connected() as opened, transaction(opened):
            found = opened.execute(
                "SELECT id FROM job WHERE status = ? ORDER BY id LIMIT 1", (WAITING,)
            ).fetchone()
            if found is None:
                return None
            opened.execute("UPDATE job SET status = ?, started = ? WHERE id = ?", (RUNNING, _now(), found[0]))
            return self._one(opened, found[0])

    def running(self) -> list[Job]:
        """Return the jobs that are marked as running, whoever runs them."""
        with self._connected() as opened:
            found = opened.execute(f"SELECT {_COLUMNS} FROM job WHERE status = ?", (RUNNING,))
            return [_read(columns) for columns in found]

    def note_process(self, job: Job, pid: int) -> None:
        """Keep a job's process."""
        with self._connected() as opened:
            opened.execute("UPDATE job SET pid = ? WHERE id = ?", (pid, job.id))

    def end(self, job: Job, status: str, code: int | None = None, reason: str | None = None) -> None:
        """Mark a job as over."""
        with self._connected() as opened:
            opened.execute(
                "UPDATE job SET status = ?, code = ?, reason = ?, ended = ? WHERE id = ?",
                (status, code, reason, _now(), job.id),
            )

    def cancel(self, number: int) -> Job:
        """Ask that a job end: at once where it waits, soon where it runs; one that is over stays as it is."""
        with self._connected() as opened, transaction(opened):
            job = self._one(opened, number)
            if job.status == WAITING:
                opened.execute(
                    "UPDATE job SET status = ?, ended = ?, is_unwanted = 1 WHERE id = ?",
                    (CANCELLED, _now(), number),
                )
            elif job.status == RUNNING:
                opened.execute("UPDATE job SET is_unwanted = 1 WHERE id = ?", (number,))
            return self._one(opened, number)

    def place(self, job: Job, name: str) -> Path:
        """Return a file of a job: ``stdout``, ``stderr`` or ``events``."""
        return self.folder / str(job.id) / name


def _read(columns: Sequence[Any]) -> Job:
    named = dict(zip(_COLUMNS.split(", "), columns, strict=True))
    arguments = tuple(json.loads(named.pop("arguments")))
    return Job(arguments=arguments, is_unwanted=bool(named.pop("is_unwanted")), **named)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

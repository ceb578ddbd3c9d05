"""Opening a store's file: finding it, checking that it is one, making it, and saying what went wrong."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calculemus.errors import StoreError
from calculemus.files import data_folder
from calculemus.store.schema import APPLICATION_ID, SCHEMA_VERSION, STATEMENTS

BUSY_SECONDS = 30.0
"""How long to wait for another process that is writing."""


def default_store_path() -> Path:
    """Return $CALCULEMUS_STORE, else ``calculemus/store.db`` in the user's data folder."""
    named = os.environ.get("CALCULEMUS_STORE")
    if named:
        return Path(named)
    return data_folder() / "store.db"


@contextmanager
def store_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn what SQLite raises in the block into a StoreError that says what was being done."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{doing} the store {path}: SQLite found '{error}'. {_advice(error)}") from error


def _advice(error: sqlite3.Error) -> str:
    """Say what was expected and what to do about SQLite's message."""
    text = str(error)
    if "not a database" in text:
        return "Expected an SQLite file written by calculemus; name another file"
    if "locked" in text or "busy" in text:
        return (
            f"Expected other writers to finish within {BUSY_SECONDS:.0f} s; wait for them and run this again"
        )
    if "unable to open" in text or "readonly" in text:
        return (
            "Expected a file, in a folder, that this user may write; change the rights or name another file"
        )
    if "full" in text:
        return "Expected free space on the disk; make some and run this again: nothing stored is lost"
    return "Expected a sound store; check the disk, or restore the file from a copy"


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write all of the block or, if it raises, nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def connect(path: Path, create: bool, readonly: bool) -> sqlite3.Connection:
    """Open the store at ``path`` and make its tables if it is new.

    Raises:
        StoreError: There is no such file and none may be made; it is not a store, or of another version; or
            the file system refuses.
    """
    _prepare(path, create and not readonly)
    with store_errors("opening", path):
        connection = _open(path, readonly)
        try:
            connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
            # With a write-ahead log, NORMAL loses nothing when a process is killed; only a power cut can
            # take the newest rows, and a resumed run then makes them again.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            if _is_empty(connection, path):
                _create(connection, path, readonly)
            if not readonly:
                log_ahead(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(path: Path, create: bool) -> None:
    """Check that the file is there, or that its folder is."""
    if path.is_dir():
        raise StoreError(f"opening the store {path}: it is a folder; expected a file. Name a file in it")
    if path.exists():
        return
    if not create:
        raise StoreError(
            f"opening the store {path}: there is no such file; expected a store with earlier results. "
            f"Run 'calculemus compare' first, or name another file with --store"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"making the folder {path.parent} of a store: {error.strerror}; expected a folder that this user "
            f"may write. Change the rights, or name another file with --store"
        ) from error


def _open(path: Path, readonly: bool) -> sqlite3.Connection:
    """Connect; a read-only store in a read-only folder is taken as immutable."""
    uri = path.resolve().as_uri()
    if not readonly:
        return _connect(f"{uri}?mode=rwc")
    connection = _connect(f"{uri}?mode=ro")
    try:
        connection.execute("PRAGMA user_version")
    except sqlite3.OperationalError:
        connection.close()
        # Readers of a write-ahead log share an index file, which they cannot make here. Without a log
        # there is no writer either, and the file can be read as it is.
        if Path(f"{path}-wal").exists():
            raise
        return _connect(f"{uri}?immutable=1")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(uri: str) -> sqlite3.Connection:
    # One thread at a time uses the connection, but not always the thread that made it.
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _is_empty(connection: sqlite3.Connection, path: Path) -> bool:
    """Say whether the file has no tables yet; refuse files of other programs and versions."""
    # One transaction: another process may be making the tables.
    connection.execute("SAVEPOINT header")
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    connection.execute("RELEASE header")
    if application == APPLICATION_ID:
        if version != SCHEMA_VERSION:
            newer = version > SCHEMA_VERSION
            raise StoreError(
                f"opening the store {path}: found schema version {version}, expected {SCHEMA_VERSION}. "
                f"It was written by {'a newer' if newer else 'an older'} calculemus: "
                + ("upgrade calculemus" if newer else "export it with that version")
                + ", or name another file with --store"
            )
        return False
    if application or tables:
        raise StoreError(
            f"opening the store {path}: found an SQLite file of another program (application id "
            f"{application}, {tables} tables and indices), expected one of calculemus "
            f"({APPLICATION_ID}). Name another file with --store"
        )
    return True


def _create(connection: sqlite3.Connection, path: Path, readonly: bool) -> None:
    """Make the tables, unless another process just did."""
    if readonly:
        raise StoreError(
            f"opening the store {path}: it is empty; expected a store with earlier results. "
            f"Run 'calculemus compare' first, or name another file with --store"
        )
    with transaction(connection):
        if not _is_empty(connection, path):
            return
        for statement in STATEMENTS:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def log_ahead(connection: sqlite3.Connection) -> None:
    """Switch the file to a write-ahead log, with which readers and a writer do not wait for each other."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            # For this switch alone SQLite does not wait for other processes by itself.
            if time.monotonic() > end:
                raise
            time.sleep(0.01)

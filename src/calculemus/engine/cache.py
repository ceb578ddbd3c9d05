"""Replies on disk, by content address: what was asked of which engine with which seeds is not asked again.

One SQLite file with a write-ahead log: several processes may use it at once, and a kill at any moment loses
at most what was not flushed; the scheduler flushes before it waits. Several runs may share a file; a reply is
never changed.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from calculemus.cost import Cost
from calculemus.engine.requests import Request
from calculemus.engine.wire import pack, unpack
from calculemus.errors import StoreError
from calculemus.params import canonical_json
from calculemus.store.connection import BUSY_SECONDS, log_ahead, transaction

APPLICATION_ID = 0x434C4D52  # "CLMR"
FORMAT = 1  # part of every address: raised when requests or replies are written in another way

_TABLE = "CREATE TABLE IF NOT EXISTS reply (address BLOB PRIMARY KEY, reply TEXT NOT NULL) WITHOUT ROWID"
_PUT = "INSERT INTO reply (address, reply) VALUES (?, ?) ON CONFLICT (address) DO NOTHING"
_GET = "SELECT reply FROM reply WHERE address = ?"


@dataclass(frozen=True, slots=True)
class Kept:
    """A reply and what it cost when it was made."""

    reply: Any
    cost: Cost


class ReplyCache:
    """Replies in one file.

    Raises:
        StoreError: The file cannot be opened, is of another program, or cannot be read or written.

    Example:
        >>> import tempfile
        >>> from calculemus.engine.requests import Embed
        >>> with tempfile.TemporaryDirectory() as folder, ReplyCache(f"{folder}/replies.db") as cache:
        ...     address = cache.key("engine's digest", Embed(("a",)), ())
        ...     cache.put(address, ((0.5, 0.25),), Cost(tokens_in=1))
        ...     cache.get(address).reply
        ((0.5, 0.25),)
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._new: dict[bytes, str] = {}
        with self._errors("opening"):
            self._open()

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            with transaction(self._connection):  # another process may be making the file
                self._check()
                self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self._connection.execute(_TABLE)
            log_ahead(self._connection)
            self._connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            self._connection.close()
            raise

    def _check(self) -> None:
        application = self._connection.execute("PRAGMA application_id").fetchone()[0]
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application != APPLICATION_ID and (application or tables):
            raise StoreError(
                f"opening the replies {self.path}: found an SQLite file of another program (application id "
                f"{application}); expected one of calculemus ({APPLICATION_ID}). Name another file"
            )

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"{doing} the replies {self.path}: found '{error}'; expected an SQLite file that this user "
                "may write, and no other writer for long. Check the file, or name another"
            ) from error

    def key(self, engine: str, request: Request, seeds: tuple[int, ...]) -> bytes:
        """Return the address of a reply.

        Args:
            engine: The engine's digest.
            request: What is asked.
            seeds: Of the request's rows.
        """
        asked = canonical_json([FORMAT, engine, pack(request), list(seeds)])
        return hashlib.blake2b(asked.encode(errors="surrogatepass"), digest_size=16).digest()

    def get(self, address: bytes) -> Kept | None:
        """Return what was kept under an address."""
        text = self._new.get(address)
        if text is None:
            with self._errors("reading"):
                found = self._connection.execute(_GET, (address,)).fetchone()
            if found is None:
                return None
            text = found[0]
        reply, cost = json.loads(text)
        return Kept(unpack(reply), unpack(cost))

    def put(self, address: bytes, reply: Any, cost: Cost) -> None:
        """Keep a reply, on disk from the next flush on; one that is there already stays."""
        self._new[address] = json.dumps([pack(reply), pack(cost)], separators=(",", ":"))

    def flush(self) -> None:
        """Write what is not written yet."""
        rows, self._new = self._new, {}
        if rows:
            with self._errors("writing"), transaction(self._connection):
                self._connection.executemany(_PUT, rows.items())

    def __len__(self) -> int:
        with self._errors("counting"):
            self.flush()
            return self._connection.execute("SELECT count(*) FROM reply").fetchone()[0]

    def close(self) -> None:
        """Write what is not written yet and close the file."""
        self.flush()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

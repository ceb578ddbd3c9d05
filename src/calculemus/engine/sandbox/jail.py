"""The tiers ``std`` and ``sci``: real CPython, a fresh process in a jail for every run.

One parent process per tier imports the library once and goes to jail; each run is a fork of it. What comes
back over a run's socket is the word of a program, and is read as such.
"""

import json
import math
import signal
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from calculemus.engine.sandbox.inside import wire
from calculemus.engine.sandbox.inside.encode import encode
from calculemus.engine.sandbox.limits import Limits
from calculemus.engine.sandbox.look import Plan
from calculemus.engine.sandbox.outcome import Outcome, bad_reply, read_report
from calculemus.engine.sandbox.parent import Cell, Parent
from calculemus.engine.sandbox.record import Tier
from calculemus.errors import SandboxBrokenError, SandboxError, SandboxUnavailableError

_GRACE_SECONDS = 10.0  # how much later than promised a loaded machine may answer
_END_SECONDS = 1.0  # how long a killed process may take to die before it is left to its parent
_LARGEST_RECORD = 4096
_HEAD = 4


def write_request(plan: Plan, inputs: Mapping[str, Any], limits: Limits, seed: int) -> bytes:
    """Write what the child is sent."""
    return wire.frame(
        {
            "source": plan.source,
            "entry": plan.entry,
            "arguments": plan.arguments,
            "variables": plan.variables,
            "inputs": encode(dict(inputs)),
            "seed": seed,
            "hosts": plan.hosting.names if plan.hosting is not None else (),
            "replies": encode(list(plan.hosting.replies if plan.hosting is not None else ())),
            "limits": {
                "output_bytes": limits.output_bytes,
                "value_bytes": limits.value_bytes,
                "recursion": limits.recursion,
            },
        }
    )


def _longest_reply(limits: Limits) -> int:
    return _HEAD + limits.value_bytes + 8 * limits.output_bytes + _LARGEST_RECORD


def _is_whole(received: bytes | bytearray) -> bool:
    """Say whether there is one frame, and nothing behind it."""
    return len(received) >= _HEAD and len(received) == _HEAD + int.from_bytes(received[:_HEAD], "big")


def _died(record: Mapping[str, Any], limits: Limits, seconds: float) -> Outcome:
    """Say what became of a child that ended without a word."""
    code, peak = record["exit"], record["peak_bytes"]
    if code >= 0:
        error = f"the program's process ended with code {code} before it gave a value"
        return Outcome("crashed", error_kind="no_reply", error=error, seconds=seconds, peak_bytes=peak)
    if record["cpu_seconds"] >= limits.cpu_seconds:
        return _timeout("cpu", limits, seconds, peak)
    error = f"the program's process died of signal {-code} ({signal.strsignal(-code)})"
    return Outcome("crashed", error_kind="killed", error=error, seconds=seconds, peak_bytes=peak)


def _timeout(which: str, limits: Limits, seconds: float, peak: int | None) -> Outcome:
    what = "processor" if which == "cpu" else "wall-clock"
    allowed = limits.cpu_seconds if which == "cpu" else limits.wall_seconds
    error = f"the program ran longer than {allowed:g} {what} seconds"
    return Outcome("timeout", error_kind=which, error=error, seconds=seconds, peak_bytes=peak)


class Child:
    """A child that is alive: one run, or the blocks of a session.

    Raises:
        SandboxBrokenError: From every call, when the jail itself has broken down.
    """

    def __init__(self, cell: Cell, limits: Limits) -> None:
        self._cell = cell
        self._limits = limits
        self._started = time.perf_counter()
        self._blocks = 0
        self.is_alive = True

    def once(self, request: bytes) -> Outcome:
        """Run a program and let the child end."""
        self._send(request)
        with suppress(OSError):  # it may have ended already
            self._cell.data.shutdown(socket.SHUT_WR)
        return self._conclude(self._receive(stop_at_frame=False))

    def block(self, request: bytes) -> Outcome:
        """Run a block of a session; the child stays, if it can."""
        if self._blocks:
            self._started = time.perf_counter()
            self._order(b"again")
        self._blocks += 1
        self._send(request)
        reply = self._receive(stop_at_frame=True)
        if not _is_whole(reply):
            return self._conclude(reply)
        self._order(b"idle")
        return self._read(reply, None)

    def close(self) -> None:
        """Kill the child, if it is still there, and see it dead."""
        if self.is_alive:
            self.is_alive = False
            with suppress(OSError):  # the parent is gone, and all its children with it
                self._cell.leash.shutdown(socket.SHUT_WR)
                self._cell.leash.settimeout(_END_SECONDS)
                self._cell.leash.recv(_LARGEST_RECORD)
        self._cell.close()

    def _seconds(self) -> float:
        return time.perf_counter() - self._started

    def _order(self, order: bytes) -> None:
        with suppress(OSError):  # a child that is gone needs no orders
            self._cell.leash.send(order)

    def _send(self, request: bytes) -> None:
        self._cell.data.settimeout(self._limits.wall_seconds + _GRACE_SECONDS)
        with suppress(OSError):  # it has died: its parent tells why
            self._cell.data.sendall(request)

    def _receive(self, *, stop_at_frame: bool) -> bytes:
        """Read to the end of the stream or of one frame, or until it is more than can be meant."""
        deadline = self._started + self._limits.wall_seconds + _GRACE_SECONDS
        longest = _longest_reply(self._limits)
        received = bytearray()
        while len(received) <= longest and not (stop_at_frame and _is_whole(received)):
            self._cell.data.settimeout(max(deadline - time.perf_counter(), 1e-3))
            try:
                part = self._cell.data.recv(1 << 16)
            except TimeoutError:
                raise SandboxBrokenError("sandbox: waiting for a program: its processes are silent") from None
            except ConnectionError:
                part = b""
            if not part:
                break
            received += part
        return bytes(received)

    def _record(self) -> dict[str, Any]:
        """Wait for the parent's word on how the child ended."""
        self._cell.leash.settimeout(self._limits.wall_seconds + _GRACE_SECONDS)
        try:
            record = self._cell.leash.recv(_LARGEST_RECORD)
        except OSError:
            record = b""
        self.is_alive = False
        if not record:
            raise SandboxBrokenError("sandbox: waiting for a program: its processes have died")
        return json.loads(record)

    def _conclude(self, reply: bytes) -> Outcome:
        """Read the last reply of a child that has ended, or must."""
        if len(reply) > _longest_reply(self._limits):
            self.close()
            return bad_reply("does not end", self._seconds(), None)
        record = self._record()
        seconds, verdict = self._seconds(), record["verdict"]
        self.close()
        if verdict == "failed":
            raise SandboxError(
                f"sandbox: forking a process for a program: {record['error']}. Run fewer at once"
            )
        if verdict in ("cpu", "wall"):
            return _timeout(verdict, self._limits, seconds, record["peak_bytes"])
        return self._read(reply, record["peak_bytes"]) if reply else _died(record, self._limits, seconds)

    def _read(self, reply: bytes, peak: int | None) -> Outcome:
        seconds = self._seconds()
        if not _is_whole(reply):
            return bad_reply("is not one frame", seconds, peak)
        try:
            report = json.loads(reply[_HEAD:])
        except (ValueError, RecursionError) as problem:
            return bad_reply(f"cannot be read ({problem})", seconds, peak)
        return read_report(report, seconds, peak)


class Jail:
    """A tier with isolation; safe to use from many threads."""

    def __init__(self, tier: Tier) -> None:
        self._tier: Tier = tier
        self._lock = threading.Lock()
        self._parent: Parent | None = None
        self._refusal: str | None = None

    def start(self) -> Parent:
        """Return the parent process, started if there is none that lives.

        Raises:
            SandboxUnavailableError: This machine cannot isolate.
        """
        with self._lock:
            if self._refusal is not None:  # a machine does not change its mind
                raise SandboxUnavailableError(self._refusal)
            if self._parent is not None and not self._parent.is_alive:
                self._parent.close()
                self._parent = None
            if self._parent is None:
                try:
                    self._parent = Parent(self._tier)
                except SandboxUnavailableError as refusal:
                    self._refusal = str(refusal)
                    raise
            return self._parent

    def _lose(self, parent: Parent) -> None:
        """Forget a parent process that is no good any more."""
        with self._lock:
            if self._parent is parent:
                self._parent = None
        parent.close()

    def _fork(self, parent: Parent, limits: Limits, *, once: bool) -> Child:
        memory = limits.sci_memory_bytes if self._tier == "sci" else limits.memory_bytes
        resources = {
            "cpu_seconds": limits.cpu_seconds,
            "cpu_total": math.ceil(limits.cpu_seconds) + 1 if once else None,
            "wall_seconds": limits.wall_seconds,
            "memory_bytes": memory,
        }
        return Child(parent.fork(resources), limits)

    def run(self, plan: Plan, inputs: Mapping[str, Any], limits: Limits, seed: int) -> Outcome:
        """Run one program in a process of its own."""
        request = write_request(plan, inputs, limits, seed)
        for _ in range(2):
            parent = self.start()
            try:
                child = self._fork(parent, limits, once=True)
                try:
                    return child.once(request)
                finally:
                    child.close()
            except SandboxBrokenError:
                self._lose(parent)
        return GONE

    def open(self, limits: Limits) -> Child:
        """Return a child for the blocks of a session."""
        for _ in range(2):
            parent = self.start()
            try:
                return self._fork(parent, limits, once=False)
            except SandboxBrokenError:
                self._lose(parent)
        raise SandboxError(
            f"sandbox: starting a session on '{self._tier}': its processes die. Free some memory"
        )

    def close(self) -> None:
        """End the parent process and all runs."""
        with self._lock:
            parent, self._parent = self._parent, None
        if parent is not None:
            parent.close()


GONE = Outcome(
    "crashed",
    error_kind="killed",
    error="the program's process died twice together with its parent: the machine may be out of memory",
)

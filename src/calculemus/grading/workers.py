"""Calls that can be killed: functions run in worker processes under a wall-clock and a memory limit.

A signal does not interrupt a big-integer power inside C code, and works only in the main thread. Killing a
process always works. ``call`` may be used from any thread and in any process; a process that was forked
from a caller gets workers of its own. No worker outlives its caller.
"""

import atexit
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from calculemus.errors import WorkerFailedError, WorkerTimeoutError
from calculemus.grading.nursery import FORK, KILL, ORDER, receive_frame, send_frame

BOOT_SECONDS = 60.0  # importing takes under one second; a loaded machine may take many
CALLS_PER_WORKER = 1000  # a fresh worker then frees what the libraries' caches have gathered


class _Worker:
    """The caller's end of one worker process."""

    def __init__(self, nursery: "_Nursery", pid: int, channel: socket.socket) -> None:
        self.nursery = nursery
        self.pid = pid
        self.channel = channel
        self.calls = 0

    def is_alive(self) -> bool:
        """Return whether the channel is silent while no call is open: an end of file is not."""
        self.channel.settimeout(0)
        try:
            self.channel.recv(1)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def ask(self, request: bytes, seconds: float) -> tuple[bool, Any]:
        """Return (True, result) or (False, cause)."""
        self.calls += 1
        deadline = time.monotonic() + seconds
        self.channel.settimeout(max(seconds, 1e-6))
        send_frame(self.channel, request)
        return pickle.loads(receive_frame(self.channel, deadline))


class _Nursery:
    """The caller's end of the process that forks workers."""

    def __init__(self) -> None:
        self.control, theirs = socket.socketpair()
        # Same modules as here, whatever the folder; fixed hashes, so that set order changes no verdict.
        path = os.pathsep.join(entry for entry in sys.path if os.path.isabs(entry))
        command = [sys.executable, "-P", "-W", "ignore", "-m", "calculemus.grading.nursery"]
        with theirs:
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"},
                start_new_session=True,  # Ctrl-C is for the caller, who then closes the control socket
            )
        self._is_ready = False

    def await_ready(self) -> None:
        """Wait until the libraries are loaded."""
        if self._is_ready:
            return
        try:
            receive_frame(self.control, time.monotonic() + BOOT_SECONDS)
        except (EOFError, OSError) as error:
            raise WorkerFailedError(
                "starting the worker processes",
                f"the process that forks them ended, or stayed silent for {BOOT_SECONDS:g} s; look for the "
                f"reason with: {sys.executable} -c 'import calculemus.grading.nursery'",
            ) from error
        self.control.settimeout(None)
        self._is_ready = True

    def fork(self) -> _Worker:
        """Return a fresh worker."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self.control, [ORDER.pack(FORK, 0)], [theirs.fileno()])
            reply = self.control.recv(ORDER.size, socket.MSG_WAITALL)
            if len(reply) < ORDER.size:
                raise EOFError
            pid = ORDER.unpack(reply)[1]
            if pid < 0:
                raise WorkerFailedError("starting a worker process", "the system refused to fork another")
        except BaseException:
            ours.close()
            raise
        return _Worker(self, pid, ours)

    def kill(self, worker: _Worker) -> None:
        """Kill a worker now, whatever it is doing."""
        worker.channel.close()
        with suppress(OSError):  # a nursery that has ended took its workers with it
            self.control.sendall(ORDER.pack(KILL, worker.pid))

    def close(self) -> None:
        """End the process; its workers end with it."""
        self.control.close()
        try:
            self.process.wait(1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def forget(self) -> None:
        """Let go of a process that is the child of the process this one was forked from."""
        self.control.close()
        self.process.returncode = 0  # not ours to wait for


class Pool:
    """A few workers, started when first needed, that serve calls from all threads.

    Args:
        size: How many calls may run at once; further ones wait for a free worker, outside their limit.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()  # guards everything below, and the control socket
        self._free = threading.BoundedSemaphore(self._size)
        self._idle: list[_Worker] = []
        self._workers: set[_Worker] = set()  # the idle ones and those in a call
        self._nursery: _Nursery | None = None

    def warm(self, wait: bool = False) -> None:
        """Start loading the libraries in the background; see the module's ``warm``."""
        with self._lock:
            nursery = self._start()
            if wait:
                nursery.await_ready()

    def call(self, function: str, *args: Any, seconds: float) -> Any:
        """Call ``package.module:function`` in a worker; see the module's ``call``."""
        request = pickle.dumps((function, args, seconds))
        with self._free:
            worker = self._take()
            try:
                succeeded, result = worker.ask(request, seconds)
            except TimeoutError as error:
                self._discard(worker)
                raise WorkerTimeoutError(f"{function}: no result within {seconds:g} s; killed") from error
            except (EOFError, OSError) as error:
                self._discard(worker)
                cause = "the worker died: out of memory, out of CPU time, or a crash in C code"
                raise WorkerFailedError(function, cause) from error
            except BaseException:
                self._discard(worker)  # it is still busy with a call that nobody waits for
                raise
            if worker.calls < CALLS_PER_WORKER and (succeeded or not result.startswith("MemoryError")):
                with self._lock:
                    self._idle.append(worker)
            else:
                self._discard(worker)
        if not succeeded:
            raise WorkerFailedError(function, result)
        return result

    def close(self) -> None:
        """End all processes. A later call starts them again."""
        with self._lock:
            self._stop()

    def before_fork(self) -> None:
        """Keep other threads from starting processes while this process is being forked."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on as before."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Let go of everything that belongs to the parent; the next call starts processes of its own."""
        for worker in self._workers:
            worker.channel.close()
        if self._nursery:
            self._nursery.forget()
        self._reset()

    def _take(self) -> _Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.is_alive():
                    return worker
                self._drop(worker)
            try:
                worker = self._fork()
            except (EOFError, OSError):  # the nursery was killed by someone else; a new one serves as well
                worker = self._fork()
            self._workers.add(worker)
            return worker

    def _fork(self) -> _Worker:
        nursery = self._start()
        try:
            nursery.await_ready()
            return nursery.fork()
        except BaseException:
            self._stop()  # half a message may be left in the control socket
            raise

    def _start(self) -> _Nursery:
        if self._nursery is None:
            self._nursery = _Nursery()
        return self._nursery

    def _stop(self) -> None:
        for worker in self._idle:
            worker.channel.close()
        self._workers.difference_update(self._idle)
        self._idle.clear()
        if self._nursery:
            self._nursery.close()
            self._nursery = None

    def _discard(self, worker: _Worker) -> None:
        with self._lock:
            self._drop(worker)

    def _drop(self, worker: _Worker) -> None:
        self._workers.discard(worker)
        worker.nursery.kill(worker)


_POOL = Pool(min(4, os.cpu_count() or 1))
atexit.register(_POOL.close)
os.register_at_fork(
    before=_POOL.before_fork,
    after_in_parent=_POOL.after_fork_in_parent,
    after_in_child=_POOL.after_fork_in_child,
)


def call(function: str, *args: Any, seconds: float = 0.5) -> Any:
    """Call a function in a worker process and return its result.

    Args:
        function: ``package.module:function``, importable in a fresh interpreter.
        *args: What it is called with; they and the result are pickled.
        seconds: Wall-clock limit of this call, waiting for a free worker or for the libraries excluded.

    Raises:
        WorkerTimeoutError: The limit has passed; the worker is killed.
        WorkerFailedError: The function raised, or its worker died.

    Example:
        >>> call("math:factorial", 5)
        120
    """
    return _POOL.call(function, *args, seconds=seconds)


def warm(wait: bool = False) -> None:
    """Start loading the libraries in the background, so that the first call need not wait for them.

    Args:
        wait: Return only when they are loaded, instead of at once.
    """
    _POOL.warm(wait)

"""The process that forks workers, and what a worker does.

One such process belongs to each process that uses ``calculemus.grading.workers``. It imports the symbolic
libraries once, then forks a ready worker in a few milliseconds whenever it is asked to. It never runs an
answer itself, so it stays small and never hangs. It ends, with all its workers, when its caller's end of
the control socket closes, whatever closed it.
"""

import ctypes
import gc
import importlib
import os
import pickle
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

FRAME = struct.Struct("!Q")  # length of what follows
ORDER = struct.Struct("!ci")  # FORK with the worker's socket attached, or KILL with a process id
FORK, KILL = b"F", b"K"
MEMORY_BYTES = 1 << 30  # what a worker may map beyond what it starts with
CPU_MARGIN_SECONDS = 2  # on top of a call's own limit: only a caller that cannot kill ever needs it

# Called once before the first fork: every worker then starts with these modules and their caches loaded.
WARM_UP: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("calculemus.grading.symbolic:symbolically_equal", ("\\frac{1}{2}", "0.5")),
    ("calculemus.grading.math_verify_adapter:compare", (("\\frac{x}{2}",), "$x+\\sqrt{3}$")),
    ("calculemus.grading.minerva_math:compare", ("\\frac{x}{2}", "x+\\sqrt{3}")),
    ("calculemus.grading.prm800k:compare", ("x/2", "x+sqrt(3)")),
    ("calculemus.grading.qwen_math:compare", ("x", "3")),
)


def resolve(function: str) -> Callable[..., Any]:
    """Return the function that ``package.module:function`` names."""
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)


def send_frame(channel: socket.socket, payload: bytes) -> None:
    """Send one message."""
    channel.sendall(FRAME.pack(len(payload)) + payload)


def receive_frame(channel: socket.socket, deadline: float | None = None) -> bytearray:
    """Receive one message.

    Args:
        channel: Where from; at most one message is on its way at a time.
        deadline: On the monotonic clock; None waits for ever.

    Raises:
        EOFError: The other side has gone.
        TimeoutError: The deadline has passed.
    """
    data = bytearray()
    while len(data) < FRAME.size or len(data) < FRAME.size + FRAME.unpack_from(data)[0]:
        # A time-out of zero would mean "do not wait" and raise another exception.
        channel.settimeout(None if deadline is None else max(deadline - time.monotonic(), 1e-6))
        chunk = channel.recv(1 << 16)
        if not chunk:
            raise EOFError
        data += chunk
    return data[FRAME.size :]


def main(control: socket.socket) -> None:
    """Fork and kill workers as the caller orders, until the caller has gone."""
    _restrict(resource.RLIMIT_CORE, 0)
    for function, args in WARM_UP:
        with suppress(Exception):  # a library that is missing or broken fails in the calls that need it
            resolve(function)(*args)
    gc.collect()
    gc.freeze()  # a worker's collections then leave the shared pages shared
    send_frame(control, b"")
    workers: set[int] = set()
    with suppress(OSError):  # a caller that was killed may leave a reset connection
        _obey(control, workers)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)


def describe(error: BaseException) -> str:
    """Return type and message on one line of bounded length."""
    try:
        message = str(error)
    except Exception:  # the message may hold an integer too long to print
        message = "(its message cannot be printed)"
    return f"{type(error).__name__}: {message[:500]}"


def _obey(control: socket.socket, workers: set[int]) -> None:
    while True:
        data, sockets, _, _ = socket.recv_fds(control, ORDER.size, 1)
        if len(data) < ORDER.size:
            return
        order, pid = ORDER.unpack(data)
        if order == FORK:
            control.sendall(ORDER.pack(FORK, _fork(control, sockets[0], workers)))
        elif pid in workers:
            # Workers are waited for nowhere else, so the number cannot have passed to another process.
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            workers.remove(pid)


def _fork(control: socket.socket, channel: int, workers: set[int]) -> int:
    nursery = os.getpid()
    try:
        pid = os.fork()
    except OSError:  # no processes or no memory left: the caller is told, and may come again
        os.close(channel)
        return -1
    if pid == 0:
        try:
            control.close()
            _limit(nursery)
            _serve(socket.socket(fileno=channel))
        finally:
            os._exit(0)  # never return into the nursery's own loop
    os.close(channel)  # or the caller would not see the end of file when the worker dies
    workers.add(pid)
    return pid


def _restrict(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _limit(nursery: int) -> None:
    """Bound this worker's memory, and its life by that of the nursery."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        mapped = int(statm.read_text().split()[0]) * resource.getpagesize()
        _restrict(resource.RLIMIT_AS, mapped + MEMORY_BYTES)
    if sys.platform == "linux":
        # Elsewhere an idle worker still ends at the end of file, a busy one at its limit of CPU time.
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != nursery:
            os._exit(0)


def _serve(channel: socket.socket) -> None:
    """Answer calls until the caller closes the channel or kills this worker."""
    while True:
        try:
            function, args, seconds = pickle.loads(receive_frame(channel))
        except (EOFError, OSError):
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        _restrict(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + CPU_MARGIN_SECONDS)
        send_frame(channel, _answer(function, args))


def _answer(function: str, args: tuple[Any, ...]) -> bytes:
    try:
        return pickle.dumps((True, resolve(function)(*args)))
    except BaseException as error:  # an interrupt or exit raised by a library is one more failed call
        return pickle.dumps((False, describe(error)))


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))

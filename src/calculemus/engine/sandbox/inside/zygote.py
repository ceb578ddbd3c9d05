"""The parent of all runs of a tier: imports once, goes to jail, then forks a child for every run.

It never sees a program or a result. For each run it is handed two sockets: one goes to the child, which reads
the program from it and answers on it; the other, the leash, stays here. On the leash come ``again`` (the
limits start anew, for the next block of a session), ``idle`` (they rest) and the end of the stream (kill the
child); one record goes back when the child has ended and its process namespace with it.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import zoneinfo
from dataclasses import dataclass
from typing import Any

from calculemus.engine.sandbox.inside import child, kernel, namespaces, policy, seccomp
from calculemus.errors import SandboxUnavailableError

_LARGEST_MESSAGE = 1 << 16
_CPU_CLOCK = 2  # CPUCLOCK_SCHED: processor time of a whole process
_PATIENCE = 0.005  # seconds; how much later than its limit a run may be killed
_now, _clock = time.monotonic, time.clock_gettime  # before the policy stops them


@dataclass
class _Run:
    """A child that is alive.

    Attributes:
        pid: Its number in the zygote's process namespace.
        leash: The socket to its owner.
        resources: Its limits, as they were sent.
        verdict: Why it was killed; "ended" while it was not.
        wall_from: When the limit on seconds began; None while it rests.
        cpu_from: Processor time that it had used then.
    """

    pid: int
    leash: socket.socket
    resources: dict[str, Any]
    verdict: str = "ended"
    wall_from: float | None = None
    cpu_from: float = 0.0

    def cpu(self) -> float:
        """Return the processor seconds that it has used."""
        return _clock((~self.pid << 3) | _CPU_CLOCK)

    def restart_clocks(self) -> None:
        self.wall_from, self.cpu_from = _now(), self.cpu()

    def overdue(self) -> float:
        """Return in how many seconds it may be over a limit; kill it where it is."""
        cpu_left = self.resources["cpu_seconds"] - (self.cpu() - self.cpu_from)
        wall_left = float("inf")
        if self.wall_from is not None:
            wall_left = self.resources["wall_seconds"] - (_now() - self.wall_from)
        if cpu_left <= 0:
            self.kill("cpu")
        elif wall_left <= 0:
            self.kill("wall")
        else:
            return min(cpu_left, wall_left)
        return float("inf")

    def kill(self, why: str) -> None:
        if self.verdict == "ended":
            self.verdict = why
            os.kill(self.pid, signal.SIGKILL)


class _Zygote:
    """The loop over the control socket and the children."""

    def __init__(self, control: socket.socket, baseline: int) -> None:
        self._control = control
        self._baseline = baseline
        self._filter = seccomp.Filter(kernel.MACHINE)
        self._self = os.pidfd_open(os.getpid())
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._by_process: dict[int, _Run] = {}  # by descriptor of the process
        self._by_leash: dict[int, _Run] = {}

    def _fork(self, data: int, resources: dict[str, Any]) -> int:
        """Fork into a fresh process namespace, in which the child is process 1."""
        kernel.call("unshare", kernel.CLONE_NEWPID)
        try:
            pid = os.fork()
            if pid == 0:
                child.live(data, resources, self._baseline, self._filter)
        finally:
            kernel.call("setns", self._self, kernel.CLONE_NEWPID)
        return pid

    def _start(self) -> bool:
        """Take one order; return False when there is nobody left to give any."""
        message, descriptors, _, _ = socket.recv_fds(self._control, _LARGEST_MESSAGE, 2)
        if not message:
            return False
        data, leash = descriptors[0], socket.socket(fileno=descriptors[1])
        resources = json.loads(message)
        try:
            run = _Run(self._fork(data, resources), leash, resources)
        except OSError as problem:
            self._tell(leash, {"verdict": "failed", "error": str(problem)})
            leash.close()
        else:
            run.restart_clocks()
            process = os.pidfd_open(run.pid)
            self._by_process[process] = self._by_leash[leash.fileno()] = run
            self._poll.register(process, select.POLLIN)
            self._poll.register(leash, select.POLLIN)
        finally:
            os.close(data)
        return True

    def _obey(self, run: _Run) -> None:
        """Do what came on a leash."""
        try:
            order = run.leash.recv(16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionError:
            order = b""
        if order == b"again":
            run.restart_clocks()
        elif order == b"idle":
            run.wall_from = None
        else:
            self._poll.unregister(run.leash)
            run.kill("dropped")

    def _tell(self, leash: socket.socket, record: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # an owner that has gone wants no record
            leash.send(json.dumps(record).encode())

    def _bury(self, process: int) -> None:
        """Wait for a child that has ended, and report."""
        run = self._by_process.pop(process)
        _, status, usage = os.wait4(run.pid, 0)
        record = {
            "verdict": run.verdict,
            "exit": os.waitstatus_to_exitcode(status),
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "peak_bytes": usage.ru_maxrss * 1024,
        }
        self._tell(run.leash, record)
        self._poll.unregister(process)
        os.close(process)
        del self._by_leash[run.leash.fileno()]
        with contextlib.suppress(KeyError):
            self._poll.unregister(run.leash)
        run.leash.close()

    def _wait(self) -> list[tuple[int, int]]:
        """Wait for something to happen, no longer than until the next limit."""
        next_limit = min((run.overdue() for run in self._by_process.values()), default=float("inf"))
        forever = next_limit == float("inf")
        return self._poll.poll(None if forever else 1000 * (next_limit + _PATIENCE))

    def serve(self) -> None:
        """Serve until the other end of the control socket closes."""
        control = self._control.fileno()
        while True:
            ready = [descriptor for descriptor, _ in self._wait()]
            for descriptor in ready:
                if descriptor in self._by_process:
                    self._bury(descriptor)
                elif descriptor in self._by_leash:
                    self._obey(self._by_leash[descriptor])
            # Last: a new run may get the descriptor of one that has just been buried.
            if control in ready and not self._start():
                return


def _address_space() -> int:
    with open("/proc/self/statm") as facts:
        return int(facts.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _preload(names: list[str]) -> None:
    for name in names:
        importlib.import_module(name)
    if "sympy" in names:  # solving once imports what it would import in every run
        sympy = sys.modules["sympy"]
        sympy.solve(sympy.Symbol("x") ** 2 - 2)


def _library_view(packages: list[str]) -> namespaces.View:
    """Return the view of the standard library, which is all of ``sys.path`` so far, and of some packages."""
    library = sorted(path for path in sys.path if os.path.isdir(path))
    folders = [path for path in library if not path.startswith(tuple(f"{other}/" for other in library))]
    # A system's Python keeps other packages in a folder of its library.
    hidden = [os.path.join(path, name) for path in folders for name in ("site-packages", "dist-packages")]
    zones = [path for path in zoneinfo.TZPATH if os.path.isdir(path)]
    return namespaces.View(folders + zones, [path for path in hidden if os.path.isdir(path)], packages)


def _hide_ourselves() -> None:
    """Take the code of the jail out of what a program can import."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "calculemus"]:
        del sys.modules[name]


def _go_to_jail(view: namespaces.View) -> None:
    """Come back in the jail as process 1; the process that was called here only waits for it."""
    if kernel.MACHINE not in seccomp.machines():
        raise SandboxUnavailableError(f"choosing a filter: there is none for '{kernel.MACHINE}'")
    namespaces.leave(view)
    pid = os.fork()
    if pid:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xFF)
    kernel.die_with_parent()


def main(descriptor: int) -> None:
    """Be a zygote, by the orders on a control socket; the first record says what to be."""
    control = socket.socket(fileno=descriptor)
    setup = json.loads(control.recv(_LARGEST_MESSAGE))
    try:
        view = _library_view(setup["packages"])
        sys.path.extend(setup["path"])
        _preload(setup["preload"])
        baseline = _address_space()
        policy.freeze()
        _go_to_jail(view)
        zygote = _Zygote(control, baseline)
    except Exception as problem:  # whatever it is, the other end must hear of it
        is_refusal = isinstance(problem, SandboxUnavailableError)
        error = str(problem) if is_refusal else f"{type(problem).__name__}: {problem}"
        control.send(json.dumps({"ready": False, "error": error}).encode())
        return
    _hide_ourselves()
    gc.collect()
    gc.freeze()
    gc.disable()
    control.send(json.dumps({"ready": True}).encode())
    zygote.serve()

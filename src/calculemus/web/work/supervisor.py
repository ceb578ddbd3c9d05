"""Running the jobs of a queue, one after the other, each in a process group of its own."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from calculemus.events import FILE_VARIABLE
from calculemus.web.work.queue import CANCELLED, DONE, FAILED, Job, Queue

COMMAND = (sys.executable, "-c", "from calculemus.cli import main; main()")
"""Starts ``calculemus`` with this interpreter, wherever scripts are."""

_LOOK = 0.1  # seconds between looks at what runs
GRACE = 15.0
"""Seconds from the interrupt, after which a command has kept what it has, to the end."""


class Supervisor:
    """Runs what a queue holds as long as it is not stopped.

    Args:
        queue: The jobs.
        command: What their arguments are added to.
        grace: Seconds that an interrupted job has to end by itself.
    """

    def __init__(self, queue: Queue, command: Sequence[str] = COMMAND, grace: float = GRACE) -> None:
        self.queue = queue
        self._command = tuple(command)
        self._grace = grace
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._work, name="calculemus-jobs", daemon=True)

    def start(self) -> None:
        """Begin; jobs of a server that is gone are ended, those that waited are run."""
        if self.queue.path.is_file():
            for job in self.queue.running():
                _end_orphan(job, self.queue.place(job, "events"))
                self.queue.end(job, FAILED, reason="the server that ran it is gone")
        self._thread.start()

    def wake(self) -> None:
        """Look at the queue now."""
        self._woken.set()

    def stop(self) -> None:
        """Interrupt what runs, and wait until it is over; what waits stays in the queue."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while not self._stopping.is_set():
            job = self.queue.begin_next() if self.queue.path.is_file() else None
            if job is not None:
                self._run(job)
            else:
                self._woken.wait(1.0)
                self._woken.clear()

    def _run(self, job: Job) -> None:
        try:
            self.queue.place(job, "").mkdir(parents=True, exist_ok=True)
            with (
                self.queue.place(job, "stdout").open("wb") as out,
                self.queue.place(job, "stderr").open("wb") as errors,
            ):
                process = subprocess.Popen(
                    [*self._command, *job.arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=errors,
                    env={**os.environ, FILE_VARIABLE: str(self.queue.place(job, "events")), "COLUMNS": "100"},
                    start_new_session=True,
                )
        except OSError as error:
            self.queue.end(job, FAILED, reason=f"it cannot be started: {error}")
            return
        self.queue.note_process(job, process.pid)
        self._attend(job, process)

    def _attend(self, job: Job, process: subprocess.Popen[bytes]) -> None:
        """Wait for the end of a job, and bring it about where somebody wants that."""
        killed_at: float | None = None
        while process.poll() is None:
            if killed_at is None and (self._stopping.is_set() or self.queue.get(job.id).is_unwanted):
                _signal(process.pid, signal.SIGINT)
                killed_at = time.monotonic() + self._grace
            elif killed_at is not None and time.monotonic() > killed_at:
                _signal(process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK)
        _signal(process.pid, signal.SIGKILL)  # children that the command left behind
        code = process.returncode
        if code == 0:
            self.queue.end(job, DONE, code)
        elif self.queue.get(job.id).is_unwanted:
            self.queue.end(job, CANCELLED, code)
        elif killed_at is not None:
            self.queue.end(job, CANCELLED, code, "the server was stopped")
        else:
            self.queue.end(job, FAILED, code)


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _end_orphan(job: Job, events: Path) -> None:
    """Interrupt the process of a job whose server is gone, if its number still is that process's."""
    if job.pid is None:
        return
    try:
        environment = Path(f"/proc/{job.pid}/environ").read_bytes()
    except OSError:
        return
    if f"{FILE_VARIABLE}={events}".encode() in environment.split(b"\0"):
        _signal(job.pid, signal.SIGINT)

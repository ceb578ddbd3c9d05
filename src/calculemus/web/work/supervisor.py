"""Running the jobs of a queue, one after the other, each in a process group of its own."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from calculemus.catalog import CARDS_VARIABLE
from calculemus.errors import StoreError
from calculemus.events import FILE_VARIABLE
from calculemus.web.work.queue import CANCELLED, DONE, FAILED, Job, Queue

# A server that a script started in the background ignores the interrupt, and so would its children.
_HEEDING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
COMMAND = (sys.executable, "-c", f"{_HEEDING}; from calculemus.cli import main; main()")
"""Starts ``calculemus`` with this interpreter, wherever scripts are."""

_LOOK = 0.1  # seconds between looks at what runs
GRACE = 15.0
"""Seconds from the interrupt, after which a command has kept what it has, to the end."""


class Supervisor:
    """Runs what a queue holds as long as it is not stopped; of several with one queue, one at a time.

    Args:
        queue: The jobs.
        command: What their arguments are added to.
        grace: Seconds that an interrupted job has to end by itself.
        cards: More folders of cards, which every job sees.
    """

    def __init__(
        self,
        queue: Queue,
        command: Sequence[str] = COMMAND,
        grace: float = GRACE,
        cards: Sequence[Path] = (),
    ) -> None:
        self.queue = queue
        self._command = tuple(command)
        self._grace = grace
        self._cards = tuple(cards)
        self._lock: int | None = None
        self.current: Job | None = None
        """What runs now."""
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._work, name="calculemus-jobs", daemon=True)

    def start(self) -> None:
        """Begin; jobs of a server that is gone are ended, those that waited are run."""
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
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                job = self._next()
            except (StoreError, OSError):
                job = None  # a full disk or a busy file: the jobs wait until it is neither
            if job is not None:
                self.current = job
                self._run(job)
                self.current = None
            else:
                self._woken.wait(1.0)
                self._woken.clear()

    def _next(self) -> Job | None:
        """Return the next job, where this is the server that runs them."""
        if not self.queue.path.is_file() or not self._is_first():
            return None
        return self.queue.begin_next()

    def _is_first(self) -> bool:
        """Say whether no other server runs jobs; who comes to do so ends those that none runs any more."""
        if self._lock is None:
            lock = os.open(self.queue.path.with_name(f"{self.queue.path.name}-lock"), os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for job in self.queue.running():
                    _end_orphan(job, self.queue.place(job, "events"))
                    self.queue.end(job, FAILED, reason="the server that ran it is gone")
            except BlockingIOError:
                os.close(lock)
                return False
            except BaseException:
                os.close(lock)
                raise
            self._lock = lock
        return True

    def _environment(self, job: Job) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "CALCULEMUS_WEB_TOKEN"}
        cards = [*filter(None, [kept.get(CARDS_VARIABLE)]), *(str(path.resolve()) for path in self._cards)]
        events = str(self.queue.place(job, "events"))
        told = {FILE_VARIABLE: events, "COLUMNS": "100", "PYTHONUNBUFFERED": "1"}
        return {**kept, **told, **({CARDS_VARIABLE: os.pathsep.join(cards)} if cards else {})}

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
                    env=self._environment(job),
                    start_new_session=True,
                )
        except OSError as error:
            self._end(job, FAILED, reason=f"it cannot be started: {error}")
            return
        with suppress(StoreError):
            self.queue.note_process(job, process.pid)
        self._attend(job, process)

    def _attend(self, job: Job, process: subprocess.Popen[bytes]) -> None:
        """Wait for the end of a job, and bring it about where somebody wants that."""
        killed_at: float | None = None
        while process.poll() is None:
            if killed_at is None and (self._stopping.is_set() or self._is_unwanted(job)):
                _signal(process.pid, signal.SIGINT)
                killed_at = time.monotonic() + self._grace
            elif killed_at is not None and time.monotonic() > killed_at:
                _signal(process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK)
        _signal(process.pid, signal.SIGKILL)  # children that the command left behind
        code = process.returncode
        if code == 0:
            self._end(job, DONE, code)
        elif self._is_unwanted(job):
            self._end(job, CANCELLED, code)
        elif killed_at is not None:
            self._end(job, CANCELLED, code, "the server was stopped")
        else:
            self._end(job, FAILED, code)

    def _is_unwanted(self, job: Job) -> bool:
        try:
            return self.queue.get(job.id).is_unwanted
        except StoreError:
            return False  # asked again in a moment

    def _end(self, job: Job, status: str, code: int | None = None, reason: str | None = None) -> None:
        """Mark a job as over, as soon as the file takes it."""
        while True:
            try:
                return self.queue.end(job, status, code, reason)
            except StoreError:
                if self._stopping.wait(1.0):
                    return None  # the next server finds it without a process


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

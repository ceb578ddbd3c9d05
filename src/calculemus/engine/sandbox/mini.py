"""The tier ``mini``: a Python interpreter written in Rust, in worker processes of its own.

A program there has no system calls to make: no files, no network, no processes. It runs what ``subset``
accepts.
"""

import ctypes
import datetime
import os
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from calculemus.engine.sandbox.failing import bad_value, block_outcome, complete, failure, not_data, waiting
from calculemus.engine.sandbox.feeding import feed
from calculemus.engine.sandbox.handing import COUNT, SHOW, keep_variable
from calculemus.engine.sandbox.inside.clock import FROZEN_SECONDS
from calculemus.engine.sandbox.limits import Limits
from calculemus.engine.sandbox.look import Plan
from calculemus.engine.sandbox.outcome import Outcome
from calculemus.errors import NotDataError, SandboxUnavailableError

if TYPE_CHECKING:
    from pydantic_monty import CollectString, Monty, MontySession

# The interpreter's own round() takes the shortest decimal for the number, so that 2.675 becomes 2.68 and not
# 2.67. Its formatting of floats is exact, and so are its whole numbers.
ROUND = """
def round(number, ndigits=None, _round=round):
    if type(number) is not float or not isinstance(ndigits, int) or number - number != 0.0:
        return _round(number, ndigits)
    if ndigits >= 0:
        return float(f"{number:.{ndigits}f}") if ndigits < 324 else number
    whole, unit = int(abs(number)), 10**-ndigits
    count, rest = divmod(whole, unit)
    above = 2 * rest > unit or (2 * rest == unit and (abs(number) > whole or count % 2 == 1))
    rounded = float((count + above) * unit)
    return rounded if number > 0.0 else -rounded if number < 0.0 else number
"""

_FROZEN = datetime.datetime.fromtimestamp(FROZEN_SECONDS, datetime.UTC).replace(tzinfo=None)
_FRAMES_LESS = 10  # than CPython allows: at the limit it has the last word
_GRACE_SECONDS = 1.0  # a limit is looked at between steps; after this much more the worker is killed
_WORKER_BYTES = 2**30  # address space of a worker beyond what a program may have


class Mini:
    """A pool of workers; safe to use from many threads.

    Raises:
        SandboxUnavailableError: From every run in a fork of a process that has had a pool.
    """

    # The interpreter's library has threads of its own, which a fork does not have: a pool there waits.
    _threads_of: ClassVar[int | None] = None

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: Monty | None = None
        self._lock = threading.Lock()
        self._limited: set[int] = set()

    def _started(self) -> "Monty":
        with self._lock:
            if self._pool is None:
                import pydantic_monty  # here, so that importing the package stays fast

                Mini._threads_of = Mini._threads_of or os.getpid()
                if Mini._threads_of != os.getpid():
                    raise SandboxUnavailableError(
                        f"sandbox: starting the tier 'mini': this process is a fork of {Mini._threads_of}, "
                        "which has used it already; its threads are not here. Fork earlier, or spawn it"
                    )
                pool = pydantic_monty.Monty(
                    min_processes=1,
                    max_processes=self._workers,
                    feed_duration_limit_grace=_GRACE_SECONDS,
                )
                pool.__enter__()
                self._pool = pool
            return self._pool

    def _checkout(self, limits: Limits, seed: int) -> "MontySession":
        return self._started().checkout(
            script_name="program.py",
            limits={
                "max_feed_duration_secs": limits.cpu_seconds,
                "max_memory": limits.memory_bytes,
                "max_recursion_depth": limits.recursion - _FRAMES_LESS,
            },
            os_policy={"sleep": "zero", "datetime": _FROZEN, "random_start": {"seed": seed}},
            assert_message_annotations=False,
        )

    def _limit_worker(self, session: "MontySession", limits: Limits) -> None:
        """Let the kernel bound the worker too, should the interpreter's own accounts be wrong."""
        pid = session.worker_pid
        if pid is None or pid in self._limited or sys.platform != "linux":
            return
        import resource

        with suppress(OSError):
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))
            space = _WORKER_BYTES + limits.memory_bytes
            resource.prlimit(pid, resource.RLIMIT_AS, (space, space))
        self._limited.add(pid)

    def run(self, plan: Plan, inputs: Mapping[str, Any], limits: Limits, seed: int) -> Outcome:
        """Run one program in a session of its own."""
        from pydantic_monty import CollectString, MontyError

        text = f"{plan.mini}\n{SHOW}"
        printed = CollectString(max_bytes=limits.output_bytes)
        started = time.perf_counter()
        try:
            with self._checkout(limits, seed) as session:
                self._limit_worker(session, limits)
                text = ROUND + text if plan.rounds else text
                value = _feed(session, plan, text, inputs, printed)
                if value is None and not plan.defines_entry and plan.entry is not None:
                    value = _first_value(session, plan.variables)
                value = _count_parts(session, value)
        except MontyError as problem:
            outcome = failure(problem, limits)
        except NotDataError as problem:
            outcome = not_data(problem)
        else:
            outcome = _conclude(value, plan, limits)
        return complete(outcome, printed.output, started)

    def run_block(
        self, state: bytes | None, plan: Plan, inputs: Mapping[str, Any], limits: Limits, seed: int
    ) -> tuple[Outcome, bytes | None]:
        """Run one block of a session; return the outcome and the session's next state.

        Args:
            state: What an earlier call returned; None to begin.
            plan: The block.
            inputs: Variables to begin with.
            limits: What the block may use.
            seed: Where randomness begins.
        """
        from pydantic_monty import CollectString, MontyError, MontyRuntimeError

        printed = CollectString(max_bytes=limits.output_bytes)
        started = time.perf_counter()
        try:
            with self._checkout(limits, seed) as session:
                self._limit_worker(session, limits)
                if state is None:
                    session.feed_run(ROUND, inputs=dict(inputs) or None)
                else:
                    session.load_session(state)
                try:
                    value = _feed(session, plan, f"{plan.mini}\n{SHOW}", {}, printed)
                    value = _count_parts(session, value)
                    is_outcome = isinstance(value, Outcome)
                    outcome = waiting(value, limits) if is_outcome else block_outcome(value, limits)
                except MontyRuntimeError as problem:
                    outcome = failure(problem, limits)
                except NotDataError:
                    outcome = Outcome("ok")  # a block needs no value
                # After a limit the interpreter's memory may be half written: the block never was.
                if outcome.status in ("ok", "raised", "forbidden"):
                    state = session.dump()
        except MontyError as problem:
            outcome = failure(problem, limits)
        return complete(outcome, printed.output, started), state

    def close(self) -> None:
        """End the workers."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.__exit__(None, None, None)

    def abandon(self) -> None:
        """Leave the workers to the process that this one is a fork of.

        Even freeing the pool here would take its pipes out of the epoll instance that both processes share,
        and the other one would wait for its workers without end: so the pool is never freed.
        """
        pool, self._pool = self._pool, None
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(pool))


def _feed(
    session: "MontySession", plan: Plan, text: str, inputs: Mapping[str, Any], printed: "CollectString"
) -> Any:
    """Run a program; return its value, or an outcome instead of one."""
    if plan.hosting is not None:
        return feed(session, text, dict(inputs), printed, plan.hosting)
    return session.feed_run(text, inputs=dict(inputs) or None, print_callback=printed)


def _conclude(value: Any, plan: Plan, limits: Limits) -> Outcome:
    if isinstance(value, Outcome):
        return waiting(value, limits)
    return bad_value(value, limits) or Outcome("ok", value, has_entry=plan.defines_entry)


def _count_parts(session: "MontySession", value: Any) -> Any:
    """Return a value that was held back, if its parts are few enough and known."""
    from pydantic_monty import MontyRuntimeError

    if value is not ...:
        return value
    try:
        return session.feed_run(COUNT)
    except MontyRuntimeError as problem:
        raise NotDataError(f"the value is or holds what 'mini' does not hand out ({problem})") from problem


def _first_value(session: "MontySession", variables: tuple[str, ...]) -> Any:
    """Return the first of the variables that has a value."""
    from pydantic_monty import MontyRuntimeError

    for name in variables:
        with suppress(MontyRuntimeError):  # bound only on a branch that was not taken
            value = session.feed_run(keep_variable(name))
            if value is not None:
                return value
    return None

"""The sandbox: chooses a tier for a program, and a higher one where that settles nothing."""

import os
import weakref
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from queue import Empty, SimpleQueue
from typing import Any, Self

from calculemus.engine.sandbox.chains import Chains
from calculemus.engine.sandbox.hosting import check_hosting
from calculemus.engine.sandbox.limits import Limits
from calculemus.engine.sandbox.look import Plan, look, with_host
from calculemus.engine.sandbox.machinery import Machinery, count_cores, is_settled, unsupported
from calculemus.engine.sandbox.outcome import Outcome, conclude
from calculemus.engine.sandbox.reading import UNREADABLE, too_long, unreadable
from calculemus.engine.sandbox.record import TIERS, Run, Tier
from calculemus.engine.sandbox.session import LiveSessions, Session, SessionSettings
from calculemus.engine.sandbox.unsafe import run_in_process
from calculemus.errors import InvalidParameterError, SandboxError, SandboxUnavailableError

_DEFAULT = Limits()
# Before CPython gets its turn, mini may use this part of the time: a loop without an end costs little more
# then.
_FIRST_TRY = 0.25


@lru_cache(maxsize=64)
def _for_first_try(limits: Limits) -> Limits:
    return replace(limits, cpu_seconds=max(0.01, _FIRST_TRY * limits.cpu_seconds))


def _drain(queue: SimpleQueue[int]) -> None:
    with suppress(Empty):
        while True:
            queue.get_nowait()


class Sandbox:
    """Workers that run programs; safe to use from many threads, in the process that made it.

    Args:
        tiers: The tiers that may be used, of ``mini``, ``std`` and ``sci``.
        workers: Programs that run at a time; all cores by default.
        live_sessions: Sessions that keep a process; older ones are rebuilt when they go on.
        kept_bytes: What is kept of where blocks have left off, so that programs with the same blocks before
            them need not run these again; nothing depends on it but time.
        unsafe_in_process: Let ``tier="none"`` run programs in this process, without any protection.

    Example:
        >>> with Sandbox(tiers=("mini",)) as sandbox:
        ...     [run.value for run in sandbox.run_many(["answer = 2**70", "answer = 1 / 8"])]
        [1180591620717411303424, 0.125]
    """

    def __init__(
        self,
        tiers: Sequence[Tier] = TIERS,
        workers: int | None = None,
        live_sessions: int = 64,
        kept_bytes: int = 64 * 2**20,
        unsafe_in_process: bool = False,
    ) -> None:
        self.workers = workers or count_cores()
        self._machinery = Machinery(tiers, self.workers)
        self._live = LiveSessions(live_sessions)
        self._chains = Chains(partial(Session, self._machinery, self._live), kept_bytes)
        self._unsafe = unsafe_in_process
        self._end = weakref.finalize(self, self._machinery.close)

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers that may be used, lowest first."""
        return self._machinery.tiers

    def run(
        self,
        program: str,
        tier: Tier | None = None,
        limits: Limits = _DEFAULT,
        entry: str | None = "solution",
        inputs: Mapping[str, Any] | None = None,
        seed: int = 0,
        before: Sequence[str] | None = None,
        replies: Sequence[Any] | None = None,
        hosts: Collection[str] | None = None,
    ) -> Run:
        """Run a program and return what came of it; no program makes this raise.

        Args:
            program: Source; fences and talk around it are taken off where it does not parse as it is.
            tier: Where to run it, and nowhere else; by default a look at the program decides, and a higher
                tier settles what a lower one could not.
            limits: What it may use.
            entry: The function whose value is wanted. Without such a function, or where the program calls it
                with arguments that are not given here, the value is the number that the program's last
                statement prints, or its last expression, or the variable ``answer``, ``ans`` or ``result``,
                or the last printed line. None for the last expression only.
            inputs: Variables that the program finds; the entry function is given those that it has parameters
                for.
            seed: Where its randomness begins.
            before: Blocks that ran before it: it is run as the next block of a session that had these, and
                its value is its last expression's, whatever ``entry`` says. They get no replies.
            replies: What the calls return that it makes of functions which nobody has defined, in their
                order. At the first call beyond them the run ends as ``suspended``, with the call; it goes on
                by being run again with one reply more. None for no such functions.
            hosts: The only functions that are replied to; None for whatever it calls and does not define.
                What it defines itself is its own in any case.

        Raises:
            SandboxUnavailableError: This machine cannot isolate what the program needs.
            InvalidParameterError: A tier that this sandbox does not have, inputs or replies that are not
                data, or hosts that are no names of functions.
        """
        self._check_process()
        given: Mapping[str, Any] = {} if inputs is None else inputs
        told = check_hosting(replies, hosts)
        if before is not None:
            if tier is not None:
                self._check_tier(tier)
            settings = SessionSettings(tier, limits, given, seed)
            return self._chains.run(tuple(before), program, settings, replies, hosts)
        refused = too_long(program, limits)
        if refused is not None:
            return refused
        try:
            plan = look(program, entry, given)
            if replies is not None:
                plan = with_host(plan, told, hosts)
        except UNREADABLE as problem:
            return unreadable(problem)
        if tier is None:
            return self._run_where_it_fits(plan, given, limits, seed)
        return self._run_where_told(tier, plan, given, limits, seed)

    def run_many(self, programs: Iterable[str], **options: Any) -> list[Run]:
        """Run programs side by side; the options are those of ``run``. The order is kept."""
        texts = list(programs)
        runs: dict[int, Run] = {}
        waiting: SimpleQueue[int] = SimpleQueue()
        for index in range(len(texts)):
            waiting.put(index)

        def work() -> None:
            with suppress(Empty):
                while True:
                    index = waiting.get_nowait()
                    runs[index] = self.run(texts[index], **options)

        with ThreadPoolExecutor(self.workers) as threads:
            try:
                for done in [threads.submit(work) for _ in range(self.workers)]:
                    done.result()
            except BaseException:
                _drain(waiting)  # so that the other threads stop, too
                raise
        return [runs[index] for index in range(len(texts))]

    def session(
        self,
        tier: Tier | None = None,
        limits: Limits = _DEFAULT,
        inputs: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> Session:
        """Return a session, in which blocks share their variables; the arguments are as in ``run``."""
        self._check_process()
        if tier is not None:
            self._check_tier(tier)
        return Session(self._machinery, self._live, SessionSettings(tier, limits, inputs or {}, seed))

    def problem(self, tier: Tier) -> str | None:
        """Say why a tier cannot be used on this machine; None if it can."""
        self._check_tier(tier)
        try:
            if tier != "mini":
                self._machinery.jails[tier].start()
        except SandboxUnavailableError as problem:
            return str(problem)
        return None

    def close(self) -> None:
        """End all workers; the sandbox may be used again, with new ones."""
        self._live.rest()
        self._machinery.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_process(self) -> None:
        made_by = self._machinery.process
        if os.getpid() != made_by:
            raise SandboxError(
                f"sandbox: running a program: this process ({os.getpid()}) is a fork of the one that made "
                f"the sandbox ({made_by}), whose workers cannot serve both. Make one in each process"
            )

    def _check_tier(self, tier: Tier) -> None:
        if tier not in self.tiers:
            raise InvalidParameterError(
                f"sandbox: parameter 'tier' is {tier!r}; expected one of {', '.join(self.tiers)}, or None"
            )

    def _run_where_told(
        self, tier: Tier, plan: Plan, inputs: Mapping[str, Any], limits: Limits, seed: int
    ) -> Run:
        if tier == "none":
            if not self._unsafe:
                raise SandboxUnavailableError(
                    "sandbox: running a program on the tier 'none': it isolates nothing, so it runs nothing; "
                    "expected 'mini', 'std' or 'sci'. To run programs in this process all the same, and at "
                    "your own risk: Sandbox(unsafe_in_process=True)"
                )
            if plan.hosting is not None:
                return unsupported("'none' replies to no calls; 'mini', 'std' and 'sci' do")
            return conclude(run_in_process(plan, inputs, limits), plan, ("none",))
        self._check_tier(tier)
        if tier == "mini" and plan.reason is not None:
            return unsupported(f"'mini' does not run {plan.reason}; 'std' does")
        return conclude(self._machinery.run(tier, plan, inputs, limits, seed), plan, (tier,))

    def _run_where_it_fits(self, plan: Plan, inputs: Mapping[str, Any], limits: Limits, seed: int) -> Run:
        choices = self._machinery.from_tier(plan.lowest)
        if not choices:
            return unsupported(f"{', '.join(self.tiers)} does not run {plan.reason}")
        tried: list[Tier] = []
        outcome = Outcome("unsupported")
        for tier in choices:
            is_first_try = tier == "mini" and len(choices) > 1
            allowed = _for_first_try(limits) if is_first_try else limits
            try:
                outcome = self._machinery.run(tier, plan, inputs, allowed, seed)
            except SandboxUnavailableError:
                if is_first_try:
                    continue
                if not tried:
                    raise
                # What mini said stands, once it has had all its time.
                if outcome.status == "timeout":
                    outcome = self._machinery.run(tried[-1], plan, inputs, limits, seed)
                break
            tried.append(tier)
            if is_settled(tier, outcome):
                break
        return conclude(outcome, plan, tuple(tried))


@lru_cache(maxsize=1)
def _shared(process: int) -> Sandbox:
    """Return this process's own sandbox; a fork is another process."""
    return Sandbox()


def run(
    program: str,
    tier: Tier | None = None,
    limits: Limits = _DEFAULT,
    entry: str | None = "solution",
    inputs: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Run:
    """Run one program as ``Sandbox.run`` does, on workers that this process keeps for it."""
    return _shared(os.getpid()).run(program, tier, limits, entry, inputs, seed)

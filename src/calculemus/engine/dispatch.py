"""Between methods and engine: what is asked is looked up, shared, queued, sent, charged and handed back."""

import itertools
import time
from collections import deque
from dataclasses import replace
from typing import Any

from calculemus.cost import Cost, Meter
from calculemus.engine.asking import Ask, Gate
from calculemus.engine.base import Done, Engine, Job
from calculemus.engine.budget import Spending, spending_of
from calculemus.engine.cache import ReplyCache
from calculemus.engine.fair import FairQueue
from calculemus.engine.method import Method
from calculemus.engine.programs import Programs, Ran, Sandbox
from calculemus.engine.refusing import why_refused
from calculemus.engine.requests import Run, Sample
from calculemus.engine.rows import count_rows, cut
from calculemus.errors import CalculemusError, EngineError

MAX_PATIENCE = 1.0
"""Seconds that the engine waits for a running program at most."""


class Dispatcher:
    """Has the requests of all methods in hand.

    Attributes:
        ready: Methods that can go on, each with the gate that opened.
        ended: Methods that had ended before their last job came back.
        queue: Requests that wait for rows.
    """

    def __init__(
        self, engine: Engine, sandbox: Sandbox | None, cache: ReplyCache | None, saved: Meter
    ) -> None:
        self.ready: deque[tuple[Method, Gate]] = deque()
        self.ended: list[Method] = []
        self.queue = FairQueue()
        self._engine = engine
        self._is_deterministic = engine.capabilities.deterministic is True
        self._programs = Programs(sandbox) if sandbox is not None else None
        self._cache = cache
        self._saved = saved
        self._tickets = itertools.count()
        self._jobs: dict[int, tuple[Ask, int]] = {}
        self._shared: dict[Any, Ask] = {}
        self._patience = 0.0

    def begin(self, ask: Ask) -> None:
        """Take a request: answer it at once, or see to it that it will be."""
        refusal = why_refused(ask, self._engine, self._programs is not None)
        if refusal is not None:
            self._book(ask, None, None, refusal)
        elif isinstance(ask.request, Run):
            self._begin_program(ask)
        else:
            self._begin_rows(ask, count_rows(ask.request))  # type: ignore[arg-type]  # a First was taken apart

    def _begin_rows(self, ask: Ask, rows: int) -> None:
        if not rows:
            self._book(ask, (), None, None)
            return
        ask.rows = ask.rows_left = rows
        ask.seeds = self._seeds(ask)
        if not self._is_known(ask):
            ask.since = time.perf_counter()
            self.queue.push(ask.method.share, ask)

    def _seeds(self, ask: Ask) -> tuple[int, ...]:
        """Return a seed for each row; a request that draws nothing has none of its own."""
        if not isinstance(ask.request, Sample):
            return ()
        if self._draws_nothing(ask):
            return (0,)
        return ask.method.rng.child(*ask.path).seeds(ask.rows)

    def _draws_nothing(self, ask: Ask) -> bool:
        is_greedy = not isinstance(ask.request, Sample) or ask.request.sampling.temperature == 0
        return is_greedy and self._is_deterministic

    def _is_known(self, ask: Ask) -> bool:
        """Answer from disk, or share the reply to an equal request in flight."""
        if self._cache is not None:
            ask.key = self._cache.key(self._engine.digest, ask.request, ask.seeds)
            found = self._cache.get(ask.key)
            if found is not None:
                self._saved.add(found.cost)
                self._book(ask, found.reply, found.cost, None)
                return True
        if self._draws_nothing(ask):
            leader = self._shared.setdefault(ask.request, ask)
            if leader is not ask:
                ask.leader = leader
                leader.followers.append(ask)
                return True
            ask.is_shared = True
        return False

    def flush(self) -> None:
        """Give the engine as many waiting rows as it has room for."""
        free = self._engine.free_rows()
        jobs: list[Job] = []
        now = time.perf_counter()
        while free > 0:
            taken = self.queue.take(free)
            if taken is None:
                break
            ask, rows = taken
            free -= rows
            jobs.append(self._job(ask, rows, now))
        if jobs:
            self._submit(jobs)

    def _job(self, ask: Ask, rows: int, now: float) -> Job:
        """Make a job of the next rows of a request."""
        stop = ask.rows - ask.rows_left
        start = stop - rows
        if not start:
            ask.method.ledger.wait(now - ask.since)
        ticket = next(self._tickets)
        self._jobs[ticket] = (ask, start)
        ask.n_open += 1
        ask.tickets.append(ticket)
        request: Any = ask.request  # neither a program nor a race, which are not queued
        if rows < ask.rows:
            request = cut(request, start, stop)
        return Job(ticket, request, ask.seeds[start:stop])

    def _submit(self, jobs: list[Job]) -> None:
        try:
            self._engine.submit(jobs)
        except CalculemusError as error:
            if len(jobs) == 1:
                self._take(Done(jobs[0].ticket, None, Cost.zero(), error))
                return
            for job in jobs:  # the engine took none of them: find the one that it refuses
                self._submit([job])

    def wait(self) -> None:
        """Let the engine and the sandbox work until something is back."""
        if self._cache is not None:
            self._cache.flush()
        if self.ready or self.ended:
            return  # a request was refused when it was sent
        if self._wait_for_programs():
            return
        start = time.perf_counter()
        back = self._engine.wait()
        self._patience = min(time.perf_counter() - start, MAX_PATIENCE)
        if not back and not self._jobs:
            raise EngineError(
                f"waiting for {self._engine.name}: nothing is in flight and it offers no rows; expected at "
                "least one free row. Check the engine's settings"
            )
        for done in back:
            self._take(done)

    def _wait_for_programs(self) -> bool:
        """Take the programs that are back; say whether the engine has to wait, too.

        A running program may bring work for free rows, so it is given as long as the engine took last time:
        an engine that answers in seconds is not asked again while its rows stand idle, and a fast one loses
        little.
        """
        if self._programs is None or not self._programs.n_open:
            return False
        seconds = self._patience if self._engine.free_rows() > 0 else 0.0
        back = self._programs.take(seconds if self._jobs else None)
        for ran in back:
            self._take_program(ran)
        return bool(back) or not self._jobs

    def _take(self, done: Done) -> None:
        ask, start = self._jobs.pop(done.ticket)
        ask.take(start, done.reply, done.cost, done.error)
        if ask.error is not None:
            self.queue.drop(ask)
        if not ask.n_open and not ask.rows_left:
            self._complete(ask)

    def _complete(self, ask: Ask) -> None:
        """Hand on the reply to a request of which every job is back."""
        self._stop_sharing(ask)
        is_whole = ask.error is None and bool(ask.followers or not ask.is_settled)
        reply = ask.reply if is_whole else None
        if self._cache is not None and is_whole:
            self._cache.put(ask.key, reply, ask.cost or Cost.zero())
        self._book(ask, reply, ask.cost, ask.error)
        for follower in ask.followers:
            cost = None if follower.is_settled else ask.cost
            if cost is not None:
                self._saved.add(cost)
            self._book(follower, reply, cost, ask.error)

    def _stop_sharing(self, ask: Ask) -> None:
        if ask.is_shared:
            ask.is_shared = False
            del self._shared[ask.request]

    def _book(self, ask: Ask, reply: Any, cost: Cost | None, error: Exception | None) -> None:
        """Charge what a request cost (None: nothing was done), and hand on what came of it."""
        method = ask.method
        method.n_open -= 1
        if cost is not None:
            is_used = error is None and not ask.is_settled
            (method.ledger.charge if is_used else method.ledger.discard)(cost)
        if ask.worst is not None and method.account is not None:
            spent = spending_of(cost, ask.worst) if cost is not None else Spending()
            method.account.settle(ask.worst, spent)
        if not ask.is_settled:
            self._settle(ask, reply, error)
        elif method.solution is not None and not method.n_open:
            self.ended.append(method)

    def _settle(self, ask: Ask, reply: Any, error: Exception | None) -> None:
        """Put a reply into its gate; drop what a gate that opens no longer waits for."""
        ask.is_settled = True
        root = ask.gate.settle(ask.place, reply, error)
        gate: Gate | None = ask.gate
        while gate is not None and gate.is_open:
            if gate.pending:
                self._drop_parts(gate)
            gate.parts.clear()  # requests name their gate: without the circle they are freed at once
            gate = gate.above
        if root.above is None and root.is_open:
            self.ready.append((ask.method, root))

    def _drop_parts(self, gate: Gate) -> None:
        for part in gate.parts:
            if isinstance(part, Gate):
                self._drop_parts(part)
            elif not part.is_settled:
                self._drop(part)

    def _drop(self, ask: Ask) -> None:
        """Stop a request that nobody waits for any more."""
        ask.is_settled = True
        is_wanted = ask.leader is not None or any(not f.is_settled for f in ask.followers)
        if is_wanted or (isinstance(ask.request, Run) and ask.seeds):
            return  # its reply will come all the same, and is charged then
        self._stop_sharing(ask)
        self.queue.drop(ask)
        in_flight = [ticket for ticket in ask.tickets if ticket in self._jobs]
        if not in_flight:
            self._complete(ask)
            return
        for done in self._engine.cancel(in_flight):
            self._take(done)

    def _begin_program(self, ask: Ask) -> None:
        assert self._programs is not None, "a program without a sandbox is refused"
        # What is run again must draw the same as before: its seed cannot be that of its place.
        is_rerun = isinstance(ask.request, Run) and ask.request.is_rerun
        path: tuple[int | str, ...] = ("programs",) if is_rerun else ask.path
        ask.seeds = ask.method.rng.child(*path).seeds(1)
        try:
            self._programs.submit(ask)
        except CalculemusError as error:  # no session could be opened
            self._book(ask, None, None, error)

    def _take_program(self, ran: Ran) -> None:
        cost = None
        if ran.record is not None:
            cost = replace(Cost.zero(), seconds_sandbox=ran.record.seconds)
        self._book(ran.ask, ran.record, cost, ran.error)

    def end(self, method: Method) -> None:
        """Close what a method held."""
        if self._programs is not None:
            self._programs.end(method)

    def close(self) -> None:
        """Stop everything that is in flight."""
        if self._cache is not None:
            self._cache.flush()
        if self._programs is not None:
            self._programs.close()
        if self._jobs:
            gone = [done.ticket for done in self._engine.cancel(list(self._jobs))]
            while self._jobs.keys() - gone:  # those that were finished come with the next wait
                back = [done.ticket for done in self._engine.wait()]
                if not back:
                    break
                gone += back
            self._jobs.clear()

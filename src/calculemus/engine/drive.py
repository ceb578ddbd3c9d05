"""One solver over many problems: methods are started, moved on, held to their budgets, and ended."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from calculemus.cost import Budget, Meter
from calculemus.engine.asking import Ask, Gate
from calculemus.engine.base import Engine
from calculemus.engine.budget import FlopModel, Spending, worst_case
from calculemus.engine.cache import ReplyCache
from calculemus.engine.dispatch import Dispatcher
from calculemus.engine.fair import Share
from calculemus.engine.method import Method, Startable, solver_key
from calculemus.engine.programs import Sandbox
from calculemus.engine.refusing import why_refused, why_too_long
from calculemus.engine.replay import Recording
from calculemus.engine.requests import Sample, Sampling
from calculemus.errors import BudgetExceededError, CalculemusError, InvalidParameterError
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solution import Solution


@dataclass(frozen=True, slots=True)
class Settings:
    """What a scheduler was given; see ``Scheduler``."""

    engine: Engine
    sandbox: Sandbox | None
    sandbox_seconds: float
    seed: int
    budget: Budget
    cache: ReplyCache | None
    in_flight: int
    sampling: Mapping[str, Any]
    fail_fast: bool
    record: Callable[[Recording], None] | None


class Drive:
    """One ``solve_all`` on its way."""

    def __init__(
        self,
        settings: Settings,
        solver: Startable,
        saved: Meter,
        budget: Callable[[Problem], Budget] | None = None,
    ) -> None:
        self._settings = settings
        self._budget = budget or (lambda problem: settings.budget)
        self._solver = solver
        self._key = solver_key(solver)
        self._rng = Rng(settings.seed, (self._key,))
        self._dispatcher = Dispatcher(settings.engine, settings.sandbox, settings.cache, saved)
        needs_flops = budget is not None or settings.budget.flops is not None
        facts = settings.engine.capabilities.facts if needs_flops else {}
        self._flop_model = FlopModel.of(facts)  # without it no prompt's tokens have to be counted
        self._shares: dict[str, Share] = {}
        self._at_work: dict[Method, None] = {}
        self._finished: list[Method] = []
        self._samplings: dict[Sampling, Sampling] = {}

    def run(self, problems: Iterable[tuple[Problem, int]]) -> Iterator[tuple[str, int, Solution]]:
        """Drive the methods until the last has ended."""
        source = iter(problems)
        try:
            while True:
                self._move(source)
                for method in self._finished:
                    yield method.problem.id, method.sample, self._result(method)
                self._finished.clear()
                if not self._at_work:
                    return
                self._dispatcher.wait()
        finally:
            for method in self._at_work:
                method.close()
            self._dispatcher.close()

    def check(self, problem: Problem) -> None:
        """Run a method up to its first requests, and raise what keeps them from being sent."""
        method = self._method(problem, 0)
        opened = method.resume(None, None)
        if isinstance(method.error, CalculemusError):
            raise method.error
        if opened is not None:
            _, asks = opened
            method.close()
            self._override(asks)
            engine, has_sandbox = self._settings.engine, self._settings.sandbox is not None
            for ask in asks:
                refusal = why_refused(ask, engine, has_sandbox) or why_too_long(ask, engine)
                if refusal is not None:
                    raise refusal
            shortage = self._reserve(method, asks) if method.account is not None else None
            if shortage is not None:
                raise InvalidParameterError(
                    f"{self._key}: the budget is too small for its first requests: {shortage}; expected room "
                    "for them. Raise the budget, or ask for shorter or fewer completions"
                )

    def _move(self, source: Iterator[tuple[Problem, int]]) -> None:
        """Move every method on as far as it goes, and start others until the engine has enough to do."""
        dispatcher = self._dispatcher
        # As many rows again may wait: those that finish late in a study then still find company.
        enough = self._settings.engine.free_rows() + self._settings.engine.capabilities.rows
        while True:
            while dispatcher.ready:
                method, gate = dispatcher.ready.popleft()
                self._go_on(method, gate.reply, gate.error)
            while dispatcher.ended:
                self._end(dispatcher.ended.pop())
            n_at_work = len(self._at_work)
            if n_at_work >= self._settings.in_flight or (n_at_work and dispatcher.queue.rows >= enough):
                break
            following = next(source, None)
            if following is None:
                break
            self._start(*following)
        dispatcher.flush()

    def _start(self, problem: Problem, sample: int) -> None:
        method = self._method(problem, sample)
        method.share = self._shares.setdefault(problem.id, method.share)
        method.share.n_methods += 1
        if self._settings.record is not None:
            method.tape = []
        self._at_work[method] = None
        self._go_on(method, None, None)

    def _method(self, problem: Problem, sample: int) -> Method:
        rng = self._rng.child(problem.id, sample)
        steps = self._solver.start(problem, rng, self._settings.engine.capabilities)
        return Method(self._key, problem, sample, rng, steps, Share(), self._budget(problem))

    def _go_on(self, method: Method, reply: Any, error: Exception | None) -> None:
        """Resume a method; send what it asks for next, or see it end."""
        asked = method.resume(reply, error)
        if asked is not None:
            self._send(method, *asked)
        elif not method.n_open:  # else it ends with the last of them
            self._end(method)

    def _send(self, method: Method, gate: Gate, asks: list[Ask]) -> None:
        """Send the requests of one yield, all of them or, if the budget is short, none."""
        if gate.is_open:
            self._dispatcher.ready.append((method, gate))
            return
        if self._settings.sampling:
            self._override(asks)
        if method.account is not None:
            shortage = self._reserve(method, asks)
            if shortage is not None:
                method.refuse(shortage)
                if not method.n_open:
                    self._end(method)
                return
        method.n_open += len(asks)
        for ask in asks:
            if not ask.is_settled:  # an earlier one may have opened the gate
                self._dispatcher.begin(ask)

    def _override(self, asks: list[Ask]) -> None:
        """Put the run's own sampling settings into requests."""
        for ask in asks:
            request = ask.request
            if isinstance(request, Sample):
                sampling = self._samplings.get(request.sampling)
                if sampling is None:
                    sampling = replace(request.sampling, **self._settings.sampling)
                    self._samplings[request.sampling] = sampling
                ask.request = replace(request, sampling=sampling)

    def _reserve(self, method: Method, asks: list[Ask]) -> str | None:
        """Set the worst case of all requests aside; return what is short where it does not fit."""
        assert method.account is not None, "only a method with a budget reserves"
        total = Spending()
        engine, seconds = self._settings.engine, self._settings.sandbox_seconds
        for ask in asks:
            ask.worst = worst_case(ask.request, engine, self._flop_model, seconds)
            total.add(ask.worst)
        shortage = method.account.refusal(total)
        if shortage is None:
            method.account.reserve(total)
        return shortage

    def _end(self, method: Method) -> None:
        del self._at_work[method]
        self._dispatcher.end(method)
        self._finished.append(method)
        method.share.n_methods -= 1
        if not method.share.n_methods:
            del self._shares[method.problem.id]

    def _result(self, method: Method) -> Solution:
        error = method.error
        if self._settings.fail_fast and error is not None and not isinstance(error, BudgetExceededError):
            raise error
        solution = method.result()
        if self._settings.record is not None:
            self._settings.record(Recording.of(method, self._settings.seed))
        return solution

"""A solver under the eyes of a trial."""

from collections.abc import Iterator
from typing import Any

from calculemus.conformance.actor import Actor
from calculemus.conformance.trial import Steps, Trial
from calculemus.engine.requests import Capabilities, First, Run
from calculemus.errors import BudgetExceededError
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solution import Solution


def single_requests(asked: Any) -> Iterator[Any]:
    """Yield the requests in what a method yielded, those of a ``First`` one by one."""
    if isinstance(asked, (list, tuple)):
        for part in asked:
            yield from single_requests(part)
    elif isinstance(asked, First):
        yield from single_requests(asked.requests)
    else:
        yield asked


class Attended:
    """A solver under the eyes of a trial, which notes what it asks for and raises.

    Args:
        solver: The solver.
        engine: Which it asks.
        trial: Where that is noted.
    """

    def __init__(self, solver: Any, engine: Actor, trial: Trial) -> None:
        self._solver = solver
        self._engine = engine
        self._trial = trial

    def start(self, problem: Problem, rng: Rng, capabilities: Capabilities) -> Steps:
        """Return a generator that does what the solver's does."""
        try:
            solution = yield from self._attend(problem, self._solver.start(problem, rng, capabilities))
        except Exception as error:
            self._trial.raised[problem.id] = error
            raise
        if not isinstance(solution, Solution):
            error = TypeError(f"it returned {solution!r:.100}; expected a Solution")
            self._trial.raised[problem.id] = error
            raise error
        return solution

    def _attend(self, problem: Problem, steps: Steps) -> Steps:
        yielded = self._trial.yielded.setdefault(problem.id, [])
        told = self._trial.told.setdefault(problem.id, [])
        reply: Any = None
        error: Exception | None = None
        try:
            while True:
                try:
                    asked = steps.send(reply) if error is None else steps.throw(error)
                except StopIteration as stop:
                    return stop.value
                if isinstance(error, BudgetExceededError):
                    self._trial.went_on.append(problem.id)
                yielded.append(asked)
                reply = error = None
                seconds = self._engine.seconds
                try:
                    reply = yield asked
                    told.append(reply)
                    if any(not isinstance(request, Run) for request in single_requests(asked)):
                        self._trial.began.append(seconds)
                except Exception as thrown:  # errors of requests go on into the method
                    error = thrown
        finally:
            steps.close()

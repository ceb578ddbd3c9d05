"""The desk: takes questions from any thread and has one scheduler answer them, many at a time.

Questions that come while others are being worked on join them, so that they share the engine's batches.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from calculemus.cost import Budget
from calculemus.engine.requests import Capabilities
from calculemus.engine.scheduler import NO_LIMITS, Scheduler
from calculemus.errors import EngineError
from calculemus.events import Event, Step, listening
from calculemus.params import digest
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solution import Solution
from calculemus.solving import Solver, Steps


@dataclass(eq=False)
class Order:
    """A question on its way.

    Attributes:
        question: What is asked.
        tell: Called from the desk's thread with what comes of it: each ``Step`` of its trace, and in the end
            its ``Solution``, or the error that ended everything.
        seed: Of all draws.
        sample: Which of several answers to the question.
        budget: What it may cost.
        is_gone: Whether the caller has left; the work on it then ends at its next request.
    """

    question: str
    tell: Callable[[Step | Solution | Exception], None]
    seed: int = 0
    sample: int = 0
    budget: Budget = NO_LIMITS
    is_gone: bool = False

    @property
    def problem(self) -> Problem:
        """The question as a problem; its id names its draws, and depends on the order's content alone."""
        name = digest([self.question, self.seed, self.sample, asdict(self.budget)])
        return Problem(name, self.question, "unknown")


class Desk:
    """Answers questions with one solver until it is closed.

    Args:
        solver: The method.
        scheduler: With the engine and the sandbox; the desk uses it from its own thread alone.
    """

    def __init__(self, solver: Solver, scheduler: Scheduler) -> None:
        self._watched = _Watched(solver, self)
        self._scheduler = scheduler
        self._inbox: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._waiting: deque[Order] = deque()
        self._open: dict[str, list[Order]] = {}
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="desk", daemon=True)
        self._thread.start()

    def take(self, order: Order) -> None:
        """Take a question; returns at once."""
        self._inbox.put(order)

    def close(self) -> None:
        """End once all that was taken is answered."""
        self._inbox.put(None)
        self._thread.join()

    def _work(self) -> None:
        while not self._is_closed:
            self._admit(self._inbox.get())
            try:
                for name, _, solution in self._scheduler.solve_all(self._watched, self, self._budget):
                    self._tell(name, solution)
            except Exception as error:  # the engine broke down: whoever waits is told, and the desk goes on
                for name in list(self._open):
                    self._tell(name, error)

    def _admit(self, order: Order | None) -> None:
        if order is None:
            self._is_closed = True
        else:
            self._waiting.append(order)

    def __iter__(self) -> Iterator[tuple[Problem, int]]:
        return self

    def __next__(self) -> tuple[Problem, int]:
        """Return the next question that waits; there may be more after there was none."""
        while not self._inbox.empty():
            self._admit(self._inbox.get())
        while self._waiting:
            order = self._waiting.popleft()
            problem = order.problem
            same = self._open.setdefault(problem.id, [])
            same.append(order)
            if len(same) == 1:  # else an equal one is being worked on: its answer is theirs, too
                return problem, 0
        raise StopIteration

    def _budget(self, problem: Problem) -> Budget:
        return self._open[problem.id][0].budget

    def _tell(self, name: str, outcome: Solution | Exception) -> None:
        for order in self._open.pop(name):
            order.tell(outcome)

    def is_wanted(self, name: str) -> bool:
        """Say whether anybody waits for a problem's answer."""
        return any(not order.is_gone for order in self._open[name])

    def hear(self, name: str, event: Event) -> None:
        """Pass a step on to those who wait for the problem's answer."""
        if isinstance(event, Step):
            for order in self._open[name]:
                order.tell(event)


class _Watched:
    """A solver whose steps are heard, and that stops where nobody waits."""

    def __init__(self, solver: Solver, desk: Desk) -> None:
        self._solver = solver
        self._desk = desk

    def start(self, problem: Problem, rng: Rng, capabilities: Capabilities) -> Steps:
        """Return the solver's generator, watched."""
        return self._watch(problem.id, self._solver.start(problem, rng, capabilities))

    def _watch(self, name: str, steps: Steps) -> Steps:
        reply: Any = None
        error: Exception | None = None
        while True:
            if not self._desk.is_wanted(name):
                steps.close()
                raise EngineError("answering a request: its caller has closed the connection")
            try:
                with listening(partial(self._desk.hear, name)):
                    asked = steps.send(reply) if error is None else steps.throw(error)
            except StopIteration as stop:
                return stop.value
            try:
                reply, error = (yield asked), None
            except GeneratorExit:
                steps.close()
                raise
            except Exception as thrown:  # what the scheduler throws is the solver's to deal with
                error = thrown

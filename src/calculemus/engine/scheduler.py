"""The scheduler: keeps an engine full with the requests of many methods at once.

Methods are generators (see ``calculemus.solving.base``). A list of requests holds up its own method only.
What a method gets does not depend on what else is in flight: every draw is seeded by the path (run seed,
solver, problem, sample, place of the request in the method, row). ``First`` alone is a race.

Costs. A reply that was on disk, or that an equal request in flight has asked for, is charged at what it cost
when it was made: what a method costs does not depend on who else ran. So the costs of the solutions add up
to what the engine counted and what ``Scheduler.saved`` counts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from calculemus.cost import Budget, Cost, Meter
from calculemus.engine.base import Engine
from calculemus.engine.cache import ReplyCache
from calculemus.engine.drive import Drive, Settings
from calculemus.engine.method import Startable
from calculemus.engine.programs import Sandbox
from calculemus.engine.replay import Recording
from calculemus.engine.requests import Sampling
from calculemus.engine.sandbox.limits import Limits
from calculemus.errors import InvalidParameterError
from calculemus.problem import Problem
from calculemus.solution import Solution

IN_FLIGHT = 4096
NO_LIMITS = Budget()


class Scheduler:
    """Solves problems with a solver on an engine; one ``solve_all`` at a time.

    Args:
        engine: Answers the requests.
        sandbox: Runs programs; None refuses them.
        seed: The run's seed.
        budget: What may be spent on one sample of one problem.
        cache: Replies on disk that are not asked for again; None for none.
        in_flight: Methods at work at once, at most. Fewer are where these keep the engine full, so that
            problems finish one after the other and not all at the end.
        sampling: Fields of ``Sampling`` that every request gets in place of the solver's own.
        fail_fast: Raise what a solver raises; otherwise it becomes the solution's ``failure``.
        record: Is given the recording of each solution; see ``calculemus.engine.replay``.

    Example:
        >>> from calculemus import Problem
        >>> from calculemus.engine.requests import Sample
        >>> from calculemus.engine.scripted import ScriptedEngine
        >>> from calculemus.solving.base import Solver
        >>> class Ask(Solver):
        ...     def solve(self, problem, ctx):
        ...         (completion,) = yield Sample(problem.question)
        ...         return ctx.solution(completion)
        >>> scheduler = Scheduler(ScriptedEngine({"1 + 1?": "2"}))
        >>> [(_, _, solution)] = scheduler.solve_all(Ask(), [(Problem("p", "1 + 1?", "2"), 0)])
        >>> solution.answer
        '2'
    """

    def __init__(
        self,
        engine: Engine,
        sandbox: Sandbox | None = None,
        *,
        seed: int = 0,
        budget: Budget = NO_LIMITS,
        cache: ReplyCache | None = None,
        in_flight: int = IN_FLIGHT,
        sampling: Mapping[str, Any] | None = None,
        fail_fast: bool = False,
        record: Callable[[Recording], None] | None = None,
    ) -> None:
        if in_flight < 1:
            raise InvalidParameterError(
                f"Scheduler: parameter 'in_flight' is {in_flight}; expected at least 1"
            )
        overrides = Sampling.from_params(sampling or {})
        self._settings = Settings(
            engine=engine,
            sandbox=sandbox,
            sandbox_seconds=Limits().wall_seconds,
            seed=seed,
            budget=budget,
            cache=cache,
            in_flight=in_flight,
            sampling={name: getattr(overrides, name) for name in sampling or ()},
            fail_fast=fail_fast,
            record=record,
        )
        self._saved = Meter()

    @property
    def saved(self) -> Cost:
        """What replies cost that solutions are charged with and that were not asked for again."""
        return self._saved.total

    def check(self, solver: Startable, problem: Problem) -> None:
        """Raise what would keep every problem from being solved, as far as the first requests show it.

        Args:
            solver: The method.
            problem: One of those to be solved.

        Raises:
            CalculemusError: The engine or the sandbox cannot take the requests, the budget is too small for
                them, the prompt is longer than the context, or the method's settings are wrong.
        """
        Drive(self._settings, solver, self._saved).check(problem)

    def solve_all(
        self,
        solver: Startable,
        problems: Iterable[tuple[Problem, int]],
        budget: Callable[[Problem], Budget] | None = None,
    ) -> Iterator[tuple[str, int, Solution]]:
        """Yield problem id, sample and solution of each problem and sample, as they finish.

        Args:
            solver: The method.
            problems: Pairs of a problem and the number of the try; taken as they are needed. Where there is
                none, they are asked for another one whenever a request is answered, to the end of the last.
            budget: What may be spent on one try at a problem, where that is not the same for all.

        Raises:
            EngineError: The engine broke down; a request that failed is thrown into its method instead.
        """
        return Drive(self._settings, solver, self._saved, budget).run(problems)

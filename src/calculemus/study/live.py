"""A solver on an engine, as a system that a study compares."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import calculemus
from calculemus.cost import Budget
from calculemus.engine.base import Engine
from calculemus.engine.cache import ReplyCache
from calculemus.engine.programs import Sandbox
from calculemus.engine.scheduler import IN_FLIGHT, NO_LIMITS, Scheduler
from calculemus.params import Configured
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.solving.base import Solver
from calculemus.solving.templates import DEFAULT, templates_digest
from calculemus.study.system import Answer


@dataclass(frozen=True)
class LiveSystem:
    """A solver that answers problems by asking an engine, while the study runs.

    Attributes:
        name: What tables call it, for example ``vote:n=8@tiny``.
        solver: The method.
        engine: Answers its requests.
        sandbox: Runs its programs; None refuses them.
        sampling: Fields of ``Sampling`` that every request gets in place of the solver's own.
        seed: The run's seed.
        budget: What may be spent on one sample of one problem.
        n_samples: Tries of each problem.
        cache: Replies on disk; None asks for everything anew.
        in_flight: Problems at work at once, at most.
        fail_fast: Raise what the solver raises on a problem; otherwise it is that problem's result.
    """

    name: str
    solver: Solver
    engine: Engine
    sandbox: Sandbox | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    budget: Budget = NO_LIMITS
    n_samples: int = 1
    cache: ReplyCache | None = None
    in_flight: int = IN_FLIGHT
    fail_fast: bool = False

    def spec(self) -> Mapping[str, Any]:
        """Return what changes the answers: not the name, nor how many problems are in flight."""
        prompt_set = self.engine.capabilities.facts.get("prompts", DEFAULT)
        return {
            "kind": "live",
            "solver": describe(self.solver),
            "prompts": templates_digest(self.solver.prompts, prompt_set),
            "engine": self.engine.digest,
            "sandbox": None if self.sandbox is None else list(self.sandbox.tiers),
            "sampling": dict(self.sampling),
            "seed": self.seed,
            "budget": asdict(self.budget),
            "n_samples": self.n_samples,
            "version": calculemus.__version__,
        }

    def answers(self, problems: ProblemSet, done: Container[tuple[str, int]]) -> Iterator[Answer]:
        """Yield the answers that are not in ``done`` (pairs of problem id and sample), as they come.

        Raises:
            CalculemusError: What would keep every problem from being solved, before any work.
        """
        todo = self._todo(problems, done)
        first = next(todo, None)
        if first is None:
            return
        scheduler = Scheduler(
            self.engine,
            self.sandbox,
            seed=self.seed,
            budget=self.budget,
            cache=self.cache,
            in_flight=self.in_flight,
            sampling=self.sampling,
            fail_fast=self.fail_fast,
        )
        scheduler.check(self.solver, first[0])
        for answer in scheduler.solve_all(self.solver, self._todo(problems, done)):
            yield Answer(*answer)

    def _todo(self, problems: ProblemSet, done: Container[tuple[str, int]]) -> Iterator[tuple[Problem, int]]:
        for problem in problems:
            for sample in range(self.n_samples):
                if (problem.id, sample) not in done:
                    yield problem, sample


def describe(value: Any) -> Any:
    """Return a solver or another configured value as JSON-like data: its class, and its parameters."""
    if isinstance(value, Configured):
        params = {name: describe(param) for name, param in value.params().items()}
        return {"name": type(value).__name__, "params": params}
    if isinstance(value, (tuple, list)):
        return [describe(item) for item in value]
    return value

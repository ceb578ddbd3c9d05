"""A solver on an engine, as a system that a study compares."""

from collections.abc import Collection, Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import calculemus
from calculemus.cost import Budget
from calculemus.engine.base import Engine
from calculemus.engine.cache import ReplyCache
from calculemus.engine.programs import Sandbox
from calculemus.engine.requests import Sample
from calculemus.engine.scheduler import IN_FLIGHT, NO_LIMITS, Scheduler
from calculemus.engine.virtual import plain_text
from calculemus.errors import CalculemusError, InvalidParameterError
from calculemus.params import Configured
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng
from calculemus.solving import get_solver, list_solvers
from calculemus.solving.base import Solver
from calculemus.solving.templates import DEFAULT, is_own_file, template_names, templates_digest
from calculemus.study.system import Answer

_PROPOSED = 8  # solvers that an error proposes


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
        reads = getattr(self.solver, "reads", "")
        return {
            "kind": "live",
            "solver": describe(self.solver),
            **({"reads": reads} if reads else {}),
            "prompts": templates_digest(self.solver.prompts, self._prompt_set),
            "engine": self.engine.digest,
            "sandbox": None if self.sandbox is None else list(self.sandbox.tiers),
            "sampling": dict(self.sampling),
            "seed": self.seed,
            "budget": asdict(self.budget),
            "n_samples": self.n_samples,
            "version": calculemus.__version__,
        }

    @property
    def _prompt_set(self) -> str:
        return self.engine.capabilities.facts.get("prompts", DEFAULT)

    def check(self, problems: ProblemSet, done: Container[tuple[str, int]] = ()) -> None:
        """Raise what would keep every problem from being solved, as far as the first requests show it.

        Nothing is asked of the engine. A problem whose prompt is longer than the context is an error of that
        problem alone, unless all are: the one with the shortest question is looked at.

        Args:
            problems: What is to be solved.
            done: Problem id and sample of what is not to be solved again.

        Raises:
            CalculemusError: The method's settings, its prompts, the engine, the sandbox and the budget do not
                go together.
        """
        check_prompts(self.name, self.solver, self._prompt_set)
        todo = (problem for problem, _ in self.todo(problems, done))
        shortest = min(todo, key=lambda problem: len(problem.question), default=None)
        if shortest is not None:
            self._scheduler().check(self.solver, shortest)

    def answers(self, problems: ProblemSet, done: Container[tuple[str, int]]) -> Iterator[Answer]:
        """Yield the answers that are not in ``done`` (pairs of problem id and sample), as they come.

        Raises:
            CalculemusError: What would keep every problem from being solved, before any work.
        """
        self.check(problems, done)
        forget = getattr(self.engine, "forget", None)
        if forget is not None:
            forget()  # what an earlier system has left in the engine's memory would make this one cheaper
        for answer in self._scheduler().solve_all(self.solver, self.todo(problems, done)):
            yield Answer(*answer)

    def opening(self, problem: Problem) -> str | None:
        """Return the prompt that the method asks first, as text; None where it begins with something else."""
        steps = self.solver.start(problem, Rng(self.seed), self.engine.capabilities)
        try:
            asked = next(steps)
        except Exception:  # what a method raises is its result, which the report has beside the prompt
            return None
        finally:
            steps.close()
        first = next(iter(asked), None) if isinstance(asked, (list, tuple)) else asked
        return plain_text(first.prompt) if isinstance(first, Sample) else None

    def _scheduler(self) -> Scheduler:
        return Scheduler(
            self.engine,
            self.sandbox,
            seed=self.seed,
            budget=self.budget,
            cache=self.cache,
            in_flight=self.in_flight,
            sampling=self.sampling,
            fail_fast=self.fail_fast,
        )

    def todo(self, problems: ProblemSet, done: Container[tuple[str, int]]) -> Iterator[tuple[Problem, int]]:
        """Yield each problem with the number of each try at it that is not in ``done``."""
        for problem in problems:
            for sample in range(self.n_samples):
                if (problem.id, sample) not in done:
                    yield problem, sample


def check_prompts(name: str, solver: Solver, prompt_set: str) -> None:
    """Make sure that a model's prompt set has what a solver asks with.

    Args:
        name: Of the system, for the message.
        solver: Of the system.
        prompt_set: What the model was trained on.

    Raises:
        InvalidParameterError: It has not; the message names solvers that it is enough for.
    """
    has = template_names(prompt_set)
    asks_with = [name for name in solver.prompts or () if not is_own_file(name)]
    if any(prompt not in has for prompt in asks_with):
        raise InvalidParameterError(
            f"{name}: the method asks with the prompts {', '.join(asks_with)}; the model knows the prompt "
            f"set '{prompt_set}' alone, which has {', '.join(has)}. Choose another model, or a method that "
            f"asks with these: {', '.join(_solvers_that_ask_with(has))}"
        )


def _solvers_that_ask_with(prompts: Collection[str]) -> list[str]:
    """Return ids of solvers that need no other prompts, the oldest few: they are what people know."""
    fitting: list[str] = []
    for card in sorted(list_solvers(), key=lambda card: card.date):
        with suppress(CalculemusError):  # a card whose code cannot be loaded is not proposed
            asks_with = get_solver(card.id).prompts
            if asks_with and set(asks_with) <= set(prompts):
                fitting.append(card.id)
        if len(fitting) == _PROPOSED:
            break
    return fitting


def describe(value: Any) -> Any:
    """Return a solver or another configured value as JSON-like data: its class, and its parameters."""
    if isinstance(value, Configured):
        params = {name: describe(param) for name, param in value.params().items()}
        return {"name": type(value).__name__, "params": params}
    if isinstance(value, (tuple, list)):
        return [describe(item) for item in value]
    return value

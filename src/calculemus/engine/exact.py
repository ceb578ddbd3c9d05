"""What a method does on average, by summing over everything that a model may write instead of sampling it.

Only for models that list their outcomes, as ``ToyLM`` does, and for small cases: the method is run once for
every combination of completions.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from calculemus.cost import Budget
from calculemus.engine.asking import ask_one_by_one
from calculemus.engine.fair import Share
from calculemus.engine.method import Method, Startable, solver_key
from calculemus.engine.requests import (
    Capabilities,
    Completion,
    EngineRequest,
    Prompt,
    Request,
    Run,
    Sample,
    Sampling,
)
from calculemus.errors import InvalidParameterError
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solution import Solution

MAX_SOLUTIONS = 200_000
"""Combinations of completions after which a sum is given up."""


class Enumerable(Protocol):
    """A model that lists what it may write."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    def outcomes(self, prompt: Prompt, sampling: Sampling) -> Iterator[tuple[Completion, float]]:
        """Yield every completion of a prompt with its probability."""
        ...

    def measure(self, request: EngineRequest) -> tuple[object, ...]:
        """Return the reply to a request that draws nothing."""
        ...


class _Branch:
    """A run of the method up to the first completion that is not chosen yet."""

    def __init__(self, lm: Enumerable, chosen: tuple[Completion, ...]) -> None:
        self.following: Iterator[tuple[Completion, float]] | None = None
        self._lm = lm
        self._chosen = iter(chosen)

    def answer(self, request: Request, path: tuple[int, ...]) -> Any:
        """Answer a request with the chosen completions; None, from where there are none."""
        del path
        if isinstance(request, Run):
            raise InvalidParameterError(
                "summing over what a method may do: it asks to run a program; expected requests to the model "
                "alone. Sample it instead"
            )
        if self.following is not None:
            return None
        if not isinstance(request, Sample):
            return self._lm.measure(request)  # type: ignore[arg-type]  # a First was taken apart
        completions: list[Completion] = []
        for _ in range(request.n):
            completion = next(self._chosen, None)
            if completion is None:
                self.following = self._lm.outcomes(request.prompt, request.sampling)
                return None
            completions.append(completion)
        return tuple(completions)


def solutions(
    solver: Startable, problem: Problem, lm: Enumerable, seed: int = 0
) -> Iterator[tuple[Solution, float]]:
    """Yield every solution that a method may come to, with its probability.

    The method's own draws (``ctx.rng``) are those of ``seed`` and are not summed over. Of a ``First`` its
    first requests are answered.

    Raises:
        InvalidParameterError: The method asks for programs, or there are too many combinations.
    """
    n_found = 0
    pending: list[tuple[tuple[Completion, ...], float]] = [((), 1.0)]
    while pending:
        chosen, probability = pending.pop()
        branch = _Branch(lm, chosen)
        solution = _follow(solver, problem, lm, seed, branch)
        if branch.following is not None:
            pending += [((*chosen, c), probability * p) for c, p in branch.following]
            continue
        n_found += 1
        if n_found > MAX_SOLUTIONS:
            raise InvalidParameterError(
                f"summing over what {solver_key(solver)} may do: there are more than {MAX_SOLUTIONS} "
                "combinations of completions; expected fewer. Take fewer samples or a smaller model"
            )
        assert solution is not None, "a branch that needs nothing more has ended"
        yield solution, probability


def _follow(
    solver: Startable, problem: Problem, lm: Enumerable, seed: int, branch: _Branch
) -> Solution | None:
    """Run the method on a branch; None where a completion has to be chosen first."""
    key = solver_key(solver)
    rng = Rng(seed, (key, problem.id, 0))
    method = Method(key, problem, 0, rng, solver.start(problem, rng, lm.capabilities), Share(), Budget())
    reply: Any = None
    while method.resume(reply, None) is not None:
        reply = ask_one_by_one(method.asked, branch.answer, ())
        if branch.following is not None:
            method.close()
            return None
    return method.solution


def answer_law(solver: Startable, problem: Problem, lm: Enumerable, seed: int = 0) -> dict[str | None, float]:
    """Return the probability of each answer that a method may give; None stands for no answer."""
    law: dict[str | None, float] = {}
    for solution, probability in solutions(solver, problem, lm, seed):
        law[solution.answer] = law.get(solution.answer, 0.0) + probability
    return law

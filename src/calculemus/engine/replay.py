"""A solve, written down as it went, and run again without an engine.

A recording holds what a method asked for and was told, yield by yield. Replayed, the method must ask for the
same: where a change of its code makes it ask for something else, that is an error and no wrong result.
"""

from dataclasses import dataclass, replace
from typing import Any

from calculemus import errors
from calculemus.cost import Budget, Cost
from calculemus.engine.fair import Share
from calculemus.engine.method import Method, Startable, solver_key
from calculemus.engine.requests import Capabilities
from calculemus.engine.wire import pack, unpack
from calculemus.errors import CalculemusError, EngineError, ReplayError
from calculemus.params import canonical_json
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solution import Solution


@dataclass(frozen=True, slots=True)
class Recording:
    """What a method asked and was told on one sample of one problem.

    Attributes:
        solver: Its key.
        problem_id: The problem's id.
        sample: Which try.
        seed: The run's seed.
        steps: For each yield, packed: what was asked, and the reply, or the error as type and message.
    """

    solver: str
    problem_id: str
    sample: int
    seed: int
    steps: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, method: Method, seed: int) -> "Recording":
        """Write down a method that has ended and whose tape ran."""
        steps = tuple(_write_step(asked, told) for asked, told in method.tape or ())
        return cls(method.key, method.problem.id, method.sample, seed, steps)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dictionaries that ``from_json`` reads back."""
        return {
            "solver": self.solver,
            "problem_id": self.problem_id,
            "sample": self.sample,
            "seed": self.seed,
            "steps": list(self.steps),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Recording":
        """Read back what ``to_json`` returned."""
        return cls(**{**value, "steps": tuple(value["steps"])})


def _write_step(asked: Any, told: Any) -> dict[str, Any]:
    if isinstance(told, Exception):
        return {"asked": pack(asked), "error": [type(told).__name__, str(told)]}
    return {"asked": pack(asked), "reply": pack(told)}


def _read_error(name: str, message: str) -> CalculemusError:
    """Return the error that was thrown; one of another library's comes back as an engine's."""
    kind = getattr(errors, name, EngineError)
    return kind(message)


def replay(solver: Startable, problem: Problem, recording: Recording, capabilities: Capabilities) -> Solution:
    """Run a recorded solve again.

    Args:
        solver: The solver that was recorded, with the same parameters.
        problem: The problem it was recorded on.
        recording: What it asked and was told.
        capabilities: Of the engine it was recorded with.

    Returns:
        The solution, without cost: nothing was spent.

    Raises:
        ReplayError: The method asks for something else, or for more or less, than it did.
    """
    rng = Rng(recording.seed, (recording.solver, recording.problem_id, recording.sample))
    steps = solver.start(problem, rng, capabilities)
    method = Method(solver_key(solver), problem, recording.sample, rng, steps, Share(), Budget())
    reply: Any = None
    error: Exception | None = None
    for index, step in enumerate(recording.steps):
        method.resume(reply, error)
        _compare(method, index, step["asked"])
        error = _read_error(*step["error"]) if "error" in step else None
        reply = unpack(step["reply"]) if error is None else None
    method.resume(reply, error)
    _compare(method, len(recording.steps), None)
    return replace(method.result(), cost=Cost())


def _compare(method: Method, index: int, recorded: Any) -> None:
    """Check that the method asks for what it asked for; None: that it has ended."""
    asked = pack(method.asked) if method.solution is None else None
    if canonical_json(asked) != canonical_json(recorded):
        raise ReplayError(
            f"replaying {method.key} on {method.problem.id}: in step {index + 1} it {_describe(asked)}; in "
            f"the recording it {_describe(recorded)}. Use the solver, its parameters and prompts as they were"
        )


def _describe(asked: Any) -> str:
    return "has ended" if asked is None else f"asks for {canonical_json(asked)[:300]}"

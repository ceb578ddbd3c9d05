"""Trials: the problems that solvers are tried on, how, and what came of it."""

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from calculemus.cost import Budget
from calculemus.engine.replay import Recording
from calculemus.engine.requests import Capabilities, EngineRequest
from calculemus.engine.scripted import Fault
from calculemus.problem import Problem
from calculemus.solution import Solution

Steps = Generator[Any, Any, Solution]


def trial_problems() -> list[Problem]:
    """Return what solvers are tried on, made anew, so that a method which changes them disturbs no other."""
    return [_problem(index, hens, days) for index, (hens, days) in enumerate([(3, 6), (7, 4), (5, 9)])]


def _problem(index: int, hens: int, days: int) -> Problem:
    question = f"{hens} hens lay an egg each day. How many eggs do they lay in {days} days?"
    solution = f"{hens} * {days} = {hens * days}"
    meta = {"group": f"eggs/{index}", "steps": 1, "facts": {"numbers": [hens, days]}}
    return Problem(f"trial/{index}", question, str(hens * days), solution, meta=meta)


@dataclass(frozen=True, slots=True)
class Setting:
    """How a trial is made.

    Attributes:
        voice: What the engine says, one of ``VOICES``, or a text that it always says.
        salt: Of the engine: which numbers it says.
        seed: The run's.
        rows: That the engine works on at once.
        fault: What goes wrong with the engine.
        is_chat: Whether the engine's model has a chat template.
        is_plain: Whether the engine can only sample, without log-probabilities.
        budget: Of each problem.
    """

    voice: str
    salt: int = 0
    seed: int = 0
    rows: int = 256
    fault: Fault | None = None
    is_chat: bool = False
    is_plain: bool = False
    budget: Budget = field(default_factory=Budget)


@dataclass(slots=True)
class Trial:
    """What came of a trial.

    Attributes:
        solutions: By the problem's id.
        raised: What the method raised, by the problem's id.
        went_on: Problems on which it asked for more after it was told that its budget is spent.
        yielded: What the method yielded, by the problem's id.
        told: What it was told, by the problem's id.
        began: Seconds that the engine had worked when it took what was yielded.
        asked: Requests that reached the engine.
        recordings: By the problem's id, where they were asked for.
        capabilities: Of the engine.
    """

    solutions: dict[str, Solution] = field(default_factory=dict)
    raised: dict[str, Exception] = field(default_factory=dict)
    went_on: list[str] = field(default_factory=list)
    yielded: dict[str, list[Any]] = field(default_factory=dict)
    told: dict[str, list[Any]] = field(default_factory=dict)
    began: list[float] = field(default_factory=list)
    asked: Sequence[EngineRequest] = ()
    recordings: dict[str, Recording] = field(default_factory=dict)
    capabilities: Capabilities | None = None

    def facts(self) -> dict[str, dict[str, Any]]:
        """Return what must not depend on anything but problem and seed, by the problem's id, JSON-like."""
        return {name: _facts(solution) for name, solution in sorted(self.solutions.items())}

    def answers(self) -> dict[str, str | None]:
        """Return the answers by the problem's id."""
        return {name: solution.answer for name, solution in sorted(self.solutions.items())}


def _facts(solution: Solution) -> dict[str, Any]:
    nodes = [
        # A traceback names files and lines of whoever drove the method.
        {**node, "text": node["text"].strip().rpartition("\n")[2]} if node["kind"] == "error" else node
        for node in solution.trace.to_json()
    ]
    facts = {
        "answer": solution.answer,
        "candidates": list(solution.candidates),
        "failure": solution.failure,
        "truncated": solution.truncated,
        "tokens_out": solution.cost.tokens_out,
        "tokens_discarded": solution.cost.tokens_discarded,
        "trace": nodes,
    }
    return json.loads(json.dumps(facts, default=repr))

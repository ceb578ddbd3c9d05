"""Solvers driven by hand: what they yield is kept, and a function answers it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from calculemus.engine.requests import Capabilities, Completion, Prefix
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solution import Solution
from calculemus.solving import Solver

CAN = Capabilities(frozenset({"Sample", "Score", "Value"}), True, True, True, None, 64)


@dataclass(frozen=True)
class Driven:
    """A solution, and all that was asked for it in order."""

    solution: Solution
    asked: list[Any]


def complete(
    text: str, logprobs: tuple[float, ...] | None = None, prompt: str = "", finish: str = "stop"
) -> Completion:
    """Return a completion as an engine would."""
    return Completion(text, None, logprobs, finish, None, Prefix(prompt + text))


def drive_by_hand(
    solver: Solver, problem: Problem, answer: Callable[[Any], Any], can: Capabilities = CAN
) -> Driven:
    """Run a solver; ``answer`` gives the reply to each single request, or returns an error to throw."""
    steps = solver.start(problem, Rng(0).child(problem.id), can)
    asked: list[Any] = []
    reply: Any = None
    try:
        while True:
            request = steps.throw(reply) if isinstance(reply, Exception) else steps.send(reply)
            asked.append(request)
            reply = [answer(each) for each in request] if isinstance(request, list) else answer(request)
    except StopIteration as stop:
        return Driven(stop.value, asked)


def texts_in_order(*texts: str) -> Callable[[Any], Any]:
    """Return a function that answers samples with the texts, one after the other."""
    left = iter(texts)
    return lambda request: tuple(complete(next(left)) for _ in range(request.n))


@pytest.fixture(scope="session")
def problem() -> Problem:
    return Problem("eggs/0", "A hen lays 3 eggs a day. How many eggs does it lay in 6 days?", "18")


@pytest.fixture(scope="session")
def drive() -> Callable[..., Driven]:
    return drive_by_hand


@pytest.fixture(scope="session")
def completion() -> Callable[..., Completion]:
    return complete


@pytest.fixture(scope="session")
def in_order() -> Callable[..., Callable[[Any], Any]]:
    return texts_in_order


@pytest.fixture(scope="session")
def able() -> Capabilities:
    return CAN

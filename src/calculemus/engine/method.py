"""A method at work: a generator, where it stands, and what it has spent."""

import traceback
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from calculemus.cost import Budget
from calculemus.engine.asking import Ask, Gate, open_gate
from calculemus.engine.budget import Account, Ledger
from calculemus.engine.fair import Share
from calculemus.engine.requests import Capabilities
from calculemus.errors import BudgetExceededError, InvalidParameterError
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solution import Node, Solution, Trace

Steps = Generator[Any, Any, Solution]


class Startable(Protocol):
    """What a driver needs of a solver."""

    def start(self, problem: Problem, rng: Rng, capabilities: Capabilities) -> Steps:
        """Return the generator that solves the problem."""
        ...


def solver_key(solver: Startable) -> str:
    """Return what names a solver in the paths of its random draws.

    Parameters are not in it: ``vote`` with 8 and with 16 samples share their first 8, so a comparison of the
    two is sharper, and the second costs half where replies are kept on disk.
    """
    return type(solver).__name__


class Method:
    """One solver at work on one sample of one problem.

    Attributes:
        key: Names the solver.
        problem: The problem.
        sample: Which try.
        rng: The root of its requests' seeds.
        share: Its problem's place in the queue.
        account: Its budget; None without limits.
        ledger: What its requests cost.
        n_open: Requests that are not paid for yet; its solution waits for them, so that none goes uncharged.
        solution: What it returned; None while it works.
        error: What it raised; None if it did not.
        step: How often it has yielded.
        asked: What it yielded last.
        tape: What it asked and was told, where that is recorded: pairs of a yield and a reply or error.
    """

    def __init__(
        self, key: str, problem: Problem, sample: int, rng: Rng, steps: Steps, share: Share, budget: Budget
    ) -> None:
        self.key = key
        self.problem = problem
        self.sample = sample
        self.rng = rng
        self.share = share
        self.account = None if budget == Budget() else Account(budget)
        self.ledger = Ledger()
        self.n_open = 0
        self.solution: Solution | None = None
        self.error: Exception | None = None
        self.step = 0
        self.tape: list[tuple[Any, Any]] | None = None
        self._steps = steps
        self.asked: Any = None
        self._is_over_budget = False

    def resume(self, reply: Any, error: Exception | None) -> tuple[Gate, list[Ask]] | None:
        """Go on with a reply or an error, to the next requests; None when it has returned or raised."""
        if self.tape is not None and self.step:
            self.tape.append((self.asked, reply if error is None else error))
        self._is_over_budget = isinstance(error, BudgetExceededError)
        while True:
            try:
                asked = self._steps.send(reply) if error is None else self._steps.throw(error)
            except StopIteration as stop:
                return self._finish(stop.value)
            except Exception as raised:  # whatever a method raises is its result on this problem
                return self._fail(raised)
            if self._is_over_budget:
                return self._fail(self._closed(error))
            self.step += 1
            self.asked = asked
            try:
                return open_gate(self, asked, (self.step - 1,))
            except (TypeError, InvalidParameterError) as refused:
                reply, error = None, refused

    def refuse(self, shortage: str) -> None:
        """Tell the method that its requests were not sent; it has one chance to return."""
        error = BudgetExceededError(
            f"{self.key} on {self.problem.id}: {shortage}; expected requests that fit into the budget of one "
            "problem. Return the best so far, or raise the budget"
        )
        self.resume(None, error)

    def _closed(self, error: Exception | None) -> Exception:
        """Stop the method, which had its chance."""
        self.close()
        assert error is not None, "a method over budget is resumed with the error"
        return error

    def close(self) -> None:
        """Stop the method where it stands."""
        with suppress(Exception):  # its cleaning up is its own affair; nobody waits for the result
            self._steps.close()

    def _finish(self, returned: Any) -> None:
        if isinstance(returned, Solution):
            self.solution = returned
        else:
            self._fail(TypeError(f"{self.key} returned {returned!r}; expected a Solution"))

    def _fail(self, raised: Exception) -> None:
        self.error = raised
        own = raised.__traceback__.tb_next if raised.__traceback__ else None  # the first frame is ours
        text = "".join(traceback.format_exception(type(raised), raised, own))
        line = f"{type(raised).__name__}: {' '.join(str(raised).split())[:500]}"
        self.solution = Solution(None, trace=Trace((Node("error", text),)), failure=line)

    def result(self) -> Solution:
        """Return the solution with what it cost."""
        assert self.solution is not None, "the method has ended"
        # A solver says in tokens_discarded how many sampled tokens stand nowhere in its result.
        self.ledger.prune(self.solution.cost.tokens_discarded or 0)
        return replace(
            self.solution,
            cost=self.ledger.total,
            truncated=self.solution.truncated or self._is_over_budget,
        )

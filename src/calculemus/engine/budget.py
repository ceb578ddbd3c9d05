"""What a method has spent, and whether it may send one more request.

Before a request goes out its worst case is reserved, and afterwards what it did not use is given back. So
tokens, requests and FLOPs never exceed the budget. Seconds of an engine have no worst case: a request goes
out while any are left, and the last one may overrun.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from calculemus.cost import Budget, Cost, Meter, forward_flops
from calculemus.engine.base import Engine
from calculemus.engine.requests import First, Request, Run, Sample
from calculemus.engine.rows import count_rows


@dataclass(slots=True)
class Spending:
    """Amounts of what a budget limits; the names are those of ``Budget``."""

    tokens: int = 0
    requests: int = 0
    seconds: float = 0.0
    flops: float = 0.0
    sandbox_seconds: float = 0.0

    def add(self, other: "Spending", sign: int = 1) -> None:
        """Add the amounts of another, or take them off."""
        self.tokens += sign * other.tokens
        self.requests += sign * other.requests
        self.seconds += sign * other.seconds
        self.flops += sign * other.flops
        self.sandbox_seconds += sign * other.sandbox_seconds


@dataclass(frozen=True, slots=True)
class FlopModel:
    """Worst-case FLOPs of a request; 0 where the engine does not say how large its model is."""

    parameters: int = 0
    n_layers: int = 0
    d_attention: int = 0

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "FlopModel":
        """Read an engine's facts ``parameters``, ``n_layers`` and ``d_attention``."""
        return cls(*(int(facts.get(name) or 0) for name in ("parameters", "n_layers", "d_attention")))

    def worst(self, rows: int, tokens: int) -> float:
        """Return the FLOPs of so many rows of so many tokens if nothing is cached."""
        return rows * forward_flops(self.parameters, self.n_layers, self.d_attention, tokens)


def worst_case(request: Request, engine: Engine, model: FlopModel, sandbox_seconds: float) -> Spending:
    """Return the most that a request may spend.

    Args:
        request: One request.
        engine: Counts its prompt's tokens.
        model: The engine's; without it FLOPs have no worst case.
        sandbox_seconds: The longest that the sandbox lets a program run.
    """
    if isinstance(request, Run):
        return Spending(sandbox_seconds=sandbox_seconds)
    assert not isinstance(request, First), "only its parts are sent"
    rows = count_rows(request)
    longest = request.sampling.max_tokens if isinstance(request, Sample) else 0
    flops = 0.0
    if model.parameters:
        flops = model.worst(rows, (engine.count_tokens(request) or 0) + longest)
    return Spending(tokens=rows * longest, requests=1, flops=flops)


class Account:
    """One method's budget: what is spent, and what is reserved for requests on their way."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._spent = Spending()
        self._reserved = Spending()

    def refusal(self, worst: Spending) -> str | None:
        """Return what is short, as words for a message; None where the reservation fits."""
        for name in ("tokens", "requests", "flops", "sandbox_seconds"):
            limit, more, used = getattr(self._budget, name), getattr(worst, name), self._used(name)
            if limit is not None and more and used + more > limit:
                return f"it may take {more:g} more {name}, and {used:g} of {limit:g} are used"
        for name in ("seconds", "flops"):
            limit, used = getattr(self._budget, name), self._used(name)
            if limit is not None and worst.requests and used >= limit:
                return f"{used:.3g} of {limit:g} {name} are used"
        return None

    def _used(self, name: str) -> float:
        return getattr(self._spent, name) + getattr(self._reserved, name)

    def reserve(self, worst: Spending) -> None:
        """Set an amount aside."""
        self._reserved.add(worst)

    def settle(self, worst: Spending, spent: Spending) -> None:
        """Give a reservation back and book what was spent instead."""
        self._reserved.add(worst, -1)
        self._spent.add(spent)


def spending_of(cost: Cost, worst: Spending) -> Spending:
    """Return what a request spent; an amount that the engine does not know counts as its worst case."""
    out, flops = cost.tokens_out, cost.flops
    return Spending(
        tokens=worst.tokens if out is None else out + (cost.tokens_discarded or 0),
        requests=worst.requests,
        seconds=cost.seconds_engine or 0.0,
        flops=worst.flops if flops is None else flops,
        sandbox_seconds=cost.seconds_sandbox or 0.0,
    )


class Ledger:
    """Adds up what a method's requests cost."""

    __slots__ = ("_discarded", "_engine", "_moved", "_queue", "_sandbox")

    def __init__(self) -> None:
        self._engine = Meter()
        self._discarded = 0
        self._moved = 0  # sampled tokens that the engine counted as standing and that do not
        self._queue = 0.0
        self._sandbox = 0.0

    def charge(self, cost: Cost) -> None:
        """Add the cost of a request or a program whose reply stands."""
        self._engine.add(cost)
        self._discarded += cost.tokens_discarded or 0
        self._sandbox += cost.seconds_sandbox or 0

    def discard(self, cost: Cost) -> None:
        """Add the cost of a request whose reply nobody uses."""
        self.charge(cost)
        self.prune(cost.tokens_out or 0)

    def prune(self, tokens: int) -> None:
        """Count sampled tokens as discarded."""
        self._moved += tokens
        self._discarded += tokens

    def wait(self, seconds: float) -> None:
        """Add time for which a request waited."""
        self._queue += seconds

    @property
    def total(self) -> Cost:
        """The sum; an engine that leaves an amount open leaves it open here."""
        total = self._engine.total
        return replace(
            total,
            tokens_out=None if total.tokens_out is None else total.tokens_out - self._moved,
            tokens_discarded=self._discarded,
            seconds_queue=self._queue,
            seconds_sandbox=self._sandbox,
        )

"""What a comparison would still take, before anything is spent."""

from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from calculemus.engine.dryrun import Price, price
from calculemus.events import track
from calculemus.problems.problemset import ProblemSet
from calculemus.store import Store
from calculemus.study.live import LiveSystem
from calculemus.study.system import System


@dataclass(frozen=True, slots=True)
class SystemPrice:
    """What one system would still take; sampled tokens and FLOPs are upper bounds.

    Attributes:
        name: Of the system.
        stored: Answers that the store has; they are not asked for again.
        answers: Answers that are to come.
        requests: To the engine.
        samples: Completions, scored continuations and the like, over these requests.
        programs: To run in the sandbox.
        tokens_in: Of the prompts, each counted once however many samples it gets; None where only the
            endpoint can count them.
        tokens_out: Sampled, if every completion is as long as it may be.
        flops: Of the model, if besides every sample computes its prompt anew; None where its size is not
            known.
    """

    name: str
    stored: int
    answers: int
    requests: int = 0
    samples: int = 0
    programs: int = 0
    tokens_in: int | None = 0
    tokens_out: int = 0
    flops: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Pricing:
    """What a comparison would still take.

    Attributes:
        problems: The problem set's name.
        n: Problems in it.
        systems: One line each, in the order given.
    """

    problems: str
    n: int
    systems: tuple[SystemPrice, ...]

    @property
    def total(self) -> SystemPrice:
        """All systems together; an amount that one of them leaves open is open."""
        lines = self.systems
        return SystemPrice(
            "all",
            stored=sum(line.stored for line in lines),
            answers=sum(line.answers for line in lines),
            requests=sum(line.requests for line in lines),
            samples=sum(line.samples for line in lines),
            programs=sum(line.programs for line in lines),
            tokens_in=_sum([line.tokens_in for line in lines]),
            tokens_out=sum(line.tokens_out for line in lines),
            flops=_sum([line.flops for line in lines]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dictionaries."""
        return {**asdict(self), "total": asdict(self.total)}


def price_systems(store: Store | None, systems: Sequence[System], problems: ProblemSet) -> Pricing:
    """Return what comparing would take. Models count tokens and are asked for nothing else.

    The methods run on assumed replies, so that one which goes by what a model says may take more or less.

    Args:
        store: Has answers that are not asked for again; None where there is none yet.
        systems: What is to be compared. Recorded answers cost nothing.
        problems: What they are to be compared on.

    Raises:
        CalculemusError: What would stop the comparison before any work.
    """
    for system in systems:
        if isinstance(system, LiveSystem):
            system.check(problems)
    return Pricing(problems.name, len(problems), tuple(_price(store, system, problems) for system in systems))


def _price(store: Store | None, system: System, problems: ProblemSet) -> SystemPrice:
    run = None if store is None else store.known(system.spec(), problems)
    done: Container[tuple[str, int]] = ()
    stored = 0
    if store is not None and run is not None:
        done, stored = store.done(run), run.n_answers
    if not isinstance(system, LiveSystem):
        return SystemPrice(system.name, stored, 0)
    n = sum(1 for _ in system.todo(problems, done))
    asked = track(system.todo(problems, done), f"price of {system.name}", n)
    found = price(system.solver, system.engine, asked, seed=system.seed)
    return _within(system, stored, found)


def _within(system: LiveSystem, stored: int, found: Price) -> SystemPrice:
    """Return a price, no higher than what the budget lets the system take."""
    budget, n = system.budget, found.problems
    flops = found.flops_worst
    if budget.flops is not None and flops is not None:
        flops = min(flops, n * budget.flops)
    return SystemPrice(
        name=system.name,
        stored=stored,
        answers=n,
        requests=min(found.requests, n * (budget.requests or found.requests)),
        samples=found.rows,
        programs=found.programs,
        tokens_in=found.tokens_in,
        tokens_out=min(found.tokens_out_worst, n * (budget.tokens or found.tokens_out_worst)),
        flops=flops,
    )


def _sum(amounts: Sequence[float | None]) -> Any:
    """Return the sum, of the type of its parts; None where one of them is not known."""
    return None if None in amounts else sum(amount for amount in amounts if amount is not None)

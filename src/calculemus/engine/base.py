"""What an engine is: takes requests with seeds, works on many at once, hands back replies as they finish."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from calculemus.cost import Cost
from calculemus.engine.requests import Capabilities, EngineRequest


@dataclass(frozen=True, slots=True)
class Job:
    """One request on its way through an engine.

    Attributes:
        ticket: Names the job; unique among those in flight.
        request: What is asked.
        seeds: One 64-bit seed for each row (each of a sample's ``n`` completions); the reply depends on
            request and seeds alone, never on what else is in flight.
    """

    ticket: int
    request: EngineRequest
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """A finished job: its reply (see each request for the type) or the error that ended it, and its cost."""

    ticket: int
    reply: Any
    cost: Cost
    error: Exception | None = None


class Engine(Protocol):
    """Runs requests on a model."""

    @property
    def name(self) -> str:
        """What people call it, for example ``tiny`` or ``http://127.0.0.1:8000/v1#model``."""
        ...

    @property
    def digest(self) -> str:
        """Names by content everything that changes its replies: weights, tokenizer, dtype, template."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    def count_tokens(self, request: EngineRequest) -> int | None:
        """Return the prompt tokens of a request; None where it cannot be known beforehand."""
        ...

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs; returns at once.

        Raises:
            EngineCapabilityError: A kind of request, or an option of it, that the engine does not have.
        """
        ...

    def wait(self) -> list[Done]:
        """Work until a job is finished; return all finished ones, [] where nothing is in flight."""
        ...

    def cancel(self, tickets: Sequence[int]) -> list[Done]:
        """Stop jobs; returns what they cost (reply None), and nothing for those that are finished."""
        ...

    def free_rows(self) -> int:
        """Return how many more rows it takes now, some of which may wait; the scheduler keeps it at zero."""
        ...

    def close(self) -> None:
        """Give back memory and connections."""
        ...

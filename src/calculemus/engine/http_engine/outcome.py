"""What came of a request: an answer or a failure, and the time that it took."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from calculemus.engine.http_engine.faults import Fault

T = TypeVar("T")


@dataclass(slots=True)
class Spent:
    """Time that requests took, added up over all their tries.

    Attributes:
        shared: Seconds of the server, each moment shared with the other requests under way.
        waited: Seconds between the tries and before the first one.
        is_torn: Whether one was cancelled under way: what it cost is unknown.
    """

    shared: float = 0.0
    waited: float = 0.0
    is_torn: bool = False


@dataclass(frozen=True, slots=True)
class Got(Generic[T]):
    """What was read from a reply, and the reply."""

    value: T
    said: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """A request that was given up.

    Attributes:
        history: What was wrong with each try.
        message: A report for people.
    """

    history: Sequence[Fault]
    message: str

    @property
    def is_silence(self) -> bool:
        """Whether no try brought a reply of any kind."""
        return all(fault.is_silence for fault in self.history)

"""What the connection went through: how often it failed and why, and whose seconds were whose."""

import threading
import time
from collections import Counter
from collections.abc import Callable

from calculemus.engine.http_engine.faults import Fault


class Tally:
    """Counts requests and faults; read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = 0
        self._retried: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._flaws: Counter[str] = Counter()
        self._messages: dict[str, str] = {}

    def add_request(self) -> None:
        """Count a request that was sent."""
        with self._lock:
            self._requests += 1

    def add_fault(self, fault: Fault, is_last: bool) -> None:
        """Count a try that failed, and whether the request was given up with it."""
        with self._lock:
            (self._lost if is_last else self._retried)[fault.cause] += 1
            if fault.message:
                self._messages.setdefault(fault.cause, fault.message)

    def add_flaw(self, flaw: str) -> None:
        """Count a reply that could be used but was not as asked for."""
        with self._lock:
            self._flaws[flaw] += 1

    @property
    def requests(self) -> int:
        """Requests sent, every try counted."""
        with self._lock:
            return self._requests

    def report(self) -> str:
        """Say in a few lines what failed and why; empty where nothing did."""
        with self._lock:
            lines = [
                *self._lines(self._lost, "gave up after"),
                *self._lines(self._retried, "tried again after"),
                *(f"{count} replies: {flaw}" for flaw, count in self._flaws.most_common()),
            ]
            if self._retried or self._lost:
                lines.append("What tries without a usable reply cost is unknown and not charged")
            return "\n".join([f"{self._requests} requests were sent", *lines]) if lines else ""

    def _lines(self, causes: Counter[str], what: str) -> list[str]:
        return [
            f"{count} x {what} {Fault(cause, self._messages.get(cause, ''))}"
            for cause, count in causes.most_common()
        ]


class SharedClock:
    """Gives each moment in equal parts to the requests under way, so that the parts add up to the time."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._last = now()
        self._share = 0.0  # seconds that a request under way from the beginning would have got
        self._under_way = 0

    def enter(self) -> float:
        """Begin a request; returns the mark to leave with."""
        self._advance()
        self._under_way += 1
        return self._share

    def leave(self, mark: float) -> float:
        """End a request; returns its seconds."""
        self._advance()
        self._under_way -= 1
        return self._share - mark

    def _advance(self) -> None:
        now = self._now()
        if self._under_way:
            self._share += (now - self._last) / self._under_way
        self._last = now

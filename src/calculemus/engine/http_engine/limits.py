"""Not more than so many requests and tokens a minute, and nothing while the server asks for a pause."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

MINUTE = 60.0


@dataclass(slots=True)
class Entry:
    """An amount that was let through, and when."""

    time: float
    amount: int
    is_past: bool = False


class Window:
    """Lets at most ``limit`` units through in any ``span`` seconds, wherever they begin.

    An amount above the limit passes alone: it would wait for ever otherwise.
    """

    def __init__(self, limit: int, span: float) -> None:
        self.limit = limit
        self.span = span
        self._entries: deque[Entry] = deque()
        self._used = 0

    def wait(self, amount: int, now: float) -> float:
        """Return the seconds until ``amount`` may pass."""
        while self._entries and self._entries[0].time + self.span <= now:
            oldest = self._entries.popleft()
            oldest.is_past = True
            self._used -= oldest.amount
        excess = self._used + amount - self.limit
        seconds = 0.0
        for entry in self._entries:
            if excess <= 0:
                break
            excess -= entry.amount
            seconds = entry.time + self.span - now
        return seconds

    def add(self, amount: int, now: float) -> Entry:
        """Let ``amount`` through."""
        entry = Entry(now, amount)
        self._entries.append(entry)
        self._used += amount
        return entry

    def correct(self, entry: Entry, amount: int) -> None:
        """Put the true amount in the place of an estimate."""
        if not entry.is_past:
            self._used += amount - entry.amount
        entry.amount = amount


class Gate:
    """Lets requests out one after the other, as fast as the limits and the server's own pauses allow."""

    def __init__(self, requests_per_minute: int | None, tokens_per_minute: int | None) -> None:
        self._requests = Window(requests_per_minute, MINUTE) if requests_per_minute else None
        self._tokens = Window(tokens_per_minute, MINUTE) if tokens_per_minute else None
        self._closed_until = 0.0
        self._turn = asyncio.Lock()

    async def enter(self, tokens: int) -> Entry | None:
        """Wait until a request of at most ``tokens`` tokens may go out; return what it reserved."""
        async with self._turn:
            while (seconds := self._wait(tokens, time.monotonic())) > 0:
                await asyncio.sleep(seconds)
            now = time.monotonic()
            if self._requests:
                self._requests.add(1, now)
            return self._tokens.add(tokens, now) if self._tokens else None

    def settle(self, reserved: Entry | None, tokens: int) -> None:
        """Replace a reservation by what was used."""
        if self._tokens and reserved:
            self._tokens.correct(reserved, tokens)

    def close_for(self, seconds: float) -> None:
        """Let nothing out for this long: the server has asked for it."""
        self._closed_until = max(self._closed_until, time.monotonic() + seconds)

    def _wait(self, tokens: int, now: float) -> float:
        windows = ((self._requests, 1), (self._tokens, tokens))
        waits = [window.wait(amount, now) for window, amount in windows if window]
        return max([self._closed_until - now, *waits])

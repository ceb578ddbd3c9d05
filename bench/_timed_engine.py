"""A scripted engine that measures the processor time inside it, so that what is outside can be told apart."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from calculemus.engine.base import Done, Job
from calculemus.engine.requests import EngineRequest
from calculemus.engine.scripted import ScriptedEngine


class Timed:
    """An engine whose own processor time is measured.

    Args:
        inner: The engine.
    """

    def __init__(self, inner: ScriptedEngine) -> None:
        self.inner = inner
        self.seconds = 0.0
        self.name, self.digest = self.inner.name, self.inner.digest
        self.capabilities = self.inner.capabilities
        self.free_rows = self.inner.free_rows
        self.count_tokens = self.inner.count_tokens
        self.cancel, self.close = self.inner.cancel, self.inner.close

    def _timed(self, call: Callable[..., Any], *args: Any) -> Any:
        start = time.process_time()
        try:
            return call(*args)
        finally:
            self.seconds += time.process_time() - start

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs."""
        self._timed(self.inner.submit, jobs)

    def wait(self) -> list[Done]:
        """Work until a row is finished."""
        return self._timed(self.inner.wait)

    def ask(self, asked: Sequence[tuple[EngineRequest, tuple[int, ...]]]) -> list[Any]:
        """Send requests with the seeds of their rows, wait for all, and return the replies in order."""
        self.submit([Job(ticket, request, seeds) for ticket, (request, seeds) in enumerate(asked)])
        replies: dict[int, Any] = {}
        while len(replies) < len(asked):
            replies |= {done.ticket: done.reply for done in self.wait()}
        return [replies[ticket] for ticket in range(len(asked))]

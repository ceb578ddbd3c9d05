"""Telling another process what a command does: its events, a line of JSON each, in the file it names."""

import json
import os
import time
from pathlib import Path

from calculemus.events import FILE_VARIABLE, Event, Note, Progress

_PAUSE = 0.2  # seconds between two lines on the same task


class Teller:
    """Listens to events and writes them down. A file that cannot be written stops nothing.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        """Write one event down; progress only now and then, its end always."""
        if isinstance(event, Note):
            self._write({"note": event.message})
        elif isinstance(event, Progress):
            now = time.monotonic()
            if event.finished or now - self._told.get(event.task, -_PAUSE) >= _PAUSE:
                self._told[event.task] = now
                self._write({"task": event.task, "done": event.done, "total": event.total})

    def _write(self, told: dict[str, object]) -> None:
        try:
            with open(self._path, "a", encoding="utf-8", errors="replace", opener=_without_waiting) as file:
                file.write(json.dumps(told) + "\n")
        except OSError:
            return


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe that nobody reads is an error and not a wait."""
    return os.open(path, flags | os.O_NONBLOCK, 0o666)


def teller() -> Teller | None:
    """Return who writes events down, where somebody wants to know them."""
    named = os.environ.get(FILE_VARIABLE)
    return Teller(Path(named)) if named else None

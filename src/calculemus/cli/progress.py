"""Draws the library's events on the terminal: bars for what lasts, notes for what one should know.

Everything goes to stderr; stdout is for results. Bars appear only on a terminal, after a second.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from calculemus.cli.telling import teller
from calculemus.events import Event, Note, Progress, listening

if TYPE_CHECKING:
    import rich.progress

_PATIENCE = 1.0
_REDRAW = 0.1


class Drawer:
    """Listens to events and draws them.

    Attributes:
        bars: Whether progress is drawn; notes always are.
    """

    def __init__(self, bars: bool) -> None:
        self.bars = bars
        self._started: dict[str, float] = {}
        self._display: rich.progress.Progress | None = None
        self._tasks: dict[str, rich.progress.TaskID] = {}
        self._drawn = 0.0

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        if isinstance(event, Note):
            self._write(f"note: {event.message}")
        elif self.bars and isinstance(event, Progress):
            self._advance(event)

    def close(self) -> None:
        """Take the bars away."""
        if self._display is not None:
            self._display.stop()
            self._display = None
        self._tasks.clear()

    def _write(self, line: str) -> None:
        if self._display is not None:
            self._display.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr)

    def _advance(self, event: Progress) -> None:
        now = time.monotonic()
        started = self._started.setdefault(event.task, now)
        if event.finished:
            self._finish(event)
        elif now - started > _PATIENCE and now - self._drawn > _REDRAW:
            self._drawn = now
            self._draw(event)

    def _draw(self, event: Progress) -> None:
        display = self._display or self._open()
        task = self._tasks.get(event.task)
        if task is None:
            self._tasks[event.task] = display.add_task(event.task, total=event.total, completed=event.done)
        else:
            display.update(task, completed=event.done, total=event.total)
        display.refresh()

    def _finish(self, event: Progress) -> None:
        """Take the task's bar away, and the display with the last one: results follow on a clean line."""
        del self._started[event.task]
        task = self._tasks.pop(event.task, None)
        if task is not None and self._display is not None:
            self._display.remove_task(task)
            if not self._tasks:
                self.close()

    def _open(self) -> "rich.progress.Progress":
        from rich.console import Console  # here: most commands end before a bar is due
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Display

        from calculemus.cli.rate import RateColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            RateColumn(),
            TimeRemainingColumn(),
        )
        # Every event that is drawn refreshes: no thread of rich's has to.
        self._display = Display(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
        self._display.start()
        return self._display


@contextmanager
def drawing() -> Iterator[None]:
    """Draw the events of the block, and tell them to whoever wants to know; see ``telling``."""
    drawer, told = Drawer(bars=sys.stderr.isatty()), teller()

    def hear(event: Event) -> None:
        drawer(event)
        if told is not None:
            told(event)

    try:
        with listening(hear):
            yield
    finally:
        drawer.close()

"""What the library tells a listener while it works. It knows no terminal: the CLI draws.

Example:
    >>> heard = []
    >>> with listening(heard.append):
    ...     note("12 rows name no problem of the set and were left out")
    >>> heard[0].message
    '12 rows name no problem of the set and were left out'
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total`` (None where unknown) units of ``task`` are finished."""

    task: str
    done: int
    total: int | None
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Something a user should know that stops nothing."""

    message: str


@dataclass(frozen=True, slots=True)
class Step:
    """A method has added a node to its trace; see ``calculemus.solution.Node``."""

    index: int
    kind: str
    text: str
    parents: tuple[int, ...]


Event = Progress | Note | Step
FILE_VARIABLE = "CALCULEMUS_EVENTS"
"""Names the file in which a command tells its events to whoever started it."""

Listener = Callable[[Event], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send every event of the block to ``listener``."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def emit(event: Event) -> None:
    """Tell the listener, if there is one."""
    listener = _listener.get()
    if listener is not None:
        listener(event)


def note(message: str) -> None:
    """Tell the listener something a user should know."""
    emit(Note(message))


def track(items: Iterable[T], task: str, total: int | None = None, start: int = 0) -> Iterator[T]:
    """Yield ``items`` and report after each how many are done; ``start`` were done before."""
    done = start
    emit(Progress(task, done, total))
    try:
        for item in items:
            yield item
            done += 1
            emit(Progress(task, done, total))
    finally:
        emit(Progress(task, done, total, finished=True))

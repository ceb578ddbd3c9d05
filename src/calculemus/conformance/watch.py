"""Watching what a method does to the world around it, and what it reads of a problem.

Watching the world works by Python's audit events, which cannot be switched off again: only a process of its
own is watched. What the library itself does for a method, such as starting the sandbox, does not count.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import calculemus
from calculemus.card import ROOMS
from calculemus.problem import Problem

_PACKAGE = Path(calculemus.__file__).parent
_DRIVERS = ("conformance/", "engine/method.py", "catalog.py")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_NOWHERE = (os.devnull,)

_EVENTS = {
    "connection": (
        *("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"),
        *("socket.getaddrinfo", "socket.gethostbyname"),
    ),
    "file": (
        *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"),
        *("os.chmod", "sqlite3.connect"),
    ),
    "process": (
        *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty"),
        "pty.spawn",
    ),
}
_KIND_OF = {event: kind for kind, events in _EVENTS.items() for event in events}

_SECRET = ("answer", "solution", "program", "golds")


class Watch:
    """Notes what is done while it is on.

    Attributes:
        is_on: Whether it notes anything.
        seen: What was done: kind (``connection``, ``file``, ``process``) and words for people.
    """

    def __init__(self) -> None:
        self.is_on = False
        self.seen: list[tuple[str, str]] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        kind = _KIND_OF.get(event)
        if event == "open" and _writes(*args):
            kind = "file"
        if kind is not None:
            self.is_on = False  # what the noting itself does is nobody's
            if _is_by_the_method(sys._getframe(1)):
                self.seen.append((kind, f"{event} {args[0]!r:.120}"))
            self.is_on = True


def _writes(path: object, mode: str | None, flags: int) -> bool:
    if not isinstance(path, (str, bytes, os.PathLike)) or os.fspath(path) in _NOWHERE:
        return False
    return bool(set(mode or "") & set("wax+")) or bool(flags & _WRITING)


def _frames(frame: FrameType | None) -> Iterator[str]:
    """Yield the files of a frame and its callers: those of the package by their place in it."""
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        yield str(file.relative_to(_PACKAGE)) if file.is_relative_to(_PACKAGE) else f"/{file.name}"
        frame = frame.f_back


def _is_core(file: str) -> bool:
    return not file.startswith("/") and file.partition("/")[0] not in ROOMS


def _is_by_the_method(frame: FrameType | None) -> bool:
    """Say whether the nearest piece of core is what drives methods, and not what works for them."""
    nearest = next((file for file in _frames(frame) if _is_core(file)), None)
    return nearest is None or nearest.startswith(_DRIVERS)


def watched(problems: Sequence[Problem]) -> tuple[list[Problem], list[str]]:
    """Return the problems as ones that note who reads what a solver must not see, and the notes."""
    notes: list[str] = []

    class Watched(Problem):
        """A problem that knows who looks."""

        def __getattribute__(self, name: str) -> Any:
            if name in _SECRET:
                caller = sys._getframe(1)
                file = next(_frames(caller))
                if not (_is_core(file) or file in ("solving/base.py", "/dataclasses.py", "/<string>")):
                    notes.append(f"'{name}' in {caller.f_code.co_filename}, line {caller.f_lineno}")
            return super().__getattribute__(name)

    return [Watched(p.id, p.question, p.answer, p.solution, p.program, p.meta) for p in problems], notes

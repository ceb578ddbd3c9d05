"""Programs that start from where other blocks have left off.

A chain of blocks has no identity of its own: what its end holds is a function of the blocks, so that a node
of a search carries nothing but their texts. Here the ends are kept by their content for a while; a chain that
goes on then does not begin anew on ``mini``.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from calculemus.engine.sandbox.inside.encode import encode
from calculemus.engine.sandbox.record import Run
from calculemus.engine.sandbox.session import Point, Session, SessionSettings
from calculemus.params import canonical_json

_EMPTY = 1000  # bytes that are counted for an end beside its state

Key = tuple[Any, ...]


class Points:
    """Ends of chains by their content; beyond ``most_bytes`` those go that were not used for longest."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._points: OrderedDict[Key, Point] = OrderedDict()

    def get(self, key: Key) -> Point | None:
        """Return an end that is kept."""
        with self._lock:
            if key in self._points:
                self._points.move_to_end(key)
            return self._points.get(key)

    def put(self, key: Key, point: Point) -> None:
        """Keep an end, in the place of others where there is no room."""
        with self._lock:
            old = self._points.pop(key, None)
            self._bytes += _size(point) - (0 if old is None else _size(old))
            self._points[key] = point
            while self._bytes > self._most_bytes:
                _, gone = self._points.popitem(last=False)
                self._bytes -= _size(gone)

    def __len__(self) -> int:
        return len(self._points)


def _size(point: Point) -> int:
    return _EMPTY + len(point.mini_state or b"")


class Chains:
    """Runs programs at the end of chains.

    Args:
        open_session: Opens a session at a point; None for its beginning.
        most_bytes: What is kept.
    """

    def __init__(
        self, open_session: Callable[[SessionSettings, Point | None], Session], most_bytes: int
    ) -> None:
        self._open = open_session
        self.points = Points(most_bytes)

    def run(
        self,
        before: Sequence[str],
        program: str,
        settings: SessionSettings,
        replies: Sequence[Any] | None,
        hosts: Collection[str] | None,
    ) -> Run:
        """Run a program as the block that follows the blocks ``before``, which get no replies."""
        about = (settings.tier, settings.limits, settings.seed, canonical_json(encode(dict(settings.inputs))))
        point, n_done = self._furthest(about, before)
        with self._open(settings, point) as session:
            seconds = 0.0
            for n, block in enumerate(before[n_done:], n_done + 1):
                seconds += session.run(block).seconds
                self.points.put((about, *before[:n]), session.point)
            run = session.run(program, replies, hosts)
            if replies is None:
                self.points.put((about, *before, program), session.point)
        return replace(run, seconds=seconds + run.seconds)

    def _furthest(self, about: Key, before: Sequence[str]) -> tuple[Point | None, int]:
        """Return the furthest end of the chain that is kept, and how many blocks it stands behind."""
        for n in range(len(before), 0, -1):
            point = self.points.get((about, *before[:n]))
            if point is not None:
                return point, n
        return None, 0

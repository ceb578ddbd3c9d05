"""Make a run a pure function of its text and its seed: clocks stand still, randomness is drawn from the seed.

The functions of the standard library are replaced, and the types of ``datetime`` keep being the real ones.
Clocks that C extensions read by themselves (``numpy.datetime64("now")``) go on.
"""

import ctypes
import datetime
import gc
import hashlib
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from calculemus.engine.sandbox.inside.clock import FROZEN_SECONDS

_SECOND = 1_000_000_000


def _frozen_clocks() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Give what each function of ``time`` that reads a clock becomes."""
    for name in ("time", "monotonic", "perf_counter"):
        yield name, lambda: float(FROZEN_SECONDS)
        yield f"{name}_ns", lambda: FROZEN_SECONDS * _SECOND
    for name in ("process_time", "thread_time"):
        yield name, lambda: 0.0
        yield f"{name}_ns", lambda: 0
    yield "clock_gettime", lambda clock: float(FROZEN_SECONDS)
    yield "clock_gettime_ns", lambda clock: FROZEN_SECONDS * _SECOND


def _frozen_calendar() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Give the functions of ``time`` that read the clock when they are called without a time."""
    gmtime, localtime, ctime = time.gmtime, time.localtime, time.ctime
    asctime, strftime = time.asctime, time.strftime
    yield "gmtime", lambda seconds=None: gmtime(FROZEN_SECONDS if seconds is None else seconds)
    yield "localtime", lambda seconds=None: localtime(FROZEN_SECONDS if seconds is None else seconds)
    yield "ctime", lambda seconds=None: ctime(FROZEN_SECONDS if seconds is None else seconds)
    yield "asctime", lambda when=None: asctime(gmtime(FROZEN_SECONDS) if when is None else when)
    yield (
        "strftime",
        lambda shape, when=None: strftime(shape, gmtime(FROZEN_SECONDS) if when is None else when),
    )


def _sleep(seconds: float) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")


def _now(cls: type[datetime.datetime], tz: datetime.tzinfo | None = None) -> datetime.datetime:
    return cls.fromtimestamp(FROZEN_SECONDS, tz)


def _utcnow(cls: type[datetime.datetime]) -> datetime.datetime:
    return cls.fromtimestamp(FROZEN_SECONDS, datetime.UTC).replace(tzinfo=None)


def _freeze_datetime() -> None:
    """Replace two methods of a type written in C, which Python has no other way to reach.

    A subclass in its place would be another type: its ``repr``, ``type(x)`` and pickles would tell.
    """
    (methods,) = gc.get_referents(datetime.datetime.__dict__)  # what the read-only view is a view of
    methods["now"] = classmethod(_now)
    methods["utcnow"] = classmethod(_utcnow)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))


class _Entropy:
    """What stands for the system's randomness: a stream of hashes of the seed."""

    def __init__(self) -> None:
        self.seed = 0
        self._count = 0

    def restart(self, seed: int) -> None:
        self.seed, self._count = seed, 0

    def __call__(self, size: int) -> bytes:
        if size < 0:
            raise ValueError("negative argument not allowed")
        self._count += 1
        return hashlib.shake_128(f"{self.seed}/{self._count}".encode()).digest(size)


_entropy = _Entropy()


def _seed_by_policy(seed: Callable[..., None]) -> Callable[..., None]:
    def seeded(self: random.Random, a: Any = None, version: int = 2) -> None:
        seed(self, int.from_bytes(_entropy(16), "big") if a is None else a, version)

    return seeded


def freeze() -> None:
    """Stop the clocks, make sleeping free, and cut Python off from the system's randomness."""
    for name, function in (*_frozen_clocks(), *_frozen_calendar(), ("sleep", _sleep)):
        if hasattr(time, name):
            setattr(time, name, function)
    _freeze_datetime()
    # The second name is the one under which SystemRandom, and so ``secrets``, knows it.
    for module, name in ((os, "urandom"), (random, "_urandom")):
        setattr(module, name, _entropy)
    random.Random.seed = _seed_by_policy(random.Random.seed)


def seed(seed: int) -> None:
    """Start every source of randomness anew."""
    _entropy.restart(seed)
    random.seed(seed)  # noqa: TID251  # this process is the program's
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(seed % 2**32)

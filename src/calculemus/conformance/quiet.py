"""Letting other people's code work: nothing of it is shown, and it cannot keep us for ever."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from types import FrameType

from calculemus.errors import NotConformingError


@contextmanager
def kept_quiet() -> Iterator[None]:
    """Keep what Python code prints from the terminal; whether it prints is checked in another process."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        yield


@contextmanager
def time_limit(seconds: float, doing: str) -> Iterator[None]:
    """Interrupt the block after so many seconds.

    Only the main thread can be interrupted: in others the block may take as long as it likes.

    Raises:
        NotConformingError: It took longer.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    is_over = False

    def ring(number: int, frame: FrameType | None) -> None:
        nonlocal is_over
        is_over = True
        raise KeyboardInterrupt  # goes through every 'except Exception' on its way

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    except KeyboardInterrupt:
        if not is_over:
            raise
        raise NotConformingError(
            f"{doing}: it was still at work after {seconds:g} s; expected an end. Bound its loops, and let "
            "an engine's error end them"
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

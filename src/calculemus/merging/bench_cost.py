"""What a merge takes while it is measured: wall-clock seconds and the largest memory."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


@dataclass
class Taken:
    """What a block took.

    Attributes:
        seconds: Wall-clock.
        peak_bytes: Largest resident memory above what there was at its start; None where the system does not
            tell.
    """

    seconds: float = 0.0
    peak_bytes: int | None = None


@contextmanager
def taking() -> Iterator[Taken]:
    """Measure a block; what it took is known behind it."""
    taken, can_reset = Taken(), False
    with suppress(OSError):
        _RESET.write_text("5", "ascii")  # the peak begins anew at the memory in use; Linux alone has this
        can_reset = True
    before, begun = _resident("VmRSS"), time.perf_counter()
    yield taken
    taken.seconds = time.perf_counter() - begun
    peak = _resident("VmHWM")
    if can_reset and before is not None and peak is not None:
        taken.peak_bytes = max(0, peak - before)


def _resident(name: str) -> int | None:
    with suppress(OSError):
        for line in _STATUS.read_text("ascii").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return None

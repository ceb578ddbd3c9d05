"""What a run may use."""

from dataclasses import dataclass
from typing import Annotated

from calculemus.params import AtLeast, Between, Configured

_MIB = 2**20
_DAY = 86_400.0


@dataclass(frozen=True)
class Limits(Configured):
    """What one run, or one block of a session, may use.

    Attributes:
        cpu_seconds: Processor time; on ``mini`` the interpreter's wall-clock time.
        wall_seconds: Time from start to end on ``std`` and ``sci``, whatever the process does or waits for.
        memory_bytes: Memory of its own on ``mini`` and ``std``.
        sci_memory_bytes: The same on ``sci``, where arrays are expected.
        output_bytes: What it may print.
        value_bytes: What its value may take when written out.
        recursion: Frames of calls within calls.
        program_bytes: The longest program that is looked at.
    """

    cpu_seconds: Annotated[float, Between(0.01, _DAY)] = 2.0
    wall_seconds: Annotated[float, Between(0.01, _DAY)] = 5.0
    memory_bytes: Annotated[int, AtLeast(8 * _MIB)] = 256 * _MIB
    sci_memory_bytes: Annotated[int, AtLeast(8 * _MIB)] = 1024 * _MIB
    output_bytes: Annotated[int, Between(0, 64 * _MIB)] = 64 * 1024
    value_bytes: Annotated[int, Between(64, 64 * _MIB)] = _MIB
    recursion: Annotated[int, Between(50, 100_000)] = 1000
    program_bytes: Annotated[int, AtLeast(1)] = 256 * 1024

"""Compiling loops over numbers, and the readings of bits that such loops want.

Numba looks at a loop's own file alone when it asks whether what it kept on disk is still good: whoever
changes something here while others are kept removes ``__pycache__``.
"""

from collections.abc import Callable
from typing import Any

from numba import njit, types
from numba.extending import intrinsic

Loop = Callable[..., Any]
_SETTINGS = {"nogil": True, "error_model": "numpy"}
"""Run without the interpreter's lock; divide as numpy does. Nothing is reordered or fused."""


def compiled(loop: Loop, signature: Any = None, *, is_parallel: bool = False) -> Loop:
    """Compile a loop and keep it on disk; sums are the same on every machine.

    Args:
        loop: What is compiled.
        signature: Types for which it is compiled at once; None compiles on first use, for what it is given.
        is_parallel: Whether its ``prange`` goes to several threads.
    """
    try:
        return njit(signature, parallel=is_parallel, cache=True, **_SETTINGS)(loop)
    except RuntimeError:  # no folder may be written that could keep it
        return njit(signature, parallel=is_parallel, **_SETTINGS)(loop)


def inner(loop: Loop) -> Loop:
    """Compile what loops call; it is kept on disk as a part of them."""
    return njit(**_SETTINGS)(loop)


@intrinsic
def _as_float(context: Any, bits: Any) -> Any:
    """Read 32 bits as a float."""
    del context, bits

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.uint32), generate


@intrinsic
def _as_bits(context: Any, value: Any) -> Any:
    """Read a float as 32 bits."""
    del context, value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        return builder.bitcast(arguments[0], context.get_value_type(types.uint32))

    return types.uint32(types.float32), generate


@intrinsic
def _as_long_bits(context: Any, value: Any) -> Any:
    """Read a float of twice the length as 64 bits."""
    del context, value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        return builder.bitcast(arguments[0], context.get_value_type(types.uint64))

    return types.uint64(types.float64), generate


# What a decorator makes of them takes one argument less, which no checker of types can know.
as_float: Loop = _as_float  # type: ignore[assignment]  # see above
as_bits: Loop = _as_bits  # type: ignore[assignment]  # see above
as_long_bits: Loop = _as_long_bits  # type: ignore[assignment]  # see above

"""Compiling loops over numbers, and the two readings of 32 bits that such loops want."""

from collections.abc import Callable
from typing import Any

from numba import njit, types
from numba.extending import intrinsic


def compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop on first use and keep it on disk; it runs without the interpreter's lock.

    Divisions give what numpy's give, and nothing is reordered: sums are the same on every machine.
    """
    try:
        return njit(nogil=True, error_model="numpy", cache=True)(loop)
    except RuntimeError:  # no folder may be written that could keep it
        return njit(nogil=True, error_model="numpy")(loop)


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
as_float: Callable[[Any], Any] = _as_float  # type: ignore[assignment]  # see above
as_bits: Callable[[Any], Any] = _as_bits  # type: ignore[assignment]  # see above
as_long_bits: Callable[[Any], Any] = _as_long_bits  # type: ignore[assignment]  # see above

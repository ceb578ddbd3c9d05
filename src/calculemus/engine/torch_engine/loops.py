"""What compiled loops over numbers are made of: compiling, sums over rows of a matrix, exponentials.

Numba looks at a loop's own file alone when it asks whether what it kept on disk is still good: whoever
changes something here while others are kept removes ``__pycache__``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

Loop = Callable[..., Any]
SETTINGS = {"nogil": True, "error_model": "numpy"}
"""Run without the interpreter's lock; divide as numpy does. Nothing is reordered or fused."""


def compiled(loop: Loop, signature: Any, *, is_parallel: bool) -> Loop:
    """Compile a loop for arguments of these types, or take it from disk."""
    try:
        return njit(signature, parallel=is_parallel, cache=True, **SETTINGS)(loop)
    except RuntimeError:  # no folder may be written that could keep it
        return njit(signature, parallel=is_parallel, **SETTINGS)(loop)


def inner(loop: Loop) -> Loop:
    """Compile what loops call; it is kept on disk as a part of them."""
    return njit(**SETTINGS)(loop)


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


# What a decorator makes of them takes one argument less, which no checker of types can know.
as_float: Loop = _as_float  # type: ignore[assignment]  # see above
as_bits: Loop = _as_bits  # type: ignore[assignment]  # see above


def row_adder(width: int) -> Any:
    """Make ``add(sums, first, weights, matrix, n)``, which keeps its sums in registers.

    It adds ``weights[i] * matrix[i, first + c]`` to ``sums[first + c]``, for all c below ``width`` and one i
    after the other below ``n``. All are C-ordered float32. Numba itself would load and store at each i.
    """
    vector = ir.VectorType(ir.FloatType(), width)
    first_of_all = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
    undefined = ir.Constant(vector, ir.Undefined)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def pointer(i: int, offset: Any) -> Any:
            data = context.make_array(signature.args[i])(context, builder, arguments[i]).data
            return builder.gep(data, [offset])

        matrix = context.make_array(signature.args[3])(context, builder, arguments[3])
        _, step = cgutils.unpack_tuple(builder, matrix.shape)
        target = builder.bitcast(pointer(0, arguments[1]), vector.as_pointer())
        sums = cgutils.alloca_once_value(builder, builder.load(target, align=4))
        with cgutils.for_range(builder, arguments[4]) as loop:
            weight = builder.load(pointer(2, loop.index), align=4)
            weight = builder.insert_element(undefined, weight, ir.IntType(32)(0))
            weight = builder.shuffle_vector(weight, undefined, first_of_all)
            row = pointer(3, builder.add(builder.mul(loop.index, step), arguments[1]))
            row = builder.load(builder.bitcast(row, vector.as_pointer()), align=4)
            builder.store(builder.fadd(builder.load(sums), builder.fmul(weight, row)), sums)
        builder.store(builder.load(sums), target, align=4)
        return context.get_dummy_value()

    @intrinsic
    def add(context: Any, sums: Any, first: Any, weights: Any, matrix: Any, n: Any) -> Any:
        del context, first, n
        return types.void(sums, types.intp, weights, matrix, types.intp), generate

    return add


@inner
def exp(x: Any) -> Any:
    """Return e to the x for x <= 0, to 1 unit in the last place; 0 below -87, where floats grow thin.

    With n = x / ln 2 rounded, e^x = 2^n e^r, where r = x - n ln 2, with ln 2 in two parts, goes into a
    polynomial (Moshier, Cephes, expf), and n, read off a sum's last bits, into the exponent.
    """
    shifted = x * np.float32(1.44269504) + np.float32(12582912)  # 1.5 * 2^23: what follows is no bit of it
    n = shifted - np.float32(12582912)
    r = x - n * np.float32(0.693359375) - n * np.float32(-2.12194440e-4)
    sums = np.float32(1.9875691500e-4) * r + np.float32(1.3981999507e-3)
    sums = sums * r + np.float32(8.3334519073e-3)
    sums = sums * r + np.float32(4.1665795894e-2)
    sums = sums * r + np.float32(1.6666665459e-1)
    sums = sums * r + np.float32(5.0000001201e-1)
    bits = as_bits(sums * (r * r) + r + np.float32(1)) + (as_bits(shifted) << np.uint32(23))
    return np.float32(0) if x < np.float32(-87) else as_float(np.uint32(bits))

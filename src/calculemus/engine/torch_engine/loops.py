"""What attention's compiled loops are made of: sums over rows of a matrix, exponentials."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from calculemus.compiling import as_bits, as_float, inner


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

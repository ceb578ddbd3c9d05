"""Loops over numbers that numpy would need many passes for."""

from typing import Any

import numpy as np

from calculemus.compiling import as_bits, as_float, as_long_bits, compiled


@compiled
def widen(bits: Any, out: Any) -> bool:
    """Write bfloat16 numbers, given as uint16, as float32 or float64; says whether all are finite."""
    n_odd = 0
    for i in range(bits.size):
        n_odd += (bits[i] & np.uint16(0x7F80)) == np.uint16(0x7F80)
        out[i] = as_float(np.uint32(bits[i]) << np.uint32(16))
    return n_odd == 0


@compiled
def narrow(values: Any, out: Any) -> bool:
    """Round float32 numbers to bfloat16, to the nearest and ties to even, as uint16; NaN stays NaN.

    Says whether all that was written is finite.
    """
    n_odd = 0
    for i in range(values.size):
        bits = as_bits(values[i])
        high = bits >> np.uint32(16)
        rounded = (bits + np.uint32(0x7FFF) + (high & np.uint32(1))) >> np.uint32(16)
        is_nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
        found = np.uint16(high | np.uint32(0x40)) if is_nan else np.uint16(rounded)
        n_odd += (found & np.uint16(0x7F80)) == np.uint16(0x7F80)
        out[i] = found
    return n_odd == 0


@compiled
def narrow_long(values: Any, out: Any) -> bool:
    """Do what ``narrow`` does with float64 numbers, rounded once."""
    n_odd = 0
    for i in range(values.size):
        near = np.float32(values[i])
        bits = as_bits(near)
        # Half way between two bfloat16 numbers only by the first rounding: the number itself says where to.
        if bits & np.uint32(0xFFFF) == np.uint32(0x8000):
            size, whole = abs(np.float64(near)), abs(values[i])
            bits += np.uint32(size < whole)
            bits -= np.uint32(size > whole)
        high = bits >> np.uint32(16)
        rounded = (bits + np.uint32(0x7FFF) + (high & np.uint32(1))) >> np.uint32(16)
        is_nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
        found = np.uint16(high | np.uint32(0x40)) if is_nan else np.uint16(rounded)
        n_odd += (found & np.uint16(0x7F80)) == np.uint16(0x7F80)
        out[i] = found
    return n_odd == 0


@compiled
def are_finite(values: Any) -> bool:
    """Say whether all float32 numbers are finite."""
    n_odd = 0
    for i in range(values.size):
        n_odd += (as_bits(values[i]) & np.uint32(0x7F800000)) == np.uint32(0x7F800000)
    return n_odd == 0


@compiled
def count_high(values: Any, counts: Any) -> None:
    """Count magnitudes by the upper 16 of their 31 bits."""
    for i in range(values.size):
        counts[(as_bits(values[i]) & np.uint32(0x7FFFFFFF)) >> np.uint32(16)] += 1


@compiled
def count_low(values: Any, high: Any, counts: Any) -> None:
    """Count the lower 16 bits of the magnitudes whose upper bits are ``high``."""
    for i in range(values.size):
        bits = as_bits(values[i]) & np.uint32(0x7FFFFFFF)
        if bits >> np.uint32(16) == high:
            counts[bits & np.uint32(0xFFFF)] += 1


@compiled
def count_high_deltas(base: Any, values: Any, counts: Any) -> None:
    """Do what ``count_high`` does with ``values - base``."""
    for i in range(values.size):
        counts[(as_bits(values[i] - base[i]) & np.uint32(0x7FFFFFFF)) >> np.uint32(16)] += 1


@compiled
def count_low_deltas(base: Any, values: Any, high: Any, counts: Any) -> None:
    """Do what ``count_low`` does with ``values - base``."""
    for i in range(values.size):
        bits = as_bits(values[i] - base[i]) & np.uint32(0x7FFFFFFF)
        if bits >> np.uint32(16) == high:
            counts[bits & np.uint32(0xFFFF)] += 1


@compiled
def count_long_deltas(base: Any, values: Any, above: Any, shift: Any, counts: Any) -> None:
    """Count 16 of the 63 bits of the magnitudes of ``values - base`` in float64, from a place on.

    Only those are counted whose bits above them are ``above``.
    """
    for i in range(values.size):
        bits = (as_long_bits(values[i] - base[i]) & np.uint64(0x7FFFFFFFFFFFFFFF)) >> shift
        if bits >> np.uint64(16) == above:
            counts[bits & np.uint64(0xFFFF)] += 1


@compiled
def sum_of_products(first: Any, second: Any, block: int, partials: Any, n_partials: int) -> int:
    """Add the products of two arrays of whole blocks to an exact sum; returns how many terms that has now.

    Products and sums are of float64. A block is summed in eight lanes, which are then added in order. The sum
    of the blocks is exact: it is kept as a few terms that do not overlap. Source: Shewchuk 1997, section 2.
    """
    lanes = np.zeros(8, np.float64)
    for start in range(0, first.size, block):
        lanes[:] = 0
        for i in range(start, start + block, 8):
            for lane in range(8):
                lanes[lane] += np.float64(first[i + lane]) * np.float64(second[i + lane])
        x = 0.0
        for lane in range(8):
            x += lanes[lane]
        kept = 0
        for j in range(n_partials):
            y = partials[j]
            if abs(x) < abs(y):
                x, y = y, x
            high = x + y
            low = y - (high - x)
            if low != 0.0:
                partials[kept] = low
                kept += 1
            x = high
        partials[kept] = x
        n_partials = kept + 1
    return n_partials


@compiled
def uniform(key: Any, place: Any) -> Any:
    """Return a number of [0, 1), a multiple of 2**-24, that depends on an odd key and a place alone.

    Squares, a counter-based generator in four rounds: Widynski 2020, arXiv:2004.06278, section 4.
    """
    x = place * key
    y = x
    z = y + key
    x = x * x + y
    x = (x >> np.uint64(32)) | (x << np.uint64(32))
    x = x * x + z
    x = (x >> np.uint64(32)) | (x << np.uint64(32))
    x = x * x + y
    x = (x >> np.uint64(32)) | (x << np.uint64(32))
    x = (x * x + z) >> np.uint64(32)
    return np.float32(x >> np.uint64(8)) * np.float32(5.9604644775390625e-08)


@compiled
def draw_uniforms(key: Any, start: int, out: Any) -> None:
    """Write the numbers of [0, 1) that belong to a key and the places from ``start`` on."""
    for i in range(out.size):
        out[i] = uniform(key, np.uint64(start) + np.uint64(i))

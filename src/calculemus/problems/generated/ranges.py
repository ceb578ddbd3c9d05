"""Which numbers a quantity may take, worked out backwards, so that no draw is ever thrown away.

A range is (low, high, step, residue): the whole numbers from low to high that leave ``residue`` when divided
by ``step``; both ends belong to it. Given the range of what a sum ends in, ``BACK[sum]`` draws the factors of
the sum and returns them with the range of what it starts from, such that every start in it can be completed;
or None where there is none.
"""

from collections.abc import Callable
from math import gcd

from calculemus.problems.generated.stream import Draw

LEAST = 2  # no quantity is smaller: one thing would need other grammar, and none would be no story
MOST_FACTOR = (4, 9, 12, 25, 50, 99)  # by digits of the problem: factors grow slower than products
HELD_OUT_DIGIT = "8"  # given numbers that begin with it occur in the split `numbers` alone

FACTORS = tuple(k for k in range(2, 100) if str(k)[0] != HELD_OUT_DIGIT)
FACTORS_UP_TO = tuple(sum(k <= limit for k in FACTORS) for limit in range(100))
PERCENTS = ((10, 1, 10), (20, 1, 5), (25, 1, 4), (30, 3, 10), (40, 2, 5), (50, 1, 2), (60, 3, 5), (75, 3, 4))
RATIOS = tuple((a, b) for a in range(2, 10) for b in range(2, 10) if gcd(a, b) == 1 and 8 not in (a, b))

Range = tuple[int, int, int, int]
# The two factors of the sum, 0 where there is none or the story draws it, and the range of the start.
Drawn = tuple[int, int, Range]
Back = Callable[[Draw, int, int, int, int, int, int], Drawn | None]


def fitted(low: int, high: int, step: int, residue: int) -> Range | None:
    """Return the range with both ends moved inwards to numbers of the residue; None where it is empty."""
    low += (residue - low) % step
    high -= (high - residue) % step
    return (low, high, step, residue % step) if low <= high else None


def _add(draw: Draw, low: int, high: int, step: int, residue: int, limit: int, most: int) -> Drawn | None:
    return (0, 0, (LEAST, high - LEAST, 1, 0)) if high >= 2 * LEAST else None


def _sub(draw: Draw, low: int, high: int, step: int, residue: int, limit: int, most: int) -> Drawn | None:
    return (0, 0, (low + LEAST, limit, 1, 0)) if low + LEAST <= limit else None


def _mul(draw: Draw, low: int, high: int, step: int, residue: int, limit: int, most: int) -> Drawn | None:
    most = min(most, high // LEAST)
    if residue or most < LEAST:
        return None
    return multiplied(FACTORS[draw() * FACTORS_UP_TO[most] >> 32], low, high, step, residue)


def multiplied(k: int, low: int, high: int, step: int, residue: int) -> Drawn | None:
    """Return where a multiplication by ``k`` starts."""
    if residue:
        return None
    start = fitted(max(LEAST, -(-low // k)), high // k, step // gcd(step, k), 0)
    return (k, 0, start) if start else None


def _div(draw: Draw, low: int, high: int, step: int, residue: int, limit: int, most: int) -> Drawn | None:
    most = min(most, limit // low)
    if residue or most < LEAST:
        return None
    k = FACTORS[draw() * FACTORS_UP_TO[most] >> 32]
    start = fitted(low * k, min(limit, high * k), step * k, 0)
    return (k, 0, start) if start else None


def _scaled(low: int, high: int, step: int, residue: int, limit: int, top: int, bottom: int) -> Range | None:
    """Return where ``value / bottom * top`` starts: at multiples of ``bottom``."""
    if residue:
        return None
    step //= gcd(step, top)
    return fitted(-(-low // top) * bottom, min(high // top * bottom, limit), bottom * step, 0)


def _percent(draw: Draw, low: int, high: int, step: int, residue: int, limit: int, most: int) -> Drawn | None:
    percent, top, bottom = PERCENTS[draw() * len(PERCENTS) >> 32]
    start = _scaled(low, high, step, residue, limit, top, bottom)
    return (percent, 0, start) if start else None


def _ratio(draw: Draw, low: int, high: int, step: int, residue: int, limit: int, most: int) -> Drawn | None:
    bottom, top = RATIOS[draw() * len(RATIOS) >> 32]
    start = _scaled(low, high, step, residue, limit, top, bottom)
    return (bottom, top, start) if start else None


def _remainder(
    draw: Draw, low: int, high: int, step: int, residue: int, limit: int, most: int
) -> Drawn | None:
    """What is left over is drawn here, then the size of the boxes; the start has that residue."""
    most = min(most, limit // 2)
    ends = fitted(low, min(high, most - 1), step, residue)
    if not ends:
        return None
    low, high, step, _ = ends
    rest = low + (draw() * ((high - low) // step + 1) >> 32) * step
    first, last = FACTORS_UP_TO[rest], FACTORS_UP_TO[most]
    if first >= last:
        return None
    k = FACTORS[first + (draw() * (last - first) >> 32)]
    start = fitted(k + rest, limit, k, rest)
    return (k, 0, start) if start else None


def _ceil(draw: Draw, low: int, high: int, step: int, residue: int, limit: int, most: int) -> Drawn | None:
    """How many are in the last, not full box is drawn after the size of the boxes."""
    most = min(most, (limit - 1) // (low - 1))
    if most < LEAST:
        return None
    k = FACTORS[draw() * FACTORS_UP_TO[most] >> 32]
    over = 1 + (draw() * (k - 1) >> 32)
    high = min(limit, k * (high - 1) + over)
    start = fitted(k * (low - 1) + over, high, k * step, k * (residue - 1) + over)
    return (k, over, start) if start else None


BACK: dict[str, Back] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "percent": _percent,
    "ratio": _ratio,
    "remainder": _remainder,
    "ceil": _ceil,
}

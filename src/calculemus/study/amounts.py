"""Amounts as people read them."""

import math

_PREFIXES = ("", "k", "M", "G", "T", "P", "E")
_LARGE = 9999.5


def quantity(value: float, gap: str = " ") -> str:
    """Write an amount with three figures, from ten thousand on with the prefix of its power of a thousand.

    Args:
        value: The amount.
        gap: What stands before the prefix.

    Example:
        >>> [quantity(value) for value in (0.00989, 48.65, 1234, 331_000_000)]
        ['0.00989', '48.6', '1,234', '331 M']
    """
    if abs(value) < _LARGE:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    rounded = float(f"{value:.3g}")
    power = min(int(math.log10(abs(rounded)) // 3), len(_PREFIXES) - 1)
    return f"{rounded / 1000**power:.3g}{gap}{_PREFIXES[power]}"

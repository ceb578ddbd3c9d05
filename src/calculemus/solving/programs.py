"""Programs that a model wrote: found in its text, and their results as answers."""

import math
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from calculemus.engine.sandbox.record import Run as RunRecord
from calculemus.engine.sandbox.record import as_number
from calculemus.engine.sandbox.source import read_program

FLOAT_DIGITS = 12  # significant digits of a float: what binary rounding leaves behind is not in them
LEAST_DECIMALS = 4  # of a large float with a fraction, so that 12 digits do not cost it its cents
_CHUNK_DIGITS = 4000
_CHUNK = 10**_CHUNK_DIGITS
_NOTHING_RETURNED = ("no_function", "no_return")


def find_program(text: str) -> str:
    """Return the program in a completion without fences and talk; the text itself where there is none."""
    try:
        return read_program(text, "solution").text
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text  # the sandbox says what is wrong with it


def printed_value(run: RunRecord) -> str | None:
    """Return the last line that a program printed; None where it failed or printed nothing."""
    if not has_run(run):
        return None
    lines = run.stdout.strip().splitlines()
    return lines[-1].strip() if lines else None


def has_run(run: RunRecord) -> bool:
    """Say whether a program ran to its end, whether or not it has a value."""
    return run.ok or run.error_kind in _NOTHING_RETURNED


def failure_of(run: RunRecord) -> str:
    """Return why a program gave no answer, as one line that begins with the kind of failure."""
    line = " ".join((run.error or run.status).split())
    kind = run.error_kind or run.status
    return line if line.startswith(f"{kind}:") else f"{kind}: {line}"


def count_failures(runs: Sequence[RunRecord]) -> str:
    """Return how often which kind of failure came up, the most frequent first."""
    kinds = Counter(run.error_kind or run.status for run in runs)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())


def value_text(value: Any) -> str:
    """Write a program's result as an answer.

    Whole numbers and fractions are written exactly. Floats keep 12 significant digits, and at least 4 behind
    the point: 3 * 1.1 is 3.3 to whoever wrote the program. Dates are written as year-month-day.

    Example:
        >>> value_text(3 * 1.1), value_text(18.0), value_text(2**70)
        ('3.3', '18', '1180591620717411303424')
    """
    if isinstance(value, float) and math.isfinite(value):
        return _digits(int(value)) if value.is_integer() else _rounded(value)
    if isinstance(value, Decimal) and as_number(value) is not None:
        return _plain(format(value, "f"))  # not normalize(), which rounds to 28 digits
    if isinstance(value, Fraction) and value.denominator != 1:
        return f"{_digits(value.numerator)}/{_digits(value.denominator)}"
    if isinstance(value, (int, Fraction)) and not isinstance(value, bool):
        return _digits(int(value))
    return str(value).strip()


def _rounded(value: float) -> str:
    magnitude = math.floor(math.log10(abs(value)))
    return _plain(f"{value:.{max(LEAST_DECIMALS, FLOAT_DIGITS - 1 - magnitude)}f}")


def _plain(text: str) -> str:
    """Leave out zeros behind the point that say nothing, and the sign of zero."""
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _digits(value: int) -> str:
    """Write a whole number of any length; Python refuses more than 4300 digits at once."""
    if abs(value) < _CHUNK:
        return str(value)
    parts: list[str] = []
    rest = abs(value)
    while rest >= _CHUNK:
        rest, low = divmod(rest, _CHUNK)
        parts.append(f"{low:0{_CHUNK_DIGITS}d}")
    return ("-" if value < 0 else "") + str(rest) + "".join(reversed(parts))

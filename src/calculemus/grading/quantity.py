"""An amount: a number or constant expression with currency, scale word, percent sign or unit."""

import re
from fractions import Fraction

from calculemus.errors import UnreadableError
from calculemus.grading.answers import Scalar
from calculemus.grading.expression import Expr, contains, number, parse_expression, symbols
from calculemus.grading.lexer import NUMBER, read_number
from calculemus.grading.units import Unit, parse_unit
from calculemus.grading.words import SCALES, parse_words

_CURRENCY = re.compile(r"([-+]?)\s*(?:US|A|C)?([$€£¥₹])\s*([-+]?)\s*(.+)\Z", re.S)
_NUMBER_FIRST = re.compile(rf"([-+]?)\s*(?:(\d+ \d+/\d+)|({NUMBER})(?:\s*/\s*({NUMBER}))?)\s*(.*)\Z", re.S)
_SHORT_SCALE = {"k": 10**3, "m": 10**6, "b": 10**9, "bn": 10**9, "mn": 10**6}
_PERCENT = re.compile(r"(?:%|percent|per cent|pct)(?:\s+(?:of|more|less|increase|decrease)\b.*)?\.?\Z", re.I)
_SUFFIX = re.compile(r"\s+(?=[A-Za-z°$€£])|\s*(?=\^\\circ|\^\{\\circ\})")
_COMPOUND = re.compile(r"(\d[\d.,]* ?[A-Za-z]+)(?:,? and |,? )(\d[\d.,]* ?[A-Za-z]+)\Z")
_NAMED_UNIT = re.compile(r"\s*\(([A-Za-z][A-Za-z /^0-9]*)\)\Z")


def parse_quantity(text: str) -> Scalar | None:
    """Read an amount, or return None where ``text`` is something else."""
    text = _NAMED_UNIT.sub(r" \1", text)
    currency = _CURRENCY.match(text)
    if currency:
        return _money(currency)
    words = parse_words(text)
    if words is not None:
        return Scalar(number(words), words)
    match = _NUMBER_FIRST.match(text)
    if match:
        amount = _numbered(match)
        if amount is not None:
            return amount
    return _compound(text) or _worded(text) or _suffixed(text)


def _compound(text: str) -> Scalar | None:
    """Read ``2 hours and 30 minutes`` or ``5 feet 6 inches`` in the first unit."""
    match = _COMPOUND.match(text)
    if not match:
        return None
    first, second = parse_quantity(match[1]), parse_quantity(match[2])
    if not (first and second and first.unit and second.unit and first.value is not None and second.value):
        return None
    if not (
        first.unit.measure and first.unit.convertible(second.unit) and second.unit.factor < first.unit.factor
    ):
        return None
    value = first.value + second.value * second.unit.factor / first.unit.factor
    return Scalar(number(value), value, first.unit)


def _money(match: re.Match[str]) -> Scalar | None:
    amount = parse_quantity(match[4])
    if amount is None or amount.percent:
        short = re.match(rf"({NUMBER})\s*([kKmMbB]n?)\Z", match[4])
        value = read_number(short[1]) if short else None
        if short is None or value is None:
            return _constant(match[4], parse_unit(match[2]), "-" in (match[1], match[3]))
        value *= _SHORT_SCALE[short[2].lower()]
    elif amount.value is None:
        return None
    else:
        value = amount.value
    if "-" in (match[1], match[3]):
        value = -value
    unit = parse_unit(match[2])
    per = amount.unit if amount else None
    if unit and per and per.powers and not per.measure:
        per = None  # "$5 profit": the sign is the unit
    return Scalar(
        number(value), value, unit.times(per, 1) if unit and per and "dollars" not in per.powers else unit
    )


def _constant(text: str, unit: Unit | None, negative: bool) -> Scalar | None:
    """Read a constant expression with a unit that is already known."""
    try:
        expr = parse_expression(text)
    except UnreadableError:
        return None
    if symbols(expr):
        return None
    return Scalar(Expr("neg", (expr,)) if negative else expr, None, unit)


def _numbered(match: re.Match[str]) -> Scalar | None:
    """Read number, optional scale word, then percent sign or unit."""
    sign, mixed, top, bottom, rest = match.groups()
    value = _mixed(mixed) if mixed else read_number(top)
    if value is None:
        return None
    if bottom:
        divisor = read_number(bottom)
        if not divisor:
            return None
        value /= divisor
    value = -value if sign == "-" else value
    scale = re.match(r"(hundred|dozen|" + "|".join(SCALES) + r")s?\b\s*", rest, re.I)
    if scale:
        value *= {"hundred": 100, "dozen": 12, **SCALES}[scale[1].lower()]
        rest = rest[scale.end() :]
    if not rest:
        return Scalar(number(value), value)
    if _PERCENT.match(rest):
        return Scalar(number(value), value, None, True)
    touching = match.start(5) == match.end(4 if bottom else 3 if top else 2)
    if touching and len(rest) == 1 and rest.isalpha():
        return None  # "5x" is algebra, "5 m" an amount
    unit = parse_unit(rest)
    return Scalar(number(value), value, unit if unit.powers else None) if unit is not None else None


def _mixed(text: str) -> Fraction | None:
    whole, part = text.split(" ")
    top, bottom = part.split("/")
    return int(whole) + Fraction(int(top), int(bottom)) if int(bottom) else None


def _worded(text: str) -> Scalar | None:
    """Read number words with a unit: ``five apples``."""
    words = text.split(" ")
    if not 2 <= len(words) <= 8 or not words[0].replace("-", "").isalpha():
        return None
    for split in range(len(words) - 1, 0, -1):
        value = parse_words(" ".join(words[:split]))
        if value is None:
            continue
        rest = " ".join(words[split:])
        if _PERCENT.match(rest):
            return Scalar(number(value), value, None, True)
        unit = parse_unit(rest)
        return Scalar(number(value), value, unit if unit.powers else None) if unit is not None else None
    return None


def _suffixed(text: str) -> Scalar | None:
    r"""Read a constant expression with a unit behind it: ``25\pi cm^2``, ``\frac{3}{4} miles``."""
    for match in _SUFFIX.finditer(text):
        unit = parse_unit(text[match.end() :]) if match.start() else None
        percent = bool(match.start()) and bool(_PERCENT.match(text[match.end() :]))
        if unit is None and not percent:
            continue
        constant = _constant(text[: match.start()], unit if unit and unit.powers else None, False)
        if constant is not None and not contains(constant.expr, "call"):  # "\\sin 30^\\circ" is a sine
            return Scalar(constant.expr, constant.expr.number, None if percent else constant.unit, percent)
    return None

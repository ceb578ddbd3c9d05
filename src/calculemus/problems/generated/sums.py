"""Calculations as solutions write them, for any values: what a changed solution is made of."""

from fractions import Fraction

from calculemus.problems.generated.dag import apply

# What a wrong formula computes, beside the operations of the graph.
_WRONG = {
    "average": lambda values: sum(values) / len(values),
    "inverse": lambda values: values[0] / values[2] * values[1],
    "quotient": lambda values: Fraction(values[0] // values[1]),
}


def compute(op: str, values: list[Fraction]) -> Fraction:
    """Compute an operation of the graph, or one that is taken for it by mistake."""
    return _WRONG[op](values) if op in _WRONG else apply(op, values)


def number(value: Fraction) -> str:
    """Write a number: whole, or as a decimal where that ends soon, else as a fraction.

    Example:
        >>> number(Fraction(5, 2)), number(Fraction(1, 3))
        ('2.5', '1/3')
    """
    if value.denominator == 1:
        return str(value.numerator)
    scaled = value * 1000
    if scaled.denominator == 1:
        return f"{float(value):.3f}".rstrip("0")
    return f"{value.numerator}/{value.denominator}"


def expression(op: str, values: list[Fraction]) -> str:
    """Write a calculation.

    Example:
        >>> expression("remainder", [Fraction(14), Fraction(4)])
        '14 - 3 * 4'
    """
    x, b, *others = map(number, values)
    match op:
        case "add":
            return " + ".join([x, b, *others])
        case "sub" | "mul" | "div":
            return f"{x} {'-' if op == 'sub' else '*' if op == 'mul' else '/'} {b}"
        case "percent":
            return f"{x} * {b} / 100"
        case "ratio":
            return f"{x} / {b} * {others[0]}"
        case "inverse":
            return f"{x} / {others[0]} * {b}"
        case "average":
            return f"({' + '.join([x, b, *others])}) / {len(values)}"
    quotient, rest = divmod(values[0], values[1])
    if op == "remainder":
        return f"{x} - {quotient} * {b}"
    without = f"({x} - {number(rest)}) / {b}"
    return without if op == "quotient" else f"{without} + 1"


def annotated(written: str, value: str) -> str:
    """Write a calculation with its annotation and its value.

    Example:
        >>> annotated("4 + 3", "7")
        '4 + 3 = <<4+3=7>>7'
    """
    return f"{written} = <<{written.replace(' ', '')}={value}>>{value}"

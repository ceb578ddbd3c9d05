r"""From the text of an answer to its shape: amount, set, interval, matrix, equation, choice, words."""

import re
from fractions import Fraction
from functools import lru_cache

from calculemus.errors import UnreadableError
from calculemus.exact import MAX_DIGITS, parse_number
from calculemus.grading.answers import (
    Answer,
    Choice,
    Difference,
    Group,
    Interval,
    Matrix,
    Ratio,
    Relation,
    Scalar,
    Text,
    Union,
    Unreadable,
)
from calculemus.grading.brackets import depth_of, is_balanced, split_top, top_matches
from calculemus.grading.expression import Expr, contains, number, parse_expression
from calculemus.grading.lexer import MAX_LENGTH
from calculemus.grading.normalise import normalise
from calculemus.grading.prose import PROSE, parse_text
from calculemus.grading.quantity import parse_quantity

_MATH = re.compile(r"\$\$(.+?)\$\$|\$(?!\s)([^$]*[^\s$\\])\$(?!\d)|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.S)
_CHOICE = re.compile(
    r"(?:(?:option|choice|answer)\s+)?(?:\(([A-J])\)|([A-J])(?=[.):]|$))[.):]*\s*(.*)\Z", re.I | re.S
)
_RATIO = re.compile(r"\d+(?:\.\d+)?(?:(?:\s*:\s*| to )\d+(?:\.\d+)?)+\Z")
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\Z|\d{1,2}/\d{1,2}/\d{2,4}\Z|\d{1,2}\.\d{1,2}\.\d{4}\Z")
_BASED = re.compile(r"\(?([0-9A-Za-z]+)\)?\s*(?:_\s*\{?\s*(\w+)\s*\}?|\(?\s*base[ -](\w+)\s*\)?)\Z")
_BASES = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "ten": 10,
    "sixteen": 16,
}
_CLOCK = re.compile(r"(\d{1,2})(?::(\d\d))?\s*([ap])\.?\s?m\.?\Z", re.I)
_MATRIX = re.compile(r"\\begin\s*\{([bpvBV]?matrix|array)\}(?:\s*\{[lcr|]*\})?(.*)\\end\s*\{\1\}\Z", re.S)
_OPERATORS = {
    "=": "=", "==": "=", r"\equiv": "=", "!=": "!=", r"\ne": "!=",
    "<": "<", ">": ">", r"\le": "<=", r"\ge": ">=", "<=": "<=", ">=": ">=",
}  # fmt: skip
_OPERATOR = re.compile(r"\\(?:le|ge|ne|equiv)(?![A-Za-z])|<=|>=|!=|==|[<>=]")
_NAME = re.compile(
    r"(?:[A-Za-z]|\\[A-Za-z]+|[A-Za-z]{2,12})(?:_\{?\w+\}?)?'*(?:\s*\(\s*[A-Za-z](?:,\s*[A-Za-z])*\s*\))?\Z"
    r"|\(\s*[A-Za-z](?:\s*,\s*[A-Za-z])+\s*\)\Z"
)
_IN = re.compile(r"(?:[A-Za-z]|\\[a-z]+)\s*\\in(?![A-Za-z])\s*(.+)\Z", re.S)
_CUP = re.compile(r"\\cup(?![A-Za-z])|(?<=[\])}])\s*U\s*(?=[\[({\\])")
_SETMINUS = re.compile(
    r"\\setminus(?![A-Za-z])|\\newrow\s*(?=\\?\{)|(?<=\\R)\s*-\s*(?=\\?\{)|\\backslash(?![A-Za-z])"
)
_SEPARATOR = re.compile(r"\s*(?:[,;]\s*(?:and|or)\b|[,;]|\\newrow|(?<![A-Za-z])(?:and|or)(?![A-Za-z]))\s*")
_REALS = ("all real numbers", "all reals", "the real numbers", "real numbers")
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
MAX_BRACKETS = 40  # nested; the parser calls itself for each


@lru_cache(maxsize=8192)
def parse_answer(text: str) -> Answer:
    """Return the shape of an answer; any text has one (``Text`` or ``Unreadable`` at worst)."""
    if len(text) > MAX_LENGTH:
        stripped = text.strip()
        value = parse_number(stripped) if len(stripped) <= MAX_DIGITS else None
        return Unreadable(stripped) if value is None else Scalar(number(value), value)
    text = clean(text)
    return Unreadable(text) if depth_of(text) > MAX_BRACKETS else _parse(text)


def clean(text: str) -> str:
    """Return the normal spelling of an answer, without math delimiters and the full stop of its sentence."""
    text = _MATH.sub(lambda m: f" {m[1] or m[2] or m[3] or m[4]} ", text)
    text = normalise(text).strip().strip('`"')
    text = re.sub(r"^(?:\\therefore|\\approx|\\implies|~|≈)\s*", "", text)
    text = re.sub(r"\s*(?:\\circ\s*)?(?<!\.\.)[.,;:]+$", "", text) if not text.endswith("...") else text
    return text.strip()


def _parse(text: str) -> Answer:
    if not text:
        return Text("")
    for shape in _SHAPES:
        answer = shape(text)
        if answer is not None:
            return answer
    quantity = parse_quantity(text)
    if quantity is not None:
        return _expand_signs(quantity)
    return _expression(text) or parse_text(text)


def _plain_number(text: str) -> Answer | None:
    value = parse_number(text)
    return Scalar(number(value), value) if value is not None else None


def _choice(text: str) -> Answer | None:
    match = _CHOICE.match(text)
    if not match:
        return None
    letter = (match[1] or match[2]).upper()
    marked = match[1] or not text[0].islower()
    if not marked or (not match[3] and len(text) == 1 and not text.isupper()):
        return None
    return Choice(letter, _parse(match[3]) if match[3] else None)


def _date(text: str) -> Answer | None:
    return Text(text) if _DATE.match(text) else None


def _based(text: str) -> Answer | None:
    """Read ``101_2``, ``(1A)_{16}`` or ``101 base 2`` by value."""
    match = _BASED.match(text)
    if not match or not re.search(r"\d", match[1]):
        return None
    name = match[2] or match[3]
    base = _BASES.get(name, int(name) if name.isdecimal() and len(name) < 3 else 0)
    try:
        return scalar(number(int(match[1], base))) if 2 <= base <= 36 else None
    except ValueError:
        return None  # a digit that the base does not have


def _clock(text: str) -> Answer | None:
    match = _CLOCK.match(text)
    if match:
        return Ratio((Fraction(match[1]), Fraction(match[2] or 0)), match[3].lower())
    if _RATIO.match(text):
        parts = [parse_number(part) for part in re.split(r":| to ", text)]
        return Ratio(tuple(part for part in parts if part is not None))
    return None


def _matrix(text: str) -> Answer | None:
    match = _MATRIX.match(text)
    if not match:
        return None
    rows = [row for row in re.split(r"\\newrow", match[2]) if row.strip() and row.strip() != r"\hline"]
    return Matrix(tuple(tuple(_parse(cell.strip()) for cell in row.split("&")) for row in rows))


def _member(text: str) -> Answer | None:
    r"""Read ``x \in [1, 2]`` as the set."""
    match = _IN.match(text)
    return _parse(match[1].strip()) if match else None


def _union(text: str) -> Answer | None:
    parts = split_top(text, _CUP)
    if len(parts) < 2:
        return None
    return Union(tuple(_parse(part) for part in parts))


def _difference(text: str) -> Answer | None:
    parts = split_top(text, _SETMINUS)
    if len(parts) != 2 or not all(parts):
        return None
    return Difference(_parse(parts[0]), _parse(parts[1]))


def _relation(text: str) -> Answer | None:
    """Read an equation, an inequality or a chain of them; several of them are a list."""
    if not _OPERATOR.search(text):
        return None
    listed = split_top(text, _SEPARATOR)
    if len(listed) > 1:
        items = tuple(_parse(part) for part in listed if part)
        joined_by_or = bool(re.search(r"\bor\b", text))
        if joined_by_or and all(isinstance(i, (Relation, Interval)) and not _is_equation(i) for i in items):
            return Union(items)
        return Group("", items)
    sides = split_top(text, _OPERATOR)
    operators = tuple(_OPERATORS[match] for match in top_matches(text, _OPERATOR))
    if len(sides) < 2 or not all(sides):
        return None
    name = None
    if operators == ("=",) * len(operators) and _NAME.match(sides[0]):
        name = re.sub(r"[\s{}\\]", "", sides[0])
    left: Answer = Text(sides[0]) if name else _parse(sides[0])
    return Relation((left, *(_parse(side) for side in sides[1:])), operators, name)


def _is_equation(answer: Answer) -> bool:
    return isinstance(answer, Relation) and set(answer.operators) == {"="}


def _brackets(text: str) -> Answer | None:
    """Read a set, a tuple, a list or an interval."""
    text = text.replace(r"\{", "{").replace(r"\}", "}")
    if text in (r"\emptyset", "{}", "{ }"):
        return Group("{}", ())
    if text == r"\R" or text in _REALS:
        infinity = Expr("constant", (), "infty")
        return Interval(Expr("neg", (infinity,)), infinity, False, False)
    if len(text) < 2 or text[0] not in "([{]" or text[-1] not in ")]}[":
        return None
    opening, closing = text[0], text[-1]
    inner = text[1:-1]
    if not is_balanced(inner):
        return None
    items = split_top(inner, re.compile(r"\s*[,;]\s*"))
    if _BRACKETS.get(opening) == closing:
        if len(items) < 2 and opening == "(":
            return None
        if opening == "{" and len(items) == 1 and any(mark in inner for mark in ("|", ":")):
            return Unreadable(text)  # a set given by its property
        return Group(opening + closing, tuple(_parse(item) for item in items)) if all(items) else None
    if len(items) != 2 or "{" in (opening, closing) or "}" in (opening, closing):
        return None
    low, high = _end(items[0]), _end(items[1])
    if low is None or high is None:
        return None
    return Interval(low, high, opening == "[", closing == "]")


def _end(text: str) -> Expr | None:
    try:
        return parse_expression(text)
    except UnreadableError:
        return None


def _list(text: str) -> Answer | None:
    """Read items joined by commas, semicolons, 'and' or 'or'; a thousands comma separates nothing."""
    if parse_quantity(text) is not None:
        return None
    parts = [part for part in split_top(text, _SEPARATOR) if part]
    if len(parts) < 2:
        return None
    items = tuple(_parse(part) for part in parts)
    if any(isinstance(item, Text) for item in items) and len(text) > 200:
        return None
    return Group("", items)


def _expression(text: str) -> Answer | None:
    if PROSE.search(text):
        return None
    try:
        return _expand_signs(scalar(parse_expression(text)))
    except UnreadableError:
        return Unreadable(text) if "\\" in text else None


def scalar(expr: Expr) -> Scalar:
    """Wrap an expression; degrees and percent on the outside become unit and flag."""
    if expr.op == "percent":
        inner = scalar(expr.args[0])
        return Scalar(inner.expr, inner.value, None, True)
    return Scalar(expr, expr.number)


def _expand_signs(answer: Scalar) -> Answer:
    """Turn plus-minus into the list of both answers."""
    if not (contains(answer.expr, "pm") or contains(answer.expr, "mp")):
        return answer
    both = [
        Scalar(_with_sign(answer.expr, plus), None, answer.unit, answer.percent) for plus in (True, False)
    ]
    return Group("", tuple(both))


def _with_sign(expr: Expr, plus: bool) -> Expr:
    args = tuple(_with_sign(arg, plus) for arg in expr.args)
    if expr.op in ("pm", "mp"):
        left, right = args
        return Expr("add", (left, right if plus == (expr.op == "pm") else Expr("neg", (right,))))
    return Expr(expr.op, args, expr.value)


_SHAPES = (
    _plain_number,
    _date,
    _based,
    _choice,
    _clock,
    _matrix,
    _member,
    _union,
    _difference,
    _relation,
    _brackets,
    _list,
)

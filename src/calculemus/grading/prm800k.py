r"""The grader of PRM800K: openai/prm800k, ``prm800k/grading/grader.py`` and ``math_normalize.py``, 2023.

Established by reading its code. An answer is right if

- it equals the gold after the string normalisation of Hendrycks et al. 2021, or
- after a second one, which reads LaTeX as plain text, drops currency, percent signs and units, and turns
  integers into integers by way of floats (so integers beyond 2^53 that differ may become equal), or
- element by element, for tuples and intervals with the same outer brackets, SymPy simplifies the difference
  to 0; but two fractions must be the same string (an unreduced one is wrong), and an integer is equal only
  to a literal integer (``8/4`` is not ``2``).

SymPy is not asked about more than two different letters, exponents of two digits, or ``^(``. Reading LaTeX as
text loses the index of a root and the extent of a fraction: a cube root equals a square root.

Differs: the original judges an answer string and leaves its extraction to the caller. Here it is what
follows the last ``# Answer`` heading (PRM800K's own format), else the last ``\boxed{}``, else a response of
one line. What SymPy is not asked, or cannot decide, is ``unparsed`` here and wrong there, which scores the
same. There is a time limit, and quotes and backslashes are refused like a third letter.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from calculemus.grading import hendrycks
from calculemus.grading.latex_text import latex_to_text
from calculemus.grading.public import Judgement, after_last_box, balanced, compare_in_worker, judge
from calculemus.problem import Problem
from calculemus.verdict import Outcome, Verdict

_HEADING = re.compile(r"^# Answer[ \t]*\n", re.MULTILINE)
_WHOLE_TEXT = re.compile(r"^\\text\{(.+?)\}$")
_UNITS = (
    "degree", "cm", "centimeter", "meter", "mile", "second", "minute", "hour", "day", "week", "month", "year",
    "foot", "feet", "inch", "yard",
)  # fmt: skip
_UNIT_PATTERNS = tuple(re.compile(rf"{unit}(es)?(s)? *(\^[0-9]+)?") for unit in _UNITS)
_REPLACED = (
    (r"\%", "%"), (r"\$", "$"), ("$", ""), ("%", ""), (" or ", " , "), (" and ", " , "),
    ("million", "*10^6"), ("billion", "*10^9"), ("trillion", "*10^12"),
)  # fmt: skip
_SYMBOLS = (("√", "sqrt"), ("π", "pi"), ("∞", "inf"), ("∪", "U"), ("·", "*"), ("×", "*"))
_GROUPED = re.compile(r"(\d),(\d\d\d)($|\D)")
_MIXED = re.compile(r"([0-9]) +([0-9])")
_FRACTION = re.compile(r"^-?[0-9]+.?/0*[1-9][0-9]*.?$")
_REFUSED = re.compile(r"\^\{|\^\(|\^[0-9]+\^|\^[0-9][0-9]+|['\"\\]")
_BRACKETS = "()[]"


@dataclass(frozen=True)
class Prm800k:
    r"""String normalisation, then SymPy element by element.

    Example:
        >>> Prm800k().grade(Problem("p", "Half of 1?", r"\frac{1}{2}"), r"\boxed{\frac{2}{4}}").outcome
        'wrong'
    """

    name: str = field(default="prm800k", init=False)
    version: int = field(default=1, init=False)
    expected_failures: ClassVar[Mapping[str, str]] = {
        "a_near_miss_is_wrong": "whole numbers beyond 2^53 are compared as floats, as the public grader does",
        "another_unit_is_wrong": "units are dropped, as the public grader does",
    }

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        return judge(self, problem, response, _judge)


def _judge(golds: tuple[str, ...], response: str) -> Judgement:
    answer, how = extract(response)
    if answer is None:
        return Judgement("unparsed", None, how)
    return compare_in_worker("calculemus.grading.prm800k:compare", golds, answer, how)


def extract(response: str) -> tuple[str | None, str]:
    """Return the answer, None where there is none, and the rule that found it or did not."""
    headed = _HEADING.split(response)
    if len(headed) > 1:
        return headed[-1].strip(), "# Answer"
    boxed = after_last_box(response)
    if boxed is not None:
        inside, is_closed = balanced(boxed) if boxed.startswith("{") else ("", False)
        return (inside, "boxed") if is_closed else (None, "box without end")
    bare = response.strip()
    return (bare, "bare") if bare and "\n" not in bare else (None, "no answer")


def compare(gold: str, answer: str) -> tuple[Outcome, str]:
    """Compare without any limit: only for a worker."""
    if hendrycks.normalise(gold) == hendrycks.normalise(answer):
        return "correct", "Hendrycks text"
    wanted, given = _normalise(gold), _normalise(answer)
    if wanted == given:
        return "correct", "text"
    if not given:
        return "wrong", "nothing left"
    return _compare_elements(wanted, given)


def _compare_elements(wanted: str, given: str) -> tuple[Outcome, str]:
    wanted_elements, given_elements = _elements(wanted), _elements(given)
    if len(wanted_elements) != len(given_elements):
        return "wrong", "number of elements"
    if len(wanted_elements) > 1 and (wanted[0], wanted[-1]) != (given[0], given[-1]):
        return "wrong", "brackets"
    for pair in zip(wanted_elements, given_elements, strict=True):
        outcome, how = _compare_element(*pair)
        if outcome != "correct":
            return outcome, how
    return "correct", "SymPy"


def _compare_element(wanted: str, given: str) -> tuple[Outcome, str]:
    if _FRACTION.search(wanted) and _FRACTION.search(given):
        return ("correct" if wanted == given else "wrong"), "fractions as text"
    if (_integer(wanted) is None) != (_integer(given) is None):
        return "wrong", "only one is a literal integer"
    difference = f"({wanted})-({given})"
    letters = {c for c in difference.replace("sqrt", "").replace("frac", "") if c.isalpha()}
    if len(letters) > 2 or _REFUSED.search(difference):
        return "unparsed", "SymPy is not asked"
    return _simplify(difference)


def _simplify(difference: str) -> tuple[Outcome, str]:
    from sympy import simplify
    from sympy.parsing import sympy_parser as parser

    rules = (*parser.standard_transformations, parser.implicit_multiplication_application)
    try:
        text = difference.replace("^", "**")
        parsed = parser.parse_expr(text, transformations=rules)  # evaluates, but of two letters at most
        is_zero = simplify(parsed) == 0
    except Exception:  # the public code, too, counts whatever SymPy raises on
        return "unparsed", "SymPy cannot read it"
    return ("correct" if is_zero else "wrong"), "SymPy"


def _normalise(answer: str) -> str:
    whole = _WHOLE_TEXT.search(answer)
    answer = whole[1] if whole else answer
    for before, after in _REPLACED:
        answer = answer.replace(before, after)
    for unit in _UNIT_PATTERNS:
        answer = unit.sub("", answer)
    answer = re.sub(r"\^ *\\circ", "", answer)
    if answer.startswith("{") and answer.endswith("}"):
        answer = answer[1:-1]
    answer = re.sub(r",\\! *", "", answer)
    rounded = _rounded(answer)
    answer = answer if rounded is None else str(rounded)
    if "\\" in answer:
        answer = _as_text(answer)
    answer = re.sub("- *", "-", answer)
    answer = _MIXED.sub(r"\1+\2", answer)
    for dropped in " {}":
        answer = answer.replace(dropped, "")
    answer = answer.lower()
    integer = _integer(answer)
    return answer if integer is None else str(integer)


def _as_text(answer: str) -> str:
    answer = answer.replace(r"\tfrac", r"\frac").replace(r"\dfrac", r"\frac")
    answer = answer.replace(r"\frac", r" \frac")  # sets a mixed number's parts apart
    try:
        answer = latex_to_text(answer)
    except RecursionError:
        return answer
    for symbol, name in _SYMBOLS:
        answer = answer.replace(symbol, name)
    return answer.strip()


def _rounded(text: str) -> int | None:
    """Return the integer that a number is within 1e-7 of, by way of floats as in the original."""
    try:
        value = float(text)
        return round(value) if abs(value - round(value)) <= 1e-7 else None
    except (ValueError, OverflowError):
        return None


def _integer(text: str) -> int | None:
    """Return the integer part of a number within 1e-7 of an integer, its thousands grouped or not."""
    plain = _without_grouping(text)
    return None if _rounded(plain) is None else int(float(plain))


def _without_grouping(text: str) -> str:
    while (plain := _GROUPED.sub(r"\1\2\3", text)) != text:
        text = plain
    return text


def _elements(answer: str) -> list[str]:
    answer = _without_grouping(answer)
    inside = answer[1:-1]
    is_bracketed = len(answer) > 2 and answer[0] in _BRACKETS and answer[-1] in _BRACKETS
    if is_bracketed and not any(bracket in inside for bracket in _BRACKETS):
        return [element.strip() for element in inside.split(",")]
    return [answer] if answer else []

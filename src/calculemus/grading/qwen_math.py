r"""The grader of Qwen2.5-Math: QwenLM/Qwen2.5-Math, ``evaluation/grader.py`` and ``parser.py``, 2024.

Established by reading its code. Few right answers are missed and many wrong ones accepted:

- numbers are equal within a relative 1e-4, and in any question the value times or divided by 100 is right;
- braces and parentheses are dropped before texts are compared, and the outer brackets of tuples and
  intervals are never compared, so open and closed intervals are equal;
- units, variable names and percent signs are dropped; single letters count as units (``a``, ``h``, ``t``);
- a text with number words becomes their number, whatever else it says;
- of two relations only ``|left - right|`` is compared, so the direction of an inequality is lost;
- SymPy's LaTeX grammar ignores what follows a readable beginning.

Differs: the original takes the last number of a response without a box or an answer phrase, even of
``\frac{1}{2}``; here a response that is nothing but an expression is taken whole. Its third parser is a
latex2sympy of its own, here latex2sympy2-extended. The original runs Python code that stands in an answer;
here text is evaluated only if its words are letters and common functions. The time limit is 0.8 s instead
of 3 s.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import isclose
from typing import Any, ClassVar

from calculemus.grading.public import Judgement, compare_in_worker, judge
from calculemus.grading.qwen_text import extract, normalise
from calculemus.grading.sympy_latex import parse_latex
from calculemus.problem import Problem
from calculemus.verdict import Outcome, Verdict

_TOLERANCE = 1e-4
_LIST = re.compile(r"(\(|\[).+(\)|\])")
_MATRIX = re.compile(r"\\begin\{[pb]matrix\}(.*)\\end\{[pb]matrix\}", re.DOTALL)
_PYTHON = re.compile(
    r"(?:[0-9+\-*/^(),\[\]{}<>! ]|\.(?![A-Za-z_ ])|(?<![A-Za-z0-9_])(?:[A-Za-z]|a?sin|a?cos|a?tan|cot|sec|"
    r"csc|sinh|cosh|tanh|sqrt|log|ln|exp|pi|oo|abs|Abs)(?![A-Za-z0-9_]))+"
)


@dataclass(frozen=True)
class Qwen25Math:
    """Lenient comparison of numbers, texts without brackets, and SymPy expressions.

    Example:
        >>> Qwen25Math().grade(Problem("p", "Half of 1?", "0.5"), "The answer is 50").outcome
        'correct'
    """

    name: str = field(default="qwen25_math", init=False)
    version: int = field(default=1, init=False)
    expected_failures: ClassVar[Mapping[str, str]] = {
        "a_near_miss_is_wrong": "numbers are equal within a relative 1e-4, as the public grader has it",
        "another_unit_is_wrong": "units are dropped, as the public grader does",
    }

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        return judge(self, problem, response, _judge)


def _judge(golds: tuple[str, ...], response: str) -> Judgement:
    answer, how = extract(response)
    if not answer:
        return Judgement("unparsed", None, f"{how}: nothing")
    return compare_in_worker("calculemus.grading.qwen_math:compare", golds, answer, how)


def compare(gold: str, answer: str) -> tuple[Outcome, str]:
    """Compare without any limit: only for a worker."""
    given = normalise(normalise(answer))  # the original does it twice, and once for the gold
    if not given:
        return "unparsed", "nothing left"
    rule = match(given, normalise(gold))
    return ("correct", rule) if rule else ("wrong", "no rule matches")


def match(given: str, wanted: str) -> str | None:
    """Return the rule by which two rewritten answers are equal, or None."""
    if given.strip().lower() == wanted.strip().lower():
        return "text"
    if wanted in ("A", "B", "C", "D", "E") and _choice(given) == wanted:
        return "choice"
    numbers = _number(given), _number(wanted)
    if numbers[0] is not None and numbers[1] is not None:
        return "number" if _are_close(numbers[0], numbers[1]) else None
    if not given:
        return None
    given, wanted = given.strip(), wanted.strip()
    if "pmatrix" in given and "pmatrix" not in wanted:
        wanted = _as_matrix(wanted)
    if _are_texts_without_brackets_equal(given, wanted):
        return "text without brackets"
    if _match_lists(given, wanted) or _match_matrices(given, wanted):
        return "elements"
    if _match_equations(given, wanted):
        return "equation"
    return "SymPy" if _match_symbolically(given, wanted) else None


def _choice(given: str) -> str:
    given = given.strip("\n").rstrip(".").rstrip("/").strip(" ").lstrip(":")
    letters = re.findall(r"\b(A|B|C|D|E)\b", given.upper())
    return letters[-1] if letters else given.strip().strip(".").rstrip(".").rstrip("/")


def _number(text: str) -> float | None:
    plain = text.replace(",", "")
    with suppress(ValueError):
        return float(plain)
    if plain.endswith("%"):
        with suppress(ValueError):
            return float(plain[:-1].removesuffix("\\")) / 100
    return None


def _are_close(given: float, wanted: float) -> bool:
    return any(isclose(w, given, rel_tol=_TOLERANCE) for w in (wanted / 100, wanted, wanted * 100))


def _as_matrix(text: str) -> str:
    """Write sets of several elements as column vectors, one behind the other."""
    sets = re.findall(r"\{.*,.*\}", text.strip())
    columns = [found.strip("{}").replace(",", "\\") for found in sets]
    return ", ".join(rf"\begin{{pmatrix}}{column}\end{{pmatrix}}" for column in columns)


def _are_texts_without_brackets_equal(given: str, wanted: str) -> bool:
    is_square = given.startswith("[") and given.endswith("]") and not wanted.startswith("(")
    is_round = given.startswith("(") and given.endswith(")") and not wanted.startswith("[")
    if is_square or is_round:
        given, wanted = given.strip("[]()"), wanted.strip("[]()")
    return _without_brackets(given) == _without_brackets(wanted)


def _without_brackets(text: str) -> str:
    return re.sub(r"[{}()]", "", text).lower()


def _match_lists(given: str, wanted: str) -> bool:
    if not (_LIST.match(given) and _LIST.match(wanted)):
        return False
    return _match_all(given[1:-1].split(","), wanted[1:-1].split(","))


def _match_all(given: list[str], wanted: list[str]) -> bool:
    return len(given) == len(wanted) and all(match(*pair) for pair in zip(given, wanted, strict=True))


def _match_matrices(given: str, wanted: str) -> bool:
    insides = _MATRIX.fullmatch(given), _MATRIX.fullmatch(wanted)
    if not (insides[0] and insides[1]):
        return False
    rows = [[row for row in inside[1].split(r"\\") if row.strip()] for inside in insides if inside]
    return len(rows[0]) == len(rows[1]) and all(
        _match_all(a.strip().split("&"), b.strip().split("&")) for a, b in zip(*rows, strict=True)
    )


def _match_equations(given: str, wanted: str) -> bool:
    if given.count("=") == 1 and wanted.count("=") == 1:
        difference, target = (_difference(equation) for equation in (given, wanted))
        return _match_symbolically(difference, target) or _match_symbolically(f"-({difference})", target)
    if _is_assignment(given) and "=" not in wanted:
        return match(given.partition("=")[2], wanted) is not None
    if _is_assignment(wanted) and "=" not in given:
        return match(given, wanted.partition("=")[2]) is not None
    return False


def _difference(equation: str) -> str:
    left, _, right = equation.partition("=")
    return f"{left.strip()} - ({right.strip()})"


def _is_assignment(text: str) -> bool:
    return text.count("=") == 1 and len(text.partition("=")[0].strip()) <= 2


def _match_symbolically(given: str, wanted: str) -> bool:
    a, b = _parse(given), _parse(wanted)
    if isinstance(a, str) or isinstance(b, str):
        return str(a) == str(b)  # SymPy's methods would evaluate a text as Python, and the original lets them
    tests: tuple[Callable[[Any, Any], bool], ...] = (
        _are_same, _are_equal, _are_equal_relations, _are_close_values, _are_close_matrices,
    )  # fmt: skip
    for test in tests:
        with suppress(Exception):  # a test that an object does not support is passed over, as in the original
            if test(a, b):
                return True
    return False


def _parse(text: str) -> Any:
    from latex2sympy2_extended import latex2sympy

    for parser in (parse_latex, _parse_python, latex2sympy):
        for spelling in (text.replace(r"\\", "\\"), text):
            try:
                return parser(spelling)
            except ImportError:
                raise
            except Exception:  # not this parser's language
                continue
    return text


def _parse_python(text: str) -> Any:
    from sympy.parsing.sympy_parser import parse_expr

    if not _PYTHON.fullmatch(text):
        raise ValueError(f"{text!r} is not evaluated")
    return parse_expr(text)  # passed the allow-list above


def _are_same(a: Any, b: Any) -> bool:
    return str(a) == str(b) or a == b


def _are_equal(a: Any, b: Any) -> bool:
    from sympy import simplify

    return a.equals(b) or simplify(a - b) == 0


def _are_equal_relations(a: Any, b: Any) -> bool:
    return abs(a.lhs - a.rhs).equals(abs(b.lhs - b.rhs))


def _are_close_values(a: Any, b: Any) -> bool:
    from sympy import N

    return isclose(float(N(b)), float(N(a)), rel_tol=_TOLERANCE)


def _are_close_matrices(a: Any, b: Any) -> bool:
    def rounded(matrix: Any) -> Any:
        return matrix.applyfunc(lambda x: round(x, 3))

    return a.shape == b.shape and rounded(a).equals(rounded(b))

"""Exact arithmetic, against the grammar of Python itself."""

import ast
import operator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.problems.arithmetic import MAX_DEPTH, evaluate, holds

NUMERALS = st.from_regex(r"(0|[1-9][0-9]{0,5})(\.[0-9]{0,3})?|\.[0-9]{1,3}", fullmatch=True)
EXPRESSIONS = st.recursive(
    NUMERALS,
    lambda inner: st.one_of(
        st.builds("{}{}{}".format, inner, st.sampled_from(["+", "-", "*", "/", "//", " + ", " / "]), inner),
        st.builds("({})".format, inner),
        st.builds("-{}".format, inner),
    ),
    max_leaves=12,
)
OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
}


def by_python_grammar(text: str) -> Fraction | None:
    """An independent reading: Python's own parser, with every literal as a Fraction."""

    def value(node: ast.expr) -> Fraction:
        if isinstance(node, ast.BinOp):
            return OPERATORS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp):
            return -value(node.operand)
        return Fraction(ast.get_source_segment(text, node) or "")

    try:
        return value(ast.parse(text, mode="eval").body)
    except ZeroDivisionError:
        return None


@given(EXPRESSIONS)
def test_values_are_those_of_the_python_grammar_in_exact_arithmetic(text):
    assert evaluate(text) == by_python_grammar(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "+",
        "2+",
        "*2",
        "2**3",
        "()",
        "(2",
        "2)",
        "2 3",
        "1.2.3",
        "2x",
        "a",
        "1,000",
        "5%",
        "²",
        "٣",
        "=",
        "1/0",
    ],
)
def test_what_is_not_arithmetic_has_no_value(text):
    assert evaluate(text) is None


def test_nesting_is_read_to_a_limit_and_refused_beyond():
    assert evaluate("(" * MAX_DEPTH + "7" + ")" * MAX_DEPTH) == 7
    assert evaluate("(" * (MAX_DEPTH + 1) + "7" + ")" * (MAX_DEPTH + 1)) is None
    assert evaluate("(" * 200_000) is None


def test_parentheses_side_by_side_are_not_nested():
    assert evaluate("+".join(["(1)"] * 500)) == 500


def test_signs_may_be_many_without_recursion():
    assert evaluate("-" * 4001 + "3") == -3


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ("2+2=4", True),
        ("1/3=.3333333", True),
        ("1/3=.333", False),
        ("2+2=5", False),
        ("8=4+4=2*4", True),
        ("8=4+4=9", False),
        ("0=0", True),
        ("0=.0000001", False),
        ("4", None),
        ("x=4", None),
        ("4=", None),
        ("1/0=1", None),
    ],
)
def test_chains_hold_where_all_sides_are_equal_within_a_millionth(chain, expected):
    assert holds(chain) is expected

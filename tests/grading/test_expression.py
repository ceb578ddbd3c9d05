"""The parser and the two evaluators, against SymPy and against themselves."""

from fractions import Fraction

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus.errors import NotExactError, UndecidableError, UnreadableError
from calculemus.grading.approximate import Approximation
from calculemus.grading.equivalence import equivalent
from calculemus.grading.expression import Expr, parse_expression
from calculemus.grading.lexer import read_number
from calculemus.grading.normalise import normalise
from calculemus.grading.rational import exact


def parse(text: str) -> Expr:
    return parse_expression(normalise(text))


# Expressions as SymPy builds them, written as LaTeX by SymPy, read by our parser.
X, Y = sympy.symbols("x y")
LEAVES = st.one_of(st.integers(-9, 9).map(sympy.Integer), st.sampled_from([X, Y, sympy.Rational(2, 3)]))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
        st.tuples(inner, st.integers(1, 3)).map(lambda pair: pair[0] ** pair[1]),
        inner.map(lambda e: e / 7),
    ),
    max_leaves=8,
)


@given(TREES)
@settings(max_examples=200, deadline=None)
def test_latex_of_a_polynomial_has_sympys_value(tree):
    at = {"x": Fraction(5, 3), "y": Fraction(-7, 2)}
    ours = exact(parse(sympy.latex(tree)), at)
    theirs = sympy.Rational(tree.subs({X: sympy.Rational(5, 3), Y: sympy.Rational(-7, 2)}))
    assert ours == Fraction(int(theirs.p), int(theirs.q))


@given(TREES)
@settings(max_examples=100, deadline=None)
def test_an_expanded_expression_is_equivalent_and_a_shifted_one_is_not(tree):
    expanded = parse(sympy.latex(sympy.expand(tree)))
    assert equivalent(parse(sympy.latex(tree)), expanded) is True
    assert equivalent(parse(sympy.latex(tree + sympy.Rational(1, 10**15))), expanded) is False


@pytest.mark.parametrize(
    ("text", "theirs"),
    [
        (r"\sqrt{2}", "sqrt(2)"),
        (r"\frac{\pi}{7}", "pi/7"),
        (r"e^{2}", "exp(2)"),
        (r"\sin 1", "sin(1)"),
        (r"\arctan 3", "atan(3)"),
        (r"\ln 5", "log(5)"),
        (r"\log_3 7", "log(7, 3)"),
        (r"\sqrt[3]{5}", "5**Rational(1, 3)"),
        (r"\cosh 2", "cosh(2)"),
        ("7^{0.3}", "7**Rational(3, 10)"),
        (r"\left|-\pi\right|", "Abs(-pi)"),
        (r"\frac{1+\sqrt5}{2}", "(1 + sqrt(5))/2"),
    ],
)
def test_a_constant_has_sympys_digits(text, theirs):
    ours = Approximation(60, real=False).value(parse(text), {})
    assert abs(sympy.Float(str(ours), 60) - sympy.sympify(theirs).evalf(60)) < sympy.Float("1e-50")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3 1/2", "7/2"),
        (r"3\frac{1}{2}", "7/2"),
        (r"\frac12", "1/2"),
        (r"\frac1{20}", "1/20"),
        ("2^3^2", "512"),
        ("-2^2", "-4"),
        ("(-8)^{1/3}", "-2"),
        ("5!", "120"),
        (r"\binom{6}{2}", "15"),
        ("|3-5|", "2"),
        ("101_2", "5"),
        (r"\log 1000", "3"),
        ("1/2*4", "2"),
        ("12/3/2", "2"),
        ("2(3+4)", "14"),
        (r"\sqrt[3]{-27}", "-3"),
        (r"\lfloor 7/2 \rfloor", "3"),
        (r"10 \bmod 3", "1"),
        ("50%", "1/2"),
        (r"\max(2,7,5)", "7"),
    ],
)
def test_an_expression_has_its_exact_value(text, value):
    assert exact(parse(text), {}) == Fraction(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234,567.5", "2469135/2"),
        ("1 234 567", "1234567"),
        ("1.234.567", "1234567"),
        ("1.234,5", "2469/2"),
        ("1'234", "1234"),
        ("0.333...", "1/3"),
        ("0.1666...", "1/6"),
        ("0.142857142857...", "1/7"),
        ("0.(36)", "4/11"),
        (r"0.1\overline{6}", "1/6"),
        ("1e-3", "1/1000"),
        (".5", "1/2"),
    ],
)
def test_a_numeral_is_read_in_every_notation(text, value):
    assert read_number(text) == Fraction(value)


@given(st.integers(1, 10**6), st.integers(1, 10**3))
def test_a_repeating_decimal_is_the_fraction_that_repeats(numerator, denominator):
    value = Fraction(numerator, denominator)
    whole, rest = divmod(value.numerator, value.denominator)
    digits, seen = "", {}
    while rest and rest not in seen:
        seen[rest] = len(digits)
        digit, rest = divmod(rest * 10, value.denominator)
        digits += str(digit)
    if rest:
        fixed, period = digits[: seen[rest]], digits[seen[rest] :]
        assert read_number(f"{whole}.{fixed}({period})") == value
    else:
        assert read_number(f"{whole}.{digits}") == value


@pytest.mark.parametrize("text", ["", "2 3", "1//2", "(1", "hello", "2+", r"\int x dx", "*3", "x^", "|x"])
def test_what_is_no_expression_is_refused(text):
    with pytest.raises(UnreadableError):
        parse(text)


@pytest.mark.parametrize(
    "text", ["(" * 500 + "1" + ")" * 500, "-" * 1500 + "1", "2^" * 900 + "2", "1+" * 900 + "1"]
)
def test_nesting_and_length_are_bounded_before_pythons_own_limit(text):
    with pytest.raises(UnreadableError, match="too"):
        parse(text)


@pytest.mark.parametrize("text", [r"9^{9^{9^9}}", "((5!)!)!", r"e^{e^{e^{e^{e}}}}", r"2^{2^{100}}"])
def test_magnitudes_are_bounded_before_they_are_computed(text):
    with pytest.raises((UndecidableError, NotExactError)):
        exact(parse(text), {})
    with pytest.raises(UndecidableError):
        Approximation(50, real=False).value(parse(text), {})


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        (r"\sin\pi", "0", True),
        ("10^{-100}", "0", False),
        (r"e^{\pi\sqrt{163}}", "262537412640768744", False),
        (r"\sqrt{x^2}", "|x|", True),
        (r"\sqrt{x^2}", "x", False),
        (r"\ln x^2", r"2\ln x", True),
        (r"\sqrt{x}\sqrt{y}", r"\sqrt{xy}", True),
        (r"x^{1/3}", r"\sqrt[3]{x}", True),
        ("x", "y", False),
        (r"\frac{x^2-1}{x-1}", "x+1", True),
        ("i^2", "-1", True),
        (r"2^{1000000}", "2^{1000000}+1", None),
        (r"\infty", r"-\infty", False),
        (r"\infty", "5", False),
        (r"\frac{1}{2004!}", r"\frac{1}{2006!}", False),
    ],
)
def test_equivalence_of_a_delicate_pair(a, b, verdict):
    assert equivalent(parse(a), parse(b)) is verdict
    assert equivalent(parse(b), parse(a)) is verdict

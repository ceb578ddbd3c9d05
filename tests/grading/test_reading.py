"""Extraction, number words, units and shapes."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.grading import extract
from calculemus.grading.answers import Choice, Group, Interval, Matrix, Ratio, Relation, Scalar, Text, Union
from calculemus.grading.structure import parse_answer
from calculemus.grading.tolerance import round_to
from calculemus.grading.units import parse_unit
from calculemus.grading.words import parse_words

UNDER_TWENTY = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def spell(n: int, joiner: str = " and ") -> str:
    """Write a number below a million million in words."""
    for size, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if n >= size:
            rest = n % size
            return (
                spell(n // size, " ")
                + f" {name}"
                + (f"{joiner if rest < 100 else ' '}{spell(rest)}" if rest else "")
            )
    if n < 20:
        return UNDER_TWENTY[n]
    return TENS[n // 10] + (f"-{UNDER_TWENTY[n % 10]}" if n % 10 else "")


@given(st.integers(0, 10**12 - 1))
def test_a_number_in_words_is_read_back(n):
    assert parse_words(spell(n)) == n
    assert parse_words(spell(n).replace("-", " ").replace(" and ", " ")) == n


@pytest.mark.parametrize(
    "text", ["a", "third", "twenty twenty", "two and", "apple", "hundred", "one two", "", "and"]
)
def test_words_that_are_no_number_are_not_read(text):
    assert parse_words(text) is None


@pytest.mark.parametrize(
    ("a", "b", "factor"),
    [
        ("km", "m", 1000),
        ("hours", "seconds", 3600),
        ("ft", "inches", 12),
        ("square feet", "in^2", 144),
        ("cubic meters", "liters", 1000),
        ("km/h", "m/s", Fraction(5, 18)),
        ("dollars", "cents", 100),
        ("pounds", "ounces", 16),
        ("mph", "miles per hour", 1),
        ("acres", "square yards", 4840),
        ("days", "hours", 24),
    ],
)
def test_units_convert_exactly(a, b, factor):
    first, second = parse_unit(a), parse_unit(b)
    assert first.convertible(second)
    assert first.factor / second.factor == factor


@pytest.mark.parametrize(
    ("a", "b"), [("cm", "cm^2"), ("dollars", "euros"), ("apples", "pears"), ("km", "km/h"), ("kg", "m")]
)
def test_units_of_different_dimensions_do_not_convert(a, b):
    assert not parse_unit(a).convertible(parse_unit(b))


@pytest.mark.parametrize("text", ["x+1", "5", "a sentence that goes on about several other things", "(", "="])
def test_algebra_and_prose_are_no_unit(text):
    assert parse_unit(text) is None


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("5 cm", Scalar),
        ("(1, 2]", Interval),
        ("[1, 2]", Group),
        (r"\{1, 2\}", Group),
        ("1, 2", Group),
        ("x=5", Relation),
        ("x>3", Relation),
        ("x<1 or x>3", Union),
        ("(A)", Choice),
        ("3:4", Ratio),
        ("Tuesday", Text),
        ("no", Text),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", Matrix),
        ("1,234", Scalar),
        ("xy", Scalar),
        ("7:30 pm", Ratio),
    ],
)
def test_an_answer_has_its_shape(text, shape):
    assert isinstance(parse_answer(text), shape)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"\boxed{1} then \boxed{2}", "2"),
        (r"\boxed{1} and \boxed{2}", "1, 2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{1", None),
        ("none", None),
        (r"\boxed{a\}b}", r"a\}b"),
        (r"\fbox{3}", "3"),
        (r"\boxed {4}", "4"),
    ],
)
def test_the_last_complete_box_is_taken(text, found):
    assert extract.boxed(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The answer is 3.5. Then", "3.5"),
        ("so the final answer is: 12, because", "12, because"),
        ("A: 7", "7"),
        ("x\nA: 7", "7"),
        ("Answer:\n\n42", "42"),
        ("the answer is 1. No, the answer is 2.", "2"),
    ],
)
def test_a_phrase_ends_with_its_sentence_and_not_inside_a_number(text, found):
    assert next(extract.phrases(text)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("12-5=7", "7"),
        ("it is -3", "-3"),
        ("1,234.5 and", "1,234.5"),
        ("about 50%", "50%"),
        ("3/4 of it", "3/4"),
        ("no numbers", None),
        ("x" * 1000 + "5", "5"),
        ("5" + "x" * 1000, "5"),
        ("take 5-3", "3"),
    ],
)
def test_the_last_number_keeps_its_sign_and_not_the_minus_of_a_difference(text, found):
    assert extract.last_number(text) == found


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<think>a</think>b", "b"),
        ("a</think>b", "b"),
        ("<think>a", None),
        ("<think>a</think>b<think>c", None),
        ("a", "a"),
    ],
)
def test_reasoning_is_dropped_and_an_open_block_answers_nothing(text, left):
    assert extract.without_reasoning(text) == left


@pytest.mark.parametrize(
    ("value", "figures", "rounded"),
    [
        ("3.14159", 3, "3.14"),
        ("0.00123456", 2, "0.0012"),
        ("99.96", 3, "100"),
        ("-2.5", 1, "-3"),
        ("0", 2, "0"),
        ("123456", 2, "120000"),
        ("1/3", 4, "0.3333"),
    ],
)
def test_rounding_keeps_significant_figures(value, figures, rounded):
    assert round_to(Fraction(value), figures) == Fraction(rounded)

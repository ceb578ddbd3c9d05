"""Answers held against each other without a gold."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.grading.votes import extract_answer, group_equal


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Half of 7 is 3.5.\n#### 3.5", "3.5"),
        (r"So \boxed{\frac12} it is.", r"\frac12"),
        ("She has 3 + 4 = 7 eggs. The answer is 7.", "7"),
        ("12", "12"),
        ("I wonder.", None),
        ("", None),
        ("<think>it may be 5", None),
    ],
)
def test_the_answer_of_a_text_is_found_without_knowing_the_gold(text: str, answer: str | None) -> None:
    assert extract_answer(text) == answer


def test_spellings_of_one_number_share_a_vote() -> None:
    answers = ["1/2", "0.5", r"\frac12", "2/4", "50%", None, "1,000", "1000", "1e3", "x"]
    groups = group_equal(answers)
    assert groups[0][:4] == (0, 1, 2, 3)
    assert (6, 7, 8) in groups
    assert all(5 not in group for group in groups)
    assert (9,) in groups


@given(st.lists(st.none() | st.fractions(max_denominator=4).map(lambda f: f % 3), max_size=12), st.data())
def test_numbers_are_grouped_by_value_however_they_are_written(
    values: list[Fraction | None], data: st.DataObject
) -> None:
    def write(value: Fraction | None) -> str | None:
        if value is None:
            return None
        k = data.draw(st.integers(1, 3))
        spellings = [f"{value.numerator * k}/{value.denominator * k}", f"{float(value)}"]
        exact = value.denominator in (1, 2, 4)
        return data.draw(st.sampled_from(spellings if exact else spellings[:1]))

    expected: dict[Fraction, list[int]] = {}
    for index, value in enumerate(values):
        if value is not None:
            expected.setdefault(value, []).append(index)
    assert group_equal([write(value) for value in values]) == [tuple(group) for group in expected.values()]


def test_what_has_no_value_is_equal_to_itself_alone() -> None:
    assert group_equal(["", "", "north", "North", "south"])[0] == (0, 1)
    assert len(group_equal(["north", "south"])) == 2

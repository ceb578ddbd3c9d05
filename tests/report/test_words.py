"""Figures in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.report.words import MINUS, NARROW, letter, p_value, percent, points, quantity, short

POWERS = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}


def test_letters_count_in_base_26_without_a_zero():
    def number(name: str) -> int:
        value = 0
        for sign in name:
            value = 26 * value + ord(sign) - ord("A") + 1
        return value - 1

    assert [number(letter(index)) for index in range(1000)] == list(range(1000))
    assert [letter(0), letter(25), letter(26)] == ["A", "Z", "AA"]


def test_percent_has_one_decimal():
    assert percent(742 / 1319) == f"56.3{NARROW}%"


@pytest.mark.parametrize(
    ("difference", "text"),
    [(0.174, "+17.4"), (-0.043, f"{MINUS}4.3"), (0.0, "0.0"), (-0.0, "0.0"), (-0.0004, "0.0")],
)
def test_points_have_a_sign_unless_they_are_zero(difference: float, text: str):
    assert points(difference) == text


@pytest.mark.parametrize(
    ("p", "text"), [(1.0, "1"), (0.04139, "0.041"), (0.0001, "0.0001"), (1e-30, f"<{NARROW}0.0001")]
)
def test_small_p_values_are_only_bounded(p: float, text: str):
    assert p_value(p) == text


@given(st.floats(1e-6, 9.9e17))
def test_a_quantity_reads_back_to_three_figures(value: float):
    number, _, prefix = quantity(value).replace(",", "").partition(NARROW)
    assert float(number) * POWERS.get(prefix, 1.0) == pytest.approx(value, rel=0.0051)


def test_no_quantity_counts_a_thousand_of_its_prefix():
    assert quantity(999_999) == f"1{NARROW}M"


@given(st.text(min_size=1, max_size=80))
def test_a_shortened_name_keeps_its_end(name: str):
    cut = short(name, 20)
    assert cut == name if len(name) <= 20 else (name.endswith(cut[2:]) and len(cut) == 21)

"""Names with parameters: split, read as declared, and refused by name."""

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import InvalidParameterError
from calculemus.named import build, parse_named, suggest
from calculemus.params import AtLeast, Configured


@dataclass(frozen=True)
class Everything(Configured):
    """One parameter of each kind."""

    count: Annotated[int, AtLeast(1)] = 1
    share: float = 0.5
    flag: bool = False
    mode: Literal["fast", "slow"] = "fast"
    limit: int | None = None
    word: str = ""


@dataclass(frozen=True)
class Nothing(Configured):
    """No parameters."""


@given(
    st.integers(1), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none() | st.integers()
)
def test_what_is_written_is_read_back(count, share, flag, limit) -> None:
    made = Everything(count, share, flag, "slow", limit, "a-b")
    written = ",".join(f"{key}={value}" for key, value in made.params().items())
    name, values = parse_named(f"everything:{written}")
    assert (name, build(Everything, values)) == ("everything", made)


def test_a_number_stays_text_where_text_is_wanted() -> None:
    assert build(Everything, {"word": "8"}).word == "8"
    assert build(Everything, {"word": "none"}).word == "none"


@pytest.mark.parametrize(("text", "flag"), [("true", True), ("Yes", True), ("FALSE", False), ("no", False)])
def test_truth_is_written_in_several_ways(text, flag) -> None:
    assert build(Everything, {"flag": text}).flag is flag


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"count": "1.5"}, "'count' is '1.5'; expected a whole number, at least 1"),
        ({"flag": "1"}, "'flag' is '1'; expected true or false"),
        ({"mode": "FAST"}, "'mode' is 'FAST'; expected one of 'fast', 'slow'"),
        ({"share": "inf"}, "'share' is inf; expected a finite number"),
        ({"limit": "few"}, "'limit' is 'few'; expected a whole number or None"),
        ({"cuont": "1"}, "no parameter 'cuont'; did you mean count.* it has count, share"),
    ],
)
def test_a_value_that_does_not_fit_is_named(values, said) -> None:
    with pytest.raises(InvalidParameterError, match=said):
        build(Everything, values)


def test_a_class_without_parameters_takes_none() -> None:
    assert build(Nothing, {}) == Nothing()
    with pytest.raises(InvalidParameterError, match="it has no parameters"):
        build(Nothing, {"a": "1"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("vote", ("vote", {})), ("vote:", ("vote", {})), (" a : b = c ", ("a", {"b": "c"})), ("", ("", {}))],
)
def test_a_name_may_stand_alone(text, expected) -> None:
    assert parse_named(text) == expected


@pytest.mark.parametrize("text", ["vote:n", "vote:=3", "vote:n=", "vote:n=3,", "vote:,"])
def test_a_part_that_is_no_assignment_is_refused(text) -> None:
    with pytest.raises(InvalidParameterError, match="expected param=value"):
        parse_named(text)


def test_a_parameter_is_given_once() -> None:
    with pytest.raises(InvalidParameterError, match="'n' is given twice, as 3 and 4"):
        parse_named("vote:n=3,n=4")


def test_only_near_names_are_suggested() -> None:
    assert suggest("Voet", ["vote", "cot"]) == "did you mean vote? "
    assert suggest("zebra", ["vote", "cot"]) == ""

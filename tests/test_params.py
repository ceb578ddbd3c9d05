"""Parameters on frozen dataclasses: what is accepted, what is refused, and how runs are keyed by them."""

import copy
import json
import pickle
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import CalculemusError, InvalidParameterError
from calculemus.params import AtLeast, Between, Configured, canonical_json, digest

Rule = Literal["mean", "median"]


@dataclass(frozen=True)
class Example(Configured):
    """One parameter of every kind."""

    count: Annotated[int, AtLeast(1)] = 8
    scale: Annotated[float, AtLeast(0)] = 1.0
    density: Annotated[float, Between(0, 1, open_left=True)] = 0.2
    share: Annotated[float, Between(0, 1, open_right=True)] = 0.5
    limit: Annotated[int | None, AtLeast(1)] = None
    rule: Rule = "mean"
    name: str = "x"
    is_tied: bool = False
    sizes: tuple[int, ...] = (1, 2)
    extra: Any = None


@dataclass(frozen=True)
class Required(Configured):
    """A parameter without a default."""

    count: int


@dataclass(frozen=True)
class Bare(Configured):
    """No parameters at all."""


finite = st.floats(allow_nan=False, allow_infinity=False)
values: dict[str, st.SearchStrategy[Any]] = {
    "count": st.integers(1),
    "scale": st.floats(0, allow_infinity=False) | st.integers(0, 10**6),
    "density": st.floats(0, 1, exclude_min=True),
    "share": st.floats(0, 1, exclude_max=True),
    "limit": st.none() | st.integers(1),
    "rule": st.sampled_from(["mean", "median"]),
    "name": st.text(),
    "is_tied": st.booleans(),
    "sizes": st.lists(st.integers()).map(tuple),
    "extra": st.none() | st.text() | st.booleans(),
}
examples = st.builds(Example, **values)

TOO_LARGE = 10**400  # a whole number that no float holds

# For each parameter: values of a wrong type, then values of the right type outside the range.
REFUSED: dict[str, list[Any]] = {
    "count": ["8", 8.0, True, None, (8,), 0, -3],
    "scale": ["1", None, False, 1j, float("nan"), float("inf"), -1, TOO_LARGE],
    "density": ["0.5", None, True, float("nan"), 0, 0.0, 1.0000001, -1],
    "share": [[0.5], None, 1, 1.0, -1e-9],
    "limit": ["1", 1.5, False, 0],
    "rule": ["Mean", "", None, 0],
    "name": [None, 3, b"x"],
    "is_tied": [0, 1, "yes", None],
    "sizes": [1, [1, 2], (1, "2"), (True,), None],
}


def test_every_parameter_of_the_example_has_accepted_and_refused_values() -> None:
    names = [field.name for field in fields(Example)]
    assert list(values) == names
    assert [*REFUSED, "extra"] == names


@given(examples)
def test_any_values_within_the_ranges_are_stored_unchanged(example: Example) -> None:
    for name, value in example.params().items():
        assert getattr(example, name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [pytest.param(n, v, id=f"{n}-{i}") for n, refused in REFUSED.items() for i, v in enumerate(refused)],
)
def test_a_bad_value_is_refused_by_class_and_parameter_with_what_is_allowed(name: str, value: object) -> None:
    with pytest.raises(InvalidParameterError) as refusal:
        Example.from_params({name: value} if not isinstance(value, list) else {name: (value,)})
    message = str(refusal.value)
    assert message.startswith(f"Example: parameter '{name}' is ")
    assert "; expected " in message


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("count", 0, "is 0; expected a whole number, at least 1"),
        ("scale", float("inf"), "is inf; expected a finite number, at least 0"),
        ("density", 0.0, "is 0.0; expected a finite number, in (0, 1]"),
        ("share", 1, "is 1; expected a finite number, in [0, 1)"),
        ("limit", 0, "is 0; expected a whole number or None, at least 1"),
        ("rule", "mode", "is 'mode'; expected one of 'mean', 'median'"),
        ("name", 3, "is 3; expected text"),
        ("is_tied", 1, "is 1; expected true or false"),
        ("sizes", (1.5,), "is (1.5,); expected "),
    ],
)
def test_the_refusal_says_what_was_expected(name: str, value: object, expected: str) -> None:
    with pytest.raises(InvalidParameterError) as refusal:
        Example(**{name: value})  # type: ignore[arg-type]  # the wrong type is what is tested
    assert f"Example: parameter '{name}' {expected}" in str(refusal.value)


def test_the_refusal_is_a_value_error_and_one_of_ours() -> None:
    assert issubclass(InvalidParameterError, ValueError)
    assert issubclass(InvalidParameterError, CalculemusError)


def test_a_name_that_is_no_parameter_is_refused_with_the_names_that_are() -> None:
    with pytest.raises(InvalidParameterError, match="there is no parameter 'counts'; it has count, scale"):
        Example.from_params({"counts": 3})
    with pytest.raises(InvalidParameterError, match="it has no parameters"):
        Bare.from_params({"count": 3})


def test_a_parameter_without_default_that_is_not_given_is_named() -> None:
    with pytest.raises(InvalidParameterError, match=r"Required.*'count'"):
        Required.from_params({})


@given(examples)
def test_parameters_survive_json_pickle_deepcopy_and_repr(example: Example) -> None:
    assert Example.from_params(json.loads(json.dumps(example.params()))) == example
    assert pickle.loads(pickle.dumps(example)) == example
    assert copy.deepcopy(example) == example
    assert eval(repr(example), {"Example": Example}) == example


@given(examples)
def test_a_key_does_not_depend_on_the_order_of_the_parameters(example: Example) -> None:
    params = example.params()
    assert digest(dict(reversed(params.items()))) == digest(params)


@given(st.sampled_from(sorted(values)), st.data())
def test_parameters_share_a_key_exactly_when_they_are_equal(name: str, data: st.DataObject) -> None:
    one, other = (Example.from_params({name: data.draw(values[name])}) for _ in range(2))
    assert (digest(one.params()) == digest(other.params())) == (one == other)


@pytest.mark.parametrize(("whole", "real"), [(2, 2.0), (0, 0.0), (0, -0.0), (10**20, 1e20)])
def test_a_whole_number_given_for_a_real_one_has_the_same_key(whole: int, real: float) -> None:
    assert Example(scale=whole) == Example(scale=real)
    assert digest(Example(scale=whole).params()) == digest(Example(scale=real).params())
    assert digest(Weights((whole,)).params()) == digest(Weights((real,)).params())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values)
def test_canonical_json_reads_back_as_what_was_written(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value


def test_canonical_json_keeps_a_whole_number_a_real_one_and_a_truth_apart() -> None:
    assert len({canonical_json([value]) for value in (1, 1.0, True, "1")}) == 4


def test_canonical_json_has_one_spelling_and_keeps_other_alphabets() -> None:
    assert canonical_json({"b": [1, 2.5], "a": "größer"}) == '{"a":"größer","b":[1,2.5]}'


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_write_has_no_key(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        digest({"scale": value})


def test_a_key_is_32_hexadecimal_digits() -> None:
    key = digest({"count": 1})
    assert len(key) == 32
    assert int(key, 16) >= 0


@given(finite, finite, finite)
def test_a_range_allows_what_lies_between_its_ends(low: float, high: float, value: float) -> None:
    assert Between(low, high).allows(value) == (low <= value <= high)
    assert Between(low, high, open_left=True).allows(value) == (low < value <= high)
    assert Between(low, high, open_right=True).allows(value) == (low <= value < high)
    assert Between(low, high, open_left=True, open_right=True).allows(value) == (low < value < high)
    assert AtLeast(low).allows(value) == (value >= low)


@dataclass(frozen=True)
class Listed(Configured):
    """A parameter whose default is made afresh."""

    sizes: tuple[int, ...] = field(default_factory=tuple)


@dataclass(frozen=True)
class Weights(Configured):
    """Several real numbers."""

    weights: tuple[float, ...]


def test_a_list_read_from_json_becomes_the_tuple_that_was_written() -> None:
    assert Listed.from_params({"sizes": [3, 4]}) == Listed((3, 4))

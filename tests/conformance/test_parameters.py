"""Values to try parameters with: bad ones are bad, allowed ones allowed; and reprs are read, not run."""

from dataclasses import dataclass, field, make_dataclass
from typing import Annotated, Any, Literal

import pytest

from calculemus.conformance.parameters import bad_types, bad_values, edge_values, parameters_of
from calculemus.conformance.reprs import read_repr
from calculemus.errors import InvalidParameterError, NotConformingError
from calculemus.params import AtLeast, Between, Configured
from calculemus.solving.vote import Vote

ANNOTATIONS: dict[str, Any] = {
    "a whole number": int,
    "a real number": float,
    "text": str,
    "a switch": bool,
    "a choice": Literal["bfs", "dfs"],
    "a choice of numbers": Literal[4, 8],
    "from 1": Annotated[int, AtLeast(1)],
    "from 0, or none": Annotated[int | None, AtLeast(0)],
    "from -2": Annotated[float, AtLeast(-2)],
    "a share": Annotated[float, Between(0, 1)],
    "a share that is not 0": Annotated[float, Between(0, 1, open_left=True)],
    "a share that is not 1": Annotated[float, Between(0, 1, open_right=True)],
    "a few": Annotated[int, Between(2, 4)],
    "a number or text": int | str,
    "numbers": tuple[int, ...],
}
each_annotation = pytest.mark.parametrize("annotation", ANNOTATIONS.values(), ids=ANNOTATIONS)


def build(annotation: Any, value: Any) -> Configured:
    made = make_dataclass("Made", [("x", annotation, field())], bases=(Configured,), frozen=True)
    return made(value)


@each_annotation
def test_bad_values_and_types_are_refused(annotation: Any) -> None:
    bad = [*bad_types(annotation), *bad_values(annotation)]
    assert bad
    for value in bad:
        with pytest.raises(InvalidParameterError):
            build(annotation, value)


@each_annotation
def test_values_at_the_edges_are_allowed(annotation: Any) -> None:
    edges = edge_values(annotation)
    assert bool(edges) is (annotation != tuple[int, ...])
    assert [build(annotation, value).params()["x"] for value in edges] == edges


@pytest.mark.parametrize(
    ("annotation", "ends"),
    [
        (Annotated[int, AtLeast(1)], {1}),
        (Annotated[float, Between(0, 1)], {0.0, 1.0}),
        (Annotated[int, Between(2, 4)], {2, 4}),
        (Annotated[int | None, AtLeast(0)], {0, None}),
        (int, {-1, 0}),
        (Literal["bfs", "dfs"], {"bfs", "dfs"}),
        (bool, {True, False}),
    ],
)
def test_the_ends_of_a_range_are_among_the_edges(annotation: Any, ends: set[Any]) -> None:
    assert ends <= set(edge_values(annotation))


@pytest.mark.parametrize(
    ("constraint", "outside"),
    [
        (AtLeast(1), 0),
        (Between(0, 1, open_left=True), 0),
        (Between(0, 1, open_right=True), 1),
        (Between(0, 1), -1),
        (Between(0, 1), 2),
    ],
)
def test_a_bad_value_lies_just_outside_each_end(constraint: Any, outside: float) -> None:
    assert outside in bad_values(Annotated[float, constraint])


def test_a_parameter_that_may_be_anything_has_no_bad_value() -> None:
    assert (bad_types(Any), bad_values(Any)) == ([], [])


def test_parameters_are_the_fields_that_can_be_given() -> None:
    assert list(parameters_of(Vote)) == ["n", "temperature", "early_stop", "shots", "max_tokens"]


@dataclass(frozen=True)
class Outer(Configured):
    """Holds another one."""

    inner: Vote
    names: tuple[str, ...] = ("a", "b")


def test_a_repr_with_another_one_inside_reads_back() -> None:
    outer = Outer(Vote(n=5, temperature=0.25), ("it's",))
    assert read_repr(outer) == outer


class Shown:
    """Shows itself as it is told to."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


@pytest.mark.parametrize(
    "text",
    [
        "<Shown>",
        "Shown(",
        "Other(text='x')",
        "Shown('x')",
        "Shown(**{'text': 'x'})",
        "Shown(text=__import__('os'))",
        "Shown(text=[].append(1))",
        "Shown(other=1)",
        "Shown(text='x', more=1)",
    ],
)
def test_a_repr_that_does_not_read_back_is_named_and_never_run(text: str) -> None:
    with pytest.raises(NotConformingError, match=r"Shown: its repr is .* does not read back"):
        read_repr(Shown(text))

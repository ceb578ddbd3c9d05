"""The ruler: sums of many costs, and the FLOPs of a forward pass."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.cost import Cost, Meter, forward_flops

amounts = st.none() | st.integers(0, 10**12)
costs = st.builds(Cost, **{field.name: amounts for field in dataclasses.fields(Cost)})


@given(st.lists(costs, max_size=6))
def test_a_meter_gives_the_sum_of_what_was_added(parts: list[Cost]) -> None:
    meter = Meter()
    for part in parts:
        meter.add(part)
    assert meter.total == sum(parts, Cost.zero())


def counted_flops(parameters: int, n_layers: int, d_attention: int, places: range) -> int:
    """Count multiplications and additions one token, layer and key at a time."""
    flops = 0
    for place in places:
        flops += 2 * parameters
        for _ in range(n_layers):
            for _ in range(place):
                flops += 2 * d_attention  # a dot product of query and key
                flops += 2 * d_attention  # one value, weighed and added
    return flops


@given(st.integers(1, 1000), st.integers(0, 4), st.integers(1, 64), st.integers(0, 12), st.integers(0, 12))
def test_flops_are_those_of_every_token_at_its_place(
    parameters: int, n_layers: int, d_attention: int, tokens: int, cached: int
) -> None:
    expected = counted_flops(parameters, n_layers, d_attention, range(cached + 1, cached + tokens + 1))
    assert forward_flops(parameters, n_layers, d_attention, tokens, cached) == expected


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_a_prefix_computed_before_is_not_paid_for_again(first: int, second: int, cached: int) -> None:
    model = (1000, 3, 16)
    whole = forward_flops(*model, first + second, cached)
    assert whole == forward_flops(*model, first, cached) + forward_flops(*model, second, cached + first)


def test_without_attention_layers_flops_are_twice_the_parameters_a_token() -> None:
    assert forward_flops(7_000_000_000, 0, 0, 1000) == pytest.approx(1.4e13)

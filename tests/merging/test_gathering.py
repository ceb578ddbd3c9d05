"""First passes: magnitudes of a rank against sorting, sums of products against exact ones."""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from calculemus.merging.base import Part
from calculemus.merging.gathering import BLOCK, KthMagnitude, Products
from calculemus.rng import Rng

Array = NDArray[np.float32]


def collect(gathering: Any, inputs: Sequence[Array], base: Array, cuts: Sequence[int] = ()) -> Any:
    """Let something collect from arrays cut into runs, in as many passes as it wants."""
    n = len(base)
    for _ in range(4):
        for start, stop in pairwise(sorted({0, n, *cuts})):
            rows = [array[start:stop] for array in inputs]
            nothing = [{} for _ in inputs]
            rng = [Rng(0) for _ in inputs]
            gathering.take(Part("w", (n,), start, base[start:stop], rows, (1,) * len(rows), nothing, rng))
        if gathering.is_complete():
            return gathering
    raise AssertionError("it wants no end of passes")


def by_sorting(delta: Array, density: float) -> np.float32:
    rank = max(1, math.floor(density * len(delta)))
    return np.sort(np.abs(delta))[len(delta) - rank]


NUMBERS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-45, 3e38]),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@given(
    st.lists(NUMBERS, min_size=1, max_size=60),
    st.one_of(st.sampled_from([0.2, 0.5, 1.0]), st.floats(1e-6, 1)),
    st.lists(st.integers(0, 60), max_size=4),
)
def test_the_threshold_is_the_number_of_that_rank(
    numbers: list[float], density: float, cuts: list[int]
) -> None:
    array = np.array(numbers, np.float32)
    cuts = [cut for cut in cuts if cut < len(array)]
    found = collect(KthMagnitude(lambda *_: density), [array], np.zeros_like(array), cuts)
    assert found.thresholds == [by_sorting(array, density)]


@pytest.mark.parametrize("density", [1e-9, 0.01, 0.2, 0.35, 0.999, 1.0])
def test_the_threshold_is_the_number_of_that_rank_in_a_large_array(density: float) -> None:
    rng = np.random.default_rng(5)
    base = rng.normal(size=100_003).astype(np.float32)
    # As bfloat16 gives them: many ties.
    tuned = (base + 0.1 * rng.normal(size=len(base))).astype(np.float16).astype(np.float32)
    found = collect(KthMagnitude(lambda *_: density), [tuned, base], base, [7, 50_000, 50_001])
    delta = np.abs(tuned - base)
    rank = max(1, math.floor(density * len(delta)))
    assert found.thresholds == [np.partition(delta, len(delta) - rank)[len(delta) - rank], 0]
    assert np.count_nonzero(delta >= found.thresholds[0]) >= rank


def test_each_model_has_a_density_of_its_own() -> None:
    array = np.arange(100, dtype=np.float32)
    found = collect(KthMagnitude(lambda _, model: (0.1, 0.5)[model]), [array, -array], np.zeros_like(array))
    assert found.thresholds == [90, 50]


def test_an_empty_tensor_has_no_thresholds() -> None:
    found = collect(KthMagnitude(lambda *_: 0.5), [], np.zeros(0, np.float32))
    assert found.thresholds == []
    assert collect(Products(lambda part: part.inputs), [], np.zeros(0, np.float32)).sums.shape == (0, 0)


@pytest.mark.parametrize("n", [1, 8, 255, 256, 257, 1000, 5000])
def test_products_are_the_same_for_every_cut(n: int) -> None:
    rng = np.random.default_rng(n)
    arrays = list(rng.normal(size=(3, n)).astype(np.float32))
    whole = collect(Products(lambda part: part.inputs), arrays, arrays[0]).sums
    cuttings = [[n // 2], list(range(1, n, 97)), [1, n - 1], list(range(0, n, BLOCK)), [n // 3, n // 3 + 1]]
    for cuts in cuttings:
        cut = collect(Products(lambda part: part.inputs), arrays, arrays[0], [c for c in cuts if 0 < c < n])
        assert (cut.sums == whole).all()
    exact = [[math.fsum(a.astype(np.float64) * b) for a in arrays] for b in arrays]
    np.testing.assert_allclose(whole, exact, rtol=0, atol=1e-13 * n)


@given(st.lists(st.floats(-(2.0**60), 2.0**60, width=32), min_size=1, max_size=40), st.integers(1, 39))
def test_blocks_are_added_exactly(numbers: list[float], cut: int) -> None:
    # One number that is not zero in each block: then the sum has nothing that could be rounded but the end.
    array = np.zeros(len(numbers) * BLOCK, np.float32)
    array[::BLOCK] = numbers
    ones = np.ones_like(array)
    found = collect(
        Products(lambda part: part.inputs), [array, ones], array, [min(cut * 100, len(array) - 1)]
    )
    assert found.sums[0, 1] == float(sum(Fraction(float(x)) for x in array[::BLOCK]))
    assert found.sums[0, 1] == found.sums[1, 0]
    assert found.sums[1, 1] == len(array)


def test_the_sum_of_many_blocks_takes_no_more_memory_than_that_of_few() -> None:
    products = Products(lambda part: part.inputs)
    array = np.random.default_rng(0).normal(size=64 * BLOCK).astype(np.float32)
    for _ in range(50):
        products.take(Part("w", (1,), 0, array, [array], (1,), ({},), [Rng(0)]))
    held = [value for value in vars(products).values() if isinstance(value, dict)]
    assert (
        sum(terms.nbytes for table in held for terms in table.values() if isinstance(terms, np.ndarray))
        < 1000
    )

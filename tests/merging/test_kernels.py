"""Loops over numbers: each gives what the plain formula in numpy gives, bit for bit."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from calculemus.merging import fused, kernels
from calculemus.merging.base import Part
from calculemus.merging.consensus import disjoint_merge
from calculemus.merging.dare_linear import drop_and_rescale
from calculemus.merging.ties import trim
from calculemus.rng import Rng

Array = NDArray[np.float32]
SMALL = st.floats(-1000, 1000, width=32)
ROWS = st.integers(1, 5).flatmap(
    lambda n: arrays(np.float32, st.tuples(st.just(n + 1), st.integers(1, 40)), elements=SMALL)
)
WEIGHTS = st.lists(st.one_of(st.floats(-2, 2), st.sampled_from([0.0, 1.0, 1 / 3])), min_size=5, max_size=5)


def part_of(rows: Array, weights: list[float]) -> Part:
    base, *inputs = rows
    n = len(inputs)
    rng = [Rng(3, ("w", model)) for model in range(n)]
    return Part("w", base.shape, 0, base, inputs, tuple(weights[:n]), ({},) * n, rng)


def random_rows() -> Array:
    """Rows long enough for every way in which a loop may be unrolled, with zeros of both signs and ties."""
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 1, (4, 1003)).astype(np.float32)
    rows[1:, ::7] = rows[0, ::7]
    rows[2, ::5] = -rows[1, ::5]
    rows[:, ::11] = -0.0
    return rows


def is_same(found: Array, expected: Array) -> bool:
    return found.dtype == expected.dtype == np.float32 and found.tobytes() == expected.tobytes()


def plain_sum(vectors: list[Array], weights: list[float]) -> Array:
    total = vectors[0] * np.float32(weights[0])
    for vector, weight in zip(vectors[1:], weights[1:], strict=False):
        total = total + vector * np.float32(weight)
    return total


def check_sums(rows: Array, weights: list[float], scale: float) -> None:
    part = part_of(rows, weights)
    deltas = [row - rows[0] for row in rows[1:]]
    assert is_same(part.weighted(part.inputs), plain_sum(list(rows[1:]), weights))
    assert is_same(part.weighted_deltas(), plain_sum(deltas, weights))
    expected = rows[0] + plain_sum(deltas, weights) * np.float32(scale)
    assert is_same(part.on_base(part.weighted_deltas(), scale), expected)


@given(ROWS, WEIGHTS, st.floats(-3, 3))
def test_weighted_sums_are_the_plain_formula(rows: Array, weights: list[float], scale: float) -> None:
    check_sums(rows, weights, scale)


def test_weighted_sums_of_long_rows_are_the_plain_formula() -> None:
    check_sums(random_rows(), [0.3, -0.7, 1 / 3], 0.4)


def plain_mean(vectors: list[Array], weights: list[float]) -> Array:
    weighted = [v * np.float32(w) for v, w in zip(vectors, weights, strict=False)]
    elected = np.sign(plain_sum(vectors, weights))
    total, count = np.zeros_like(elected), np.zeros_like(elected)
    for vector, weight in zip(weighted, weights, strict=False):
        agrees = (np.sign(vector) == elected) & (vector != 0)
        total = total + np.where(agrees, vector, np.float32(0))
        count = count + np.where(agrees, np.float32(abs(weight)), np.float32(0))
    return np.divide(total, count, out=total, where=count > 0)


def check_mean(rows: Array, weights: list[float]) -> None:
    vectors = list(rows[1:])
    elected = plain_sum(vectors, weights)
    assert is_same(disjoint_merge(vectors, weights[: len(vectors)], elected), plain_mean(vectors, weights))


@given(ROWS, WEIGHTS)
def test_the_disjoint_mean_is_the_plain_formula(rows: Array, weights: list[float]) -> None:
    check_mean(rows, weights)


def test_the_disjoint_mean_of_long_rows_is_the_plain_formula() -> None:
    check_mean(random_rows(), [0.3, -0.7, 1 / 3])


def test_two_tiny_numbers_of_one_sign_agree() -> None:
    tiny = np.array([1e-45], np.float32)
    assert disjoint_merge([tiny, tiny], [1, 1], tiny + tiny).tolist() == tiny.tolist()


@given(arrays(np.float32, st.integers(0, 50), elements=SMALL), st.floats(0, 100, width=32))
def test_trimming_is_the_plain_formula(numbers: Array, limit: float) -> None:
    expected = np.where(np.abs(numbers) >= np.float32(limit), numbers, np.float32(0))
    assert is_same(trim(numbers.copy(), np.float32(limit)), expected)


@pytest.mark.parametrize("density", [0.1, 0.5, 1.0])
def test_dropping_is_the_plain_formula(density: float) -> None:
    part = part_of(random_rows(), [1.0] * 3)
    share = np.float32(density)
    for model, found in enumerate(drop_and_rescale(part, density)):
        delta = part.inputs[model] - part.base
        expected = np.where(part.uniforms(model) < share, delta / share, np.float32(0))
        assert is_same(found, expected)


def test_counting_task_vectors_is_counting_their_numbers() -> None:
    base, tuned = random_rows()[:2]
    bits = np.abs(tuned - base).view(np.uint32)
    counts = np.zeros(1 << 16, np.int64)
    kernels.count_high_deltas(base, tuned, counts)
    assert (counts == np.bincount(bits >> 16, minlength=1 << 16)).all()
    high = int(np.argmax(counts))
    low = np.zeros(1 << 16, np.int64)
    kernels.count_low_deltas(base, tuned, np.uint32(high), low)
    assert (low == np.bincount(bits[bits >> 16 == high] & 0xFFFF, minlength=1 << 16)).all()


KEY = np.uint64(0x9E3779B97F4A7C15)


def draw(start: int, n: int, key: np.uint64 = KEY) -> Array:
    out = np.empty(n, np.float32)
    kernels.draw_uniforms(key, start, out)
    return out


@given(st.lists(st.integers(0, 999), max_size=5), st.integers(0, 2**50))
def test_what_is_drawn_depends_on_the_place_alone(cuts: list[int], offset: int) -> None:
    whole = draw(offset, 1000)
    pieces = [draw(offset + a, b - a) for a, b in pairwise(sorted([0, 1000, *cuts]))]
    assert is_same(np.concatenate(pieces), whole)


def squares(key: int, place: int) -> float:
    """Squares in whole numbers, as the paper writes it."""
    mask = 2**64 - 1
    x = y = place * key & mask
    z = (y + key) & mask
    for add in (y, z, y):
        x = (x * x + add) & mask
        x = x >> 32 | x << 32 & mask
    return ((x * x + z & mask) >> 32 >> 8) / 2**24


@given(st.integers(0, 2**63).map(lambda n: 2 * n + 1).filter(lambda n: n < 2**64), st.integers(0, 2**40))
def test_draws_are_those_of_the_paper(key: int, place: int) -> None:
    assert draw(place, 1, np.uint64(key))[0] == squares(key, place)


def test_draws_are_uniform_and_independent() -> None:
    n = 400_000
    for seed in range(3):
        drawn = draw(0, n, np.uint64(Rng(seed, ("merge", "w")).key % 2**64 | 1)).astype(np.float64)
        assert 0 <= drawn.min() <= drawn.max() < 1
        assert scipy.stats.kstest(drawn, "uniform").pvalue > 1e-4
        for lag in (1, 2, 64, 1024):
            assert abs(np.corrcoef(drawn[lag:], drawn[:-lag])[0, 1]) < 4.5 / np.sqrt(n)
    # Across keys too, at one place: what a number of a tensor meets over the seeds.
    keys = [np.uint64(Rng(seed, ("merge", "w")).key % 2**64 | 1) for seed in range(5000)]
    first = np.array([draw(0, 2, key) for key in keys], np.float64)
    assert scipy.stats.kstest(first[:, 0], "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(first.T)[0, 1]) < 4.5 / np.sqrt(len(keys))


def test_numbers_where_nothing_agrees_stay() -> None:
    total = np.array([3, 4, 5], np.float32)
    fused.divide_where_positive(total, np.array([2, 0, -1], np.float32))
    assert total.tolist() == [1.5, 4, 5]

"""Numbers from bytes and back, against torch: every pattern of 16 bits, and wherever rounding turns."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from calculemus.checkpoint.bits import from_float32, to_float32
from calculemus.checkpoint.dtypes import DTYPES
from calculemus.merging.buffers import narrow_into, widen_into

TORCH = {"BF16": torch.bfloat16, "F16": torch.float16, "F64": torch.float64, "F32": torch.float32}
PATTERNS = np.arange(1 << 16, dtype=np.uint16)


def near_midpoints(dtype: str) -> NDArray[np.float32]:
    """All numbers of the dtype, the midpoints between neighbours, and the float32 on either side of both."""
    finite = to_float32(PATTERNS.tobytes(), DTYPES[dtype])
    finite = np.unique(finite[np.isfinite(finite)])
    between = ((finite[1:].astype(np.float64) + finite[:-1]) / 2).astype(np.float32)
    most = np.float32(finite[-1])
    beyond = np.array([most, np.float64(most) * (1 + 2**-13), 3.4e38, 3.4028235e38], np.float32)
    exact = np.concatenate([finite, between, beyond, -beyond, np.array([0, -0.0], np.float32)])
    with np.errstate(over="ignore"):
        up, down = np.nextafter(exact, np.float32(np.inf)), np.nextafter(exact, np.float32(-np.inf))
    found = np.concatenate([exact, up, down])
    return found[np.isfinite(found)]


def by_torch(values: NDArray[np.float32], dtype: str) -> bytes:
    rounded = torch.from_numpy(values.copy()).to(TORCH[dtype])
    return rounded.view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("dtype", ["BF16", "F16"])
def test_every_pattern_up_is_what_torch_gives(dtype: str) -> None:
    expected = torch.from_numpy(PATTERNS.copy()).view(TORCH[dtype]).float().numpy()
    found = to_float32(PATTERNS.tobytes(), DTYPES[dtype])
    np.testing.assert_array_equal(found, expected)
    assert (np.signbit(found) == np.signbit(expected)).all()
    loop = np.empty(len(PATTERNS), np.float32)
    assert not widen_into(PATTERNS.view(np.uint8), DTYPES[dtype], loop)
    assert (loop.view(np.uint32) == found.view(np.uint32)).all()


@pytest.mark.parametrize("dtype", ["BF16", "F16"])
def test_every_pattern_comes_back(dtype: str) -> None:
    up = to_float32(PATTERNS.tobytes(), DTYPES[dtype])
    back = np.frombuffer(from_float32(up, DTYPES[dtype]), np.uint16)
    numbers = ~np.isnan(up)
    assert (back[numbers] == PATTERNS[numbers]).all()
    assert np.isnan(to_float32(back[~numbers].tobytes(), DTYPES[dtype])).all()


@pytest.mark.parametrize("dtype", ["BF16", "F16"])
def test_rounding_at_every_midpoint_is_what_torch_does(dtype: str) -> None:
    values = near_midpoints(dtype)
    expected = by_torch(values, dtype)
    assert from_float32(values, DTYPES[dtype]) == expected
    raw = np.empty(2 * len(values), np.uint8)
    assert not narrow_into(values, DTYPES[dtype], raw)  # some are rounded to infinity
    assert raw.tobytes() == expected


@given(
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=50), st.sampled_from(sorted(TORCH))
)
def test_any_numbers_are_rounded_as_torch_does(values: list[float], dtype: str) -> None:
    array = np.array(values, np.float32)
    assert from_float32(array, DTYPES[dtype]) == by_torch(array, dtype)
    raw = np.empty(len(array) * DTYPES[dtype].n_bytes, np.uint8)
    is_finite = narrow_into(array, DTYPES[dtype], raw)
    assert raw.tobytes() == by_torch(array, dtype)
    back: Any = torch.from_numpy(raw).view(TORCH[dtype])
    assert is_finite == bool(torch.isfinite(back).all())


@pytest.mark.parametrize("dtype", sorted(TORCH))
def test_a_number_that_is_none_is_noticed_wherever_it_is(dtype: str) -> None:
    for place in (0, 31, 99):
        for odd in (np.nan, np.inf, -np.inf):
            values = np.ones(100, np.float32)
            assert narrow_into(values, DTYPES[dtype], raw := np.empty(100 * DTYPES[dtype].n_bytes, np.uint8))
            assert widen_into(raw, DTYPES[dtype], np.empty(100, np.float32))
            values[place] = odd
            assert not narrow_into(values, DTYPES[dtype], raw)
            assert not widen_into(raw, DTYPES[dtype], np.empty(100, np.float32))


def test_a_float64_beyond_float32_is_noticed() -> None:
    raw = np.array([1.0, 1e300]).view(np.uint8)
    assert not widen_into(raw, DTYPES["F64"], np.empty(2, np.float32))

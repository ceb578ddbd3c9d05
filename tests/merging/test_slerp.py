"""Along the arc."""

from typing import Any

import numpy as np
import pytest
from scipy.spatial import geometric_slerp

from calculemus.errors import InvalidParameterError
from calculemus.merging.slerp import Slerp, arc_factors


def reference(a: Any, b: Any, t: float) -> Any:
    """mergekit's formula, in float64."""
    first, second = a.astype(np.float64), b.astype(np.float64)
    cosine = np.vdot(first / np.linalg.norm(first), second / np.linalg.norm(second))
    if abs(cosine) > 0.9995:
        return (1 - t) * first + t * second
    angle = np.arccos(cosine)
    return (np.sin((1 - t) * angle) * first + np.sin(t * angle) * second) / np.sin(angle)


@pytest.mark.parametrize("t", [0.0, 0.1, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("likeness", [-0.9, 0.0, 0.5, 0.999, 50.0])
def test_it_is_mergekits_formula(t: float, likeness: float, apply: Any, arrays: Any) -> None:
    a, noise = arrays(2)
    b = (likeness * a + (noise if likeness < 50 else 0 * noise)).astype(np.float32)
    scale = np.float32(1 / max(1, abs(b).max()))
    merged = apply(Slerp(t=t), [b * scale], a)
    np.testing.assert_allclose(merged, reference(a, b * scale, t), atol=1e-6)


def test_of_unit_vectors_it_is_scipys(apply: Any, arrays: Any) -> None:
    a, b = (x / np.linalg.norm(x) for x in np.array(arrays(2, (40,)), np.float64))
    np.testing.assert_allclose(apply(Slerp(t=0.3), [b], a), geometric_slerp(a, b, 0.3), atol=1e-6)


@pytest.mark.parametrize("end", [0, 1])
def test_the_ends_are_the_models_bit_for_bit(end: int, family: Any, merge_files: Any) -> None:
    ends = family.base, family.tuned[0]
    merged = merge_files(Slerp(t=float(end)), [family.tuned[0]], family.base)
    assert all(merged.read_bytes(name) == ends[end].read_bytes(name) for name in merged)


def test_a_vector_of_zeros_is_joined_by_a_line(apply: Any, arrays: Any) -> None:
    (a,) = arrays(1)
    np.testing.assert_allclose(apply(Slerp(t=0.25), [0 * a], a), 0.75 * a, rtol=1e-6)


def test_opposite_vectors_are_joined_by_a_line() -> None:
    assert arc_factors(1.0, -1.0, 1.0, 0.25) == (0.75, 0.25)


def test_t_may_differ_by_tensor(family: Any, merge_files: Any) -> None:
    def values(name: str, model: int) -> dict[str, float]:
        del model
        return {"t": 1.0 if "layers.1." in name else 0.0}

    merged = merge_files(Slerp(), family.tuned[:1], family.base, values=values)
    for name in merged:
        end = family.tuned[0] if "layers.1." in name else family.base
        assert merged.read_bytes(name) == end.read_bytes(name)


def test_it_joins_two_and_no_more(family: Any, merge_files: Any) -> None:
    with pytest.raises(InvalidParameterError, match="2 models; expected 1"):
        merge_files(Slerp(), family.tuned[:2], family.base)

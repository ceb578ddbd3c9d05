"""Dropping at random, then electing signs."""

from typing import Any

import numpy as np
import pytest

from calculemus.merging.dare_linear import DareLinear
from calculemus.merging.dare_ties import DareTies
from calculemus.merging.ties import Ties


def test_without_dropping_it_is_ties_without_trimming_bit_for_bit(apply: Any, arrays: Any) -> None:
    base, *inputs = arrays(4)
    weights = [0.5, 2.0, 1.5]
    merged = apply(DareTies(density=1.0, scale=0.7), inputs, base, weights=weights)
    assert merged.tobytes() == apply(Ties(density=1.0, scale=0.7), inputs, base, weights=weights).tobytes()


def test_of_one_model_it_is_what_the_linear_one_makes_of_it(apply: Any, arrays: Any) -> None:
    base, tuned = arrays(2)
    merged = apply(DareTies(scale=0.7), [tuned], base, seed=3)
    assert merged.tobytes() == apply(DareLinear(scale=0.7), [tuned], base, seed=3).tobytes()


@pytest.mark.parametrize("normalize", [True, False])
def test_it_elects_and_merges_what_was_kept(normalize: bool, apply: Any, arrays: Any) -> None:
    base, *inputs = arrays(4)
    weights = [0.5, 2.0, 1.5]
    # Each model merged alone, with a weight and a scale of 1, shows what was kept of it.
    kept = []
    for model in range(3):
        alone = [x if i == model else base for i, x in enumerate(inputs)]
        kept.append(apply(DareLinear(density=0.4, scale=1.0), alone, base).astype(np.float64) - base)
    deltas = np.stack(kept) * np.reshape(weights, (3, 1, 1))
    agrees = np.sign(deltas) == np.sign(deltas.sum(axis=0))
    expected = np.where(agrees, deltas, 0).sum(axis=0)
    if normalize:
        expected /= np.maximum((np.reshape(weights, (3, 1, 1)) * (agrees & (deltas != 0))).sum(axis=0), 1e-9)
    merged = apply(DareTies(density=0.4, normalize=normalize), inputs, base, weights=weights)
    np.testing.assert_allclose(merged, base + expected, atol=5e-6)

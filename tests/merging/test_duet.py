"""DuET: shares of old and new, joined heads, the loss term and the index."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.events import listening
from calculemus.merging.duet import Duet, plan_duet
from calculemus.merging.duet_learning import (
    DirectionalConsistency,
    directional_consistency,
    join_labels,
    retention,
    sign_conflicts,
)
from calculemus.merging.executor import Executor
from calculemus.tuning.weights import write_weights


def shares(merged: Any, base: Any, old: Any, new: Any) -> Any:
    """Solve for the factors of both task vectors."""
    vectors = np.stack([(old - base).ravel(), (new - base).ravel()], axis=1).astype(np.float64)
    return np.linalg.lstsq(vectors, (merged - base).ravel().astype(np.float64), rcond=None)[0]


def test_task_vectors_of_one_length_share_as_the_base_coefficient_says(apply: Any, arrays: Any) -> None:
    base, one, other = arrays(3)
    old, new = base + one, base + other * np.linalg.norm(one) / np.linalg.norm(other)
    found = shares(apply(Duet(alpha_base=0.6), [old, new], base), base, old, new)
    np.testing.assert_allclose(found, [0.6, 0.4], atol=1e-5)


def test_without_a_new_task_vector_the_old_one_gets_all_of_the_range(apply: Any, arrays: Any) -> None:
    base, one = arrays(2)
    merged = apply(Duet(), [base + one, base], base)
    np.testing.assert_allclose(merged, base + (0.5 + 0.2 * np.tanh(1)) * one, atol=1e-5)


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 1), st.floats(0, 1))
def test_the_share_stays_in_its_range_and_follows_the_formula(
    old: float, new: float, cosine: float, gamma: float
) -> None:
    together = float(np.sqrt(old**2 + new**2 + 2 * cosine * old * new))
    share = Duet(gamma=gamma).share(old, new, together)
    expected = 0.5 + np.clip(gamma * np.tanh((old - new) / (together + 1e-8)), -gamma, gamma)
    assert share == pytest.approx(expected, abs=1e-12)
    assert 0.5 - gamma <= share <= 0.5 + gamma


def test_vectors_that_cancel_have_a_share_even_without_an_epsilon() -> None:
    assert Duet(epsilon=0.0).share(2.0, 2.0, 0.0) == 0.5
    assert Duet(epsilon=0.0).share(2.0, 1.0, 0.0) == pytest.approx(0.7)


def test_the_longer_vector_has_the_larger_share_and_both_sum_to_one(apply: Any, arrays: Any) -> None:
    base, one, other = arrays(3)
    old, new = base + one, base + 3 * other
    alpha, beta = shares(apply(Duet(), [old, new], base), base, old, new)
    assert alpha + beta == pytest.approx(1, abs=1e-5)
    assert alpha < 0.45


def test_it_matters_which_model_is_the_old_one(apply: Any, arrays: Any) -> None:
    base, one, other = arrays(3)
    method = Duet(alpha_base=0.8)
    assert (apply(method, [one, other], base) != apply(method, [other, one], base)).mean() > 0.9


def _model(folder: Path, seed: int, rows: int) -> Checkpoint:
    draws = np.random.default_rng(seed)
    shapes = {"backbone.weight": (6, 5), "head.weight": (rows, 5), "head.bias": (rows,)}
    return write_weights(
        {n: torch.from_numpy(draws.normal(size=s)).float() for n, s in shapes.items()}, folder
    )


def test_heads_are_joined_row_by_row_and_the_rest_is_merged(tmp_path: Path) -> None:
    base, old, new = (_model(tmp_path / f"{n}", n, rows) for n, rows in enumerate((2, 4, 3)))
    Executor().merge(plan_duet(Duet(heads=r"^head\."), old, new, base), tmp_path / "merged")
    merged = Checkpoint.open(tmp_path / "merged")
    for name in ("head.weight", "head.bias"):
        joined = np.concatenate([old.read(name), new.read(name)])
        assert merged.read(name).tobytes() == joined.tobytes()
    name = "backbone.weight"
    found = shares(merged.read(name), base.read(name), old.read(name), new.read(name))
    assert sum(found) == pytest.approx(1, abs=1e-5)
    assert np.abs(merged.read(name) - old.read(name)).max() > 0.1


@pytest.mark.parametrize("pattern", ["", "nothing", "."])
def test_heads_that_a_pattern_does_not_tell_apart_are_refused(tmp_path: Path, pattern: str) -> None:
    base, old, new = (_model(tmp_path / f"{n}", n, 2) for n in range(3))
    with pytest.raises(InvalidParameterError, match="pattern of heads"):
        plan_duet(Duet(heads=pattern), old, new, base)


def test_heads_of_other_widths_are_refused(tmp_path: Path) -> None:
    base, old = (_model(tmp_path / f"{n}", n, 2) for n in range(2))
    weights = {name: torch.from_numpy(old.read(name)) for name in old}
    new = write_weights({**weights, "head.weight": torch.zeros(3, 9)}, tmp_path / "new")
    with pytest.raises(CheckpointMismatchError, match=r"joining the head 'head\.weight'"):
        plan_duet(Duet(heads="head"), old, new, base)


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="regular expression"):
        Duet(heads="(")


def test_labels_of_joined_heads_must_differ() -> None:
    assert join_labels((3, 1), (0,)) == (3, 1, 0)
    with pytest.raises(InvalidParameterError, match="label 1"):
        join_labels((3, 1), (1, 2))


def _updates(seed: int, scale: float) -> list[dict[str, torch.Tensor]]:
    """Three models; the second update is the first one times a factor."""
    draws = np.random.default_rng(seed)
    first, step = (torch.from_numpy(draws.normal(size=(4, 3))) for _ in range(2))
    return [{"w": first}, {"w": first + step}, {"w": first + (1 + scale) * step}]


def test_an_update_along_the_last_one_costs_nothing() -> None:
    before, previous, now = _updates(0, 0.7)
    assert float(directional_consistency(now, previous, before)) == 0
    assert sign_conflicts(now, previous, before) == 0


def test_an_update_against_the_last_one_costs_its_product_with_it() -> None:
    before, previous, now = _updates(0, -0.7)
    step = previous["w"] - before["w"]
    assert float(directional_consistency(now, previous, before)) == pytest.approx(
        float(0.7 * (step**2).sum())
    )
    assert sign_conflicts(now, previous, before) == 1


def test_the_gradient_of_the_term_is_that_of_finite_differences() -> None:
    model = nn.Linear(3, 4, bias=False).double()
    draws = np.random.default_rng(1)
    models = [{"weight": torch.from_numpy(draws.normal(size=(4, 3)))} for _ in range(2)]
    term = DirectionalConsistency(models, weight=0.3)

    def value(weight: torch.Tensor) -> torch.Tensor:
        return 0.3 * directional_consistency({"weight": weight}, models[1], models[0])

    found = term(model)
    assert isinstance(found, torch.Tensor)
    found.backward()
    weight = model.weight.detach()
    for place in np.ndindex(4, 3):
        moved = torch.zeros(4, 3, dtype=torch.float64)
        moved[place] = 1e-6
        slope = (value(weight + moved) - value(weight - moved)) / 2e-6
        assert model.weight.grad is not None
        assert float(model.weight.grad[place]) == pytest.approx(float(slope), abs=1e-6)


def test_a_term_without_an_earlier_update_is_nothing_and_says_so() -> None:
    heard: list[Any] = []
    model = nn.Linear(2, 2)
    with listening(heard.append):
        term = DirectionalConsistency([{"weight": torch.zeros(2, 2)}])
    assert term(model) == 0
    assert "no effect" in heard[0].message


def test_the_index_is_the_mean_of_what_is_kept_and_what_is_carried_over() -> None:
    final = {"a/plain": 0.6, "b/noisy": 0.8, "a/noisy": 0.3, "b/plain": 0.1}
    found = retention(final, {"a/plain": 0.8, "b/noisy": 0.8}, {"a/noisy": 0.6, "b/plain": 0.5})
    assert found.retention == pytest.approx((0.75 + 1) / 2)
    assert found.generalisation == pytest.approx((0.5 + 0.2) / 2)
    assert found.index == pytest.approx((0.875 + 0.35) / 2)


@pytest.mark.parametrize(
    ("learned", "reference"),
    [
        ({}, {"a": 1.0, "b": 1.0}),
        ({"a": 1.0}, {"a": 1.0, "b": 1.0}),
        ({"a": 0.0}, {"b": 1.0}),
        ({"a": 1.0}, {}),
    ],
)
def test_pairs_that_cannot_be_rated_are_refused(learned: Any, reference: Any) -> None:
    with pytest.raises(InvalidParameterError, match="retention"):
        retention({"a": 0.5, "b": 0.5}, learned, reference)

"""How unsure a model is, and batches that say nothing."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from calculemus.errors import InvalidParameterError
from calculemus.rng import Rng
from calculemus.tuning.entropy import Uncertainty, entropy


@dataclass(frozen=True)
class Fixed:
    """A task whose inputs are its logits, the same ones each time."""

    name: str
    given: Tensor

    def batch(self, n: int, rng: Rng) -> Tensor:
        return self.given

    def logits(self, call: object, batch: Tensor) -> Tensor:
        return batch

    def outcomes(self, model: nn.Module, split: str) -> dict[str, float]:
        raise AssertionError("entropy needs no labels")


MIXED = torch.tensor([[2.0, 0.0, -1.0], [0.0, 3.0, 0.0], [0.5, 0.5, 0.4]])
ONE_CLASS = torch.tensor([[2.0, 0.0, -1.0], [1.0, 0.0, 0.0]])


def nothing(*_: object) -> Tensor:
    raise AssertionError("no model is called")


def test_entropy_is_scipys() -> None:
    expected = stats.entropy(np.exp(MIXED.numpy()), axis=1)
    np.testing.assert_allclose(entropy(MIXED).numpy(), expected, rtol=1e-6)


def test_entropy_is_finite_where_a_model_is_certain() -> None:
    logits = torch.tensor([[1e4, 0.0]], requires_grad=True)
    entropy(logits).sum().backward()
    assert torch.isfinite(logits.grad).all()  # type: ignore[arg-type]  # it was just given one


def test_the_loss_is_the_sum_over_tasks_of_means_over_rows() -> None:
    tasks = [Fixed("a", MIXED), Fixed("b", 2 * MIXED)]
    loss = Uncertainty(tasks, 3, 2).draw(Rng(0))(nothing)
    assert float(loss) == pytest.approx(float(entropy(MIXED).mean() + entropy(2 * MIXED).mean()))


def test_a_batch_of_one_predicted_class_is_left_out_and_counted() -> None:
    uncertainty = Uncertainty([Fixed("a", MIXED), Fixed("b", ONE_CLASS)], 3, 2)
    loss = uncertainty.draw(Rng(0))(nothing)
    assert float(loss) == pytest.approx(float(entropy(MIXED).mean()))
    assert (uncertainty.n_batches, uncertainty.n_collapsed) == (2, 1)
    uncertainty.check("learning")


def test_where_every_batch_has_one_class_there_is_nothing_to_learn_from() -> None:
    uncertainty = Uncertainty([Fixed("b", ONE_CLASS)], 2, 2)
    uncertainty.draw(Rng(0))(nothing)
    with pytest.raises(InvalidParameterError, match="learning: in all 1 batches fewer than 2 classes"):
        uncertainty.check("learning")


def test_without_a_guard_one_class_counts() -> None:
    uncertainty = Uncertainty([Fixed("b", ONE_CLASS)], 2, 1)
    assert float(uncertainty.draw(Rng(0))(nothing)) == pytest.approx(float(entropy(ONE_CLASS).mean()))
    uncertainty.check("learning")

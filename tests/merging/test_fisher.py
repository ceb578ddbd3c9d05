"""Fisher information, and the mean that it weighs."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from calculemus.errors import InvalidParameterError
from calculemus.merging.base import Part
from calculemus.merging.calibration import Calibrated, Trial
from calculemus.merging.fisher import Fisher, diagonal_fisher, drawn_labels
from calculemus.merging.fisher_mean import FisherMean
from calculemus.merging.in_memory import merge_in_memory
from calculemus.rng import Rng
from calculemus.tiny.guessing import GuessFamily, guess_family
from calculemus.tuning.blending import Blend


@pytest.fixture(scope="module")
def guesses(tmp_path_factory: pytest.TempPathFactory) -> GuessFamily:
    return guess_family(tmp_path_factory.mktemp("guesses"))


@pytest.fixture
def trial(guesses: GuessFamily) -> Trial:
    return Trial(guesses.model(), guesses.base, guesses.experts, guesses.tasks)


def part_of(inputs: Any, weights: Any, extras: Any) -> Part:
    inputs = [np.asarray(x, np.float32) for x in inputs]
    extras = [None if e is None else np.asarray(e, np.float32) for e in extras]
    n = len(inputs)
    return Part(
        "w", inputs[0].shape, 0, np.empty(0, np.float32), inputs, weights, [{}] * n, [Rng(0)] * n, extras
    )


class OneLogit:
    """Two classes whose log-odds are the model's output: a task of logistic regression."""

    name = "odds"

    def __init__(self, given: torch.Tensor) -> None:
        self.given = given

    def batch(self, n: int, rng: Rng) -> torch.Tensor:
        return self.given

    def logits(self, call: Any, batch: torch.Tensor) -> torch.Tensor:
        odds = call(batch)
        return torch.cat([torch.zeros_like(odds), odds], dim=1)

    def outcomes(self, model: nn.Module, split: Any) -> dict[str, float]:
        raise AssertionError("Fisher information needs no labels")


def test_the_information_of_logistic_regression_is_what_the_formula_says() -> None:
    # F = p (1 - p) x^2, of one input x and p = sigmoid(w x).
    model, x, w = nn.Linear(1, 1, bias=False), 1.5, 0.8
    weights = {"weight": torch.tensor([[w]])}
    n = 1200
    found = diagonal_fisher(
        Blend(model, weights, [weights]), weights, OneLogit(torch.tensor([[x]])), n, Rng(0)
    )
    p = 1 / (1 + np.exp(-w * x))
    # The square of the gradient is (1-p)^2 x^2 with chance p, and p^2 x^2 otherwise.
    expected, square = p * (1 - p) * x**2, (p * (1 - p) ** 4 + (1 - p) * p**4) * x**4
    error = np.sqrt((square - expected**2) / n)
    assert float(found["weight"]) == pytest.approx(expected, abs=4 * error)


def test_labels_are_drawn_by_their_chances_and_never_outside() -> None:
    chances = torch.tensor([0.1, 0.0, 0.6, 0.3])
    drawn = drawn_labels(chances.log().repeat(5_000, 1), Rng(0))
    found = torch.bincount(drawn, minlength=4) / 5_000
    assert found[1] == 0
    torch.testing.assert_close(found, chances, atol=0.03, rtol=0)


def test_labels_are_the_same_for_the_same_path() -> None:
    logprobs = torch.log_softmax(torch.arange(50.0).view(10, 5), dim=1)
    same = torch.equal(drawn_labels(logprobs, Rng(0)), drawn_labels(logprobs, Rng(0)))
    assert same
    even = torch.zeros(64, 5).log_softmax(dim=1)
    assert not torch.equal(drawn_labels(even, Rng(0)), drawn_labels(even, Rng(1)))


def test_the_mean_is_the_papers_formula() -> None:
    draws = Rng(0).generator()
    inputs, fishers = draws.normal(size=(3, 20)), draws.exponential(size=(3, 20))
    weights = [0.5, 1.0, 2.0]
    shares = np.reshape(weights, (3, 1)) * fishers
    expected = (shares * inputs).sum(axis=0) / shares.sum(axis=0)
    found = FisherMean().merge(part_of(inputs, weights, fishers), None)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_numbers_that_no_model_is_sure_of_are_averaged() -> None:
    found = FisherMean().merge(part_of([[1.0, 2.0], [3.0, 6.0]], [1.0, 1.0], [[0.0, 0.0]] * 2), None)
    assert found.tolist() == [2.0, 4.0]


def test_tensors_without_information_are_averaged() -> None:
    found = FisherMean().merge(part_of([[1.0], [3.0]], [1.0, 3.0], [None, None]), None)
    assert found.tolist() == [2.5]


def test_each_model_meets_its_own_information_whatever_its_fingerprint(
    guesses: GuessFamily, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for turn in (1, -1):
        folder = tmp_path_factory.mktemp("found")
        models = guesses.experts[::turn]
        sure = {n: torch.ones(e.shape) for n, e in guesses.base.entries.items()}
        unsure = {n: torch.zeros(e.shape) for n, e in guesses.base.entries.items()}
        found = Calibrated(FisherMean(), extras=[sure, unsure, unsure])
        found.save(folder)
        merged = merge_in_memory(found.plan(models, guesses.base, folder))
        for name, numbers in merged.items():
            np.testing.assert_allclose(numbers, models[0].read(name), atol=1e-5)


def test_equal_information_gives_the_mean(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("found")
    found = Fisher(n_inputs=4, floor=1.0).calibrate(trial)  # a floor above all of it
    found.save(folder)
    merged = merge_in_memory(found.plan(trial.models, trial.base, folder))
    for name, numbers in merged.items():
        expected = np.mean([model.read(name) for model in trial.models], axis=0)
        np.testing.assert_allclose(numbers, expected, atol=1e-6)


def test_information_has_the_norm_one_unless_it_is_left_as_it_is(trial: Trial) -> None:
    def norm(found: Calibrated, model: int) -> float:
        return float(sum(values.square().sum() for values in found.extras[model].values())) ** 0.5

    normalized = Fisher(n_inputs=4).calibrate(trial)
    plain = Fisher(n_inputs=4, normalize=False).calibrate(trial)
    for model in range(3):
        assert norm(normalized, model) == pytest.approx(1, rel=1e-5)
        assert norm(plain, model) != pytest.approx(1, rel=0.01)


def test_models_without_a_task_each_are_refused(guesses: GuessFamily) -> None:
    with pytest.raises(InvalidParameterError, match="Fisher information: there are 3 models and 1 tasks"):
        Fisher().calibrate(Trial(guesses.model(), guesses.base, guesses.experts, guesses.tasks[:1]))

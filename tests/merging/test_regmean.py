"""Linear layers merged by least squares on their own inputs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from threadpoolctl import threadpool_limits
from torch import nn

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.merging.base import Part
from calculemus.merging.calibration import Calibrated, Trial
from calculemus.merging.gram_mean import RIDGE, GramMean, shrunk
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.plan import plan_merge
from calculemus.merging.regmean import RegMean, linear_layers, watching
from calculemus.rng import Rng
from calculemus.tiny.guessing import GuessFamily, guess_family
from calculemus.tuning.weights import carrying


@pytest.fixture(scope="module")
def guesses(tmp_path_factory: pytest.TempPathFactory) -> GuessFamily:
    return guess_family(tmp_path_factory.mktemp("guesses"))


@pytest.fixture
def trial(guesses: GuessFamily) -> Trial:
    return Trial(guesses.model(), guesses.base, guesses.experts, guesses.tasks)


def merge_layers(layers: Any, grams: Any, weights: Any = None, shrink: float = 1.0) -> Any:
    inputs = [np.asarray(layer, np.float32).ravel() for layer in layers]
    n = len(inputs)
    extras = [None if g is None else np.asarray(g, np.float32).ravel() for g in grams]
    part = Part(
        "w",
        np.shape(layers[0]),
        0,
        np.empty(0, np.float32),
        inputs,
        weights or [1.0] * n,
        [{}] * n,
        [Rng(0)] * n,
        extras,
    )
    return GramMean(shrink).merge(part, None).reshape(np.shape(layers[0]))


def merged(found: Calibrated, trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("found")
    found.save(folder)
    return merge_in_memory(found.plan(trial.models, trial.base, folder))


def draw(*shape: int, seed: int = 0) -> Any:
    return Rng(seed).generator().normal(size=shape)


def test_layers_are_the_least_squares_solution_of_all_inputs_together() -> None:
    inputs, layers = draw(2, 30, 4), draw(2, 3, 4, seed=1)
    wanted = np.concatenate([x @ layer.T for x, layer in zip(inputs, layers, strict=True)])
    expected = np.linalg.lstsq(np.concatenate(inputs), wanted)[0].T
    found = merge_layers(layers, [x.T @ x for x in inputs])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_equal_inputs_in_all_directions_give_the_mean() -> None:
    layers = draw(3, 5, 4)
    for shrink in (0.0, 0.9, 1.0):
        found = merge_layers(layers, [np.eye(4)] * 3, shrink=shrink)
        np.testing.assert_allclose(found, layers.mean(axis=0), atol=1e-6)


def test_weights_multiply_the_gram_matrices() -> None:
    layers = draw(2, 5, 4)
    found = merge_layers(layers, [np.eye(4)] * 2, weights=[1.0, 3.0])
    np.testing.assert_allclose(found, 0.25 * layers[0] + 0.75 * layers[1], atol=1e-5)


def test_a_direction_that_only_one_model_sees_is_that_models() -> None:
    layers = draw(2, 3, 2)
    found = merge_layers(layers, [np.diag([1.0, 0.0]), np.diag([0.0, 1.0])])
    np.testing.assert_allclose(found[:, 0], layers[0][:, 0], atol=1e-4)
    np.testing.assert_allclose(found[:, 1], layers[1][:, 1], atol=1e-4)


def test_where_no_input_ever_reaches_the_mean_stays() -> None:
    layers = draw(2, 3, 2)
    for gram in (np.zeros((2, 2)), np.diag([1.0, 0.0])):
        found = merge_layers(layers, [gram, gram])
        np.testing.assert_allclose(found, layers.mean(axis=0), atol=1e-5)


def test_shrinking_makes_what_is_off_the_diagonal_smaller() -> None:
    gram = np.array([[2.0, 1.0], [1.0, 4.0]])
    expected = [[2.0 + 3 * RIDGE, 0.9], [0.9, 4.0 + 3 * RIDGE]]
    np.testing.assert_allclose(shrunk(gram, 0.9), expected)


def test_tensors_without_a_gram_matrix_are_averaged() -> None:
    found = merge_layers([[1.0, 2.0], [3.0, 6.0]], [None, None], weights=[1.0, 3.0])
    assert found.tolist() == [2.5, 5.0]


def test_a_gram_matrix_of_another_layer_is_refused() -> None:
    with pytest.raises(CheckpointMismatchError, match="takes 4 inputs, and the Gram matrix has 9 numbers"):
        merge_layers(draw(2, 3, 4), [np.eye(3)] * 2)


def test_gram_matrices_are_those_of_the_inputs_that_the_layer_gets(trial: Trial) -> None:
    found = RegMean(n_inputs=5).calibrate(trial)
    assert set(found.extras[0]) == set(linear_layers(trial.model))
    task, rng = trial.tasks[1], trial.rng.child("regmean", "guess-1")
    images = torch.cat([task.batch(1, rng.child(i)) for i in range(5)])
    with carrying(trial.model, trial.tuned_weights[1]), torch.no_grad():
        embedded = trial.model.embed(images)  # type: ignore[operator]  # a module
        first = trial.model.layers[0]  # type: ignore[index]  # a list of modules
        inside = nn.functional.gelu(first.up_proj(first.norm(embedded)))
    grams = found.extras[1]
    torch.testing.assert_close(grams["embed.weight"], images.T @ images / 5, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        grams["layers.0.down_proj.weight"], inside.T @ inside / 5, rtol=1e-4, atol=1e-5
    )


def test_the_first_layer_does_to_each_models_inputs_as_near_as_any_can(
    trial: Trial, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = RegMean(n_inputs=80, shrink=1.0).calibrate(trial)
    layer = merged(found, trial, tmp_path_factory)["embed.weight"].astype(np.float64)

    def loss(weight: Any) -> float:
        parts = zip(trial.models, found.extras, strict=True)
        offs = [
            (weight - model.read("embed.weight"), grams["embed.weight"].numpy()) for model, grams in parts
        ]
        return sum(float(np.trace(off @ gram @ off.T)) for off, gram in offs)

    least = loss(layer)
    mean = np.mean([model.read("embed.weight") for model in trial.models], axis=0)
    assert least < loss(mean)
    for seed in range(5):
        assert least <= loss(layer + 0.01 * draw(*layer.shape, seed=seed)) + 1e-6


def test_behind_merged_layers_a_layer_sees_what_the_merged_ones_before_it_give(
    trial: Trial, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own, behind = (RegMean(n_inputs=20, through_merged=way).calibrate(trial) for way in (False, True))
    first = "embed.weight"
    assert torch.equal(own.extras[0][first], behind.extras[0][first])  # nothing is before it
    model = merged(behind, trial, tmp_path_factory)
    weights = {n: torch.from_numpy(v) for n, v in model.items()}
    last = linear_layers(trial.model)[-1]
    # All before the last layer is merged by then: its inputs are those of the merged model.
    task, rng, grams = trial.tasks[2], trial.rng.child("regmean", "guess-2"), dict[str, torch.Tensor]()
    with carrying(trial.model, weights), watching(trial.model, [last], grams), torch.no_grad():
        for i in range(20):
            task.logits(trial.model, task.batch(1, rng.child(i)))
    expected = (grams[last] / 20).float()
    torch.testing.assert_close(behind.extras[2][last], expected, rtol=1e-3, atol=1e-5)
    assert not torch.allclose(own.extras[2][last], expected, rtol=1e-2)


def test_watching_leaves_no_hook_even_if_it_fails(trial: Trial) -> None:
    with pytest.raises(ZeroDivisionError), watching(trial.model, linear_layers(trial.model), {}):
        raise ZeroDivisionError
    assert not any(module._forward_pre_hooks for module in trial.model.modules())


def test_a_model_without_linear_layers_is_refused(guesses: GuessFamily) -> None:
    trial = Trial(nn.LayerNorm(8), guesses.base, guesses.experts, guesses.tasks)
    with pytest.raises(InvalidParameterError, match="LayerNorm has no layer of"):
        RegMean().calibrate(trial)


def test_the_threads_of_the_matrix_library_change_no_bit(tmp_path: Path) -> None:
    # Large enough for the library to cut the products up, and so near to singular that it shows in float32.
    rng = np.random.default_rng(0)
    n = 512
    models, grams = [], []
    for number in range(2):
        for name, found, array in (
            ("model", models, rng.normal(0, 1, (n, n))),
            ("gram", grams, np.cov(rng.normal(0, 1, (n, 30)))),
        ):
            folder = tmp_path / f"{name}{number}"
            folder.mkdir()
            save_file({"layers.0.weight": array.astype(np.float32)}, folder / "model.safetensors")
            found.append(Checkpoint.open(folder))
    plan = plan_merge(GramMean(shrink=1.0), models, extras=grams)
    with threadpool_limits(1, user_api="blas"):
        one = merge_in_memory(plan)["layers.0.weight"]
    with threadpool_limits(2, user_api="blas"):
        np.testing.assert_array_equal(merge_in_memory(plan)["layers.0.weight"], one)

"""Coefficients learnt from entropy: gradients, where it starts, and what it learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.func import functional_call

from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.events import listening
from calculemus.merging.adamerging import AdaMerging
from calculemus.merging.calibration import Calibrated, Trial
from calculemus.merging.elected import ElectedSum
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.plan import plan_merge
from calculemus.merging.task_arithmetic import TaskArithmetic
from calculemus.rng import Rng
from calculemus.tiny.guessing import GuessFamily, guess_family
from calculemus.tuning.blending import each_tensor, one_group
from calculemus.tuning.entropy import Uncertainty
from calculemus.tuning.weights import write_weights


@pytest.fixture(scope="module")
def guesses(tmp_path_factory: pytest.TempPathFactory) -> GuessFamily:
    return guess_family(tmp_path_factory.mktemp("guesses"))


@pytest.fixture
def trial(guesses: GuessFamily) -> Trial:
    return Trial(guesses.model(), guesses.base, guesses.experts, guesses.tasks)


def entropy_of(trial: Trial, found: Calibrated) -> float:
    """Return the loss of a merge on inputs that nothing was learnt from."""
    merged = merge_in_memory(found.plan(trial.models, trial.base))
    weights = {name: torch.from_numpy(values) for name, values in merged.items()}
    loss = Uncertainty(trial.tasks, 256, 1).draw(Rng(99))
    with torch.no_grad():
        return float(loss(trial.blend().call(weights)))


@pytest.mark.parametrize("group", [each_tensor, one_group])
def test_the_gradient_on_coefficients_is_that_of_the_whole_graph(trial: Trial, group: object) -> None:
    blend = trial.blend(group)  # type: ignore[arg-type]  # one of the two
    loss = Uncertainty(trial.tasks, 8, 1).draw(Rng(1))
    drawn = Rng(2).generator().uniform(0, 1, tuple(blend.start(0).shape)).astype(np.float32)
    coefficients = torch.from_numpy(drawn)
    value, found = blend.gradient(coefficients, loss)
    through = coefficients.clone().requires_grad_()
    whole = loss(lambda x: functional_call(trial.model, blend.weights(through), (x,)))
    (expected,) = torch.autograd.grad(whole, through)
    assert value == pytest.approx(float(whole.detach()))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_the_gradient_on_coefficients_is_a_difference_quotient(trial: Trial) -> None:
    blend = trial.blend()
    loss = Uncertainty(trial.tasks, 8, 1).draw(Rng(1))
    _, found = blend.gradient(blend.start(0.3), loss)
    for model in range(blend.n_models):
        step = torch.zeros_like(found)
        step[0, model] = 1e-2
        with torch.no_grad():
            up, down = (float(loss(blend.call(blend.weights(blend.start(0.3) + s)))) for s in (step, -step))
        assert float(found[0, model]) == pytest.approx((up - down) / 2e-2, abs=1e-3)


def test_no_step_is_task_arithmetic_at_the_first_coefficient(trial: Trial) -> None:
    found = AdaMerging(steps=0).calibrate(trial)
    merged = merge_in_memory(found.plan(trial.models, trial.base))
    expected = merge_in_memory(plan_merge(TaskArithmetic(scale=0.3), trial.models, trial.base))
    for name, numbers in merged.items():
        np.testing.assert_allclose(numbers, expected[name], atol=1e-6)


def test_learning_makes_predictions_surer_and_a_coefficient_per_tensor_more_so(trial: Trial) -> None:
    settings = {"steps": 60, "lr": 0.02}
    fixed, by_task, by_layer = (
        entropy_of(trial, method.calibrate(trial))
        for method in (AdaMerging(steps=0), AdaMerging(per="task", **settings), AdaMerging(**settings))
    )
    assert by_layer < by_task < fixed


def test_per_task_all_tensors_share_a_models_coefficient(trial: Trial) -> None:
    rows = AdaMerging(per="task", steps=5, lr=0.1).calibrate(trial).weights
    assert set(rows) == set(trial.base)
    assert len({tuple(row) for row in rows.values()}) == 1
    assert len(set(next(iter(rows.values())))) == 3


def test_coefficients_stay_between_0_and_1_and_a_note_says_if_all_lie_at_an_end(trial: Trial) -> None:
    heard = []
    with listening(heard.append):
        found = AdaMerging(steps=3, lr=50.0).calibrate(trial)
    values = np.array(list(found.weights.values()))
    assert values.min() >= 0
    assert values.max() <= 1
    assert bool(heard) == (found.record["at_an_end"] == 1)
    assert found.record["at_an_end"] > 0.9


def test_inputs_of_one_predicted_class_are_refused_and_unguarded_they_are_learnt_from(trial: Trial) -> None:
    one = replace(trial.tasks[0], head=torch.zeros(5, 8))
    collapsed = replace(trial, tasks=[one])
    with pytest.raises(InvalidParameterError, match="by AdaMerging: in all 2 batches fewer than 2 classes"):
        AdaMerging(steps=2).calibrate(collapsed)
    assert AdaMerging(steps=2, least_classes=1).calibrate(collapsed).record["collapsed"] == 0


def test_models_of_another_make_are_refused(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> None:
    weights = {n: w for n, w in trial.tuned_weights[0].items() if n != "norm.bias"}
    other = write_weights(weights, tmp_path_factory.mktemp("other"))
    with pytest.raises(CheckpointMismatchError, match="one make"):
        AdaMerging(steps=0).calibrate(replace(trial, models=[trial.models[0], other], tasks=trial.tasks[:2]))


def elected_vectors(trial: Trial, density: float) -> list[dict[str, np.ndarray]]:
    """TIES' first two steps by sorting, over the whole flat vector of each model."""
    names = list(trial.base)
    vectors = [
        np.concatenate([(expert.read(n) - trial.base.read(n)).ravel() for n in names])
        for expert in trial.models
    ]
    trimmed = []
    for vector in vectors:
        kept = np.sort(np.abs(vector))[::-1][max(1, int(density * vector.size)) - 1]
        trimmed.append(np.where(np.abs(vector) >= kept, vector, 0))
    sign = np.sign(np.sum(trimmed, axis=0))
    cuts = np.cumsum([trial.base.read(n).size for n in names])[:-1]
    agreeing = [np.split(np.where(np.sign(v) == sign, v, 0), cuts) for v in trimmed]
    return [dict(zip(names, parts, strict=True)) for parts in agreeing]


def test_elected_vectors_are_trimmed_over_the_whole_model_and_keep_what_agrees(trial: Trial) -> None:
    weights = [0.5, 0.0, 2.0]
    merged = merge_in_memory(plan_merge(ElectedSum(0.3), trial.models, trial.base, weights=weights))
    vectors = elected_vectors(trial, 0.3)
    for name, numbers in merged.items():
        total = sum(w * vector[name] for w, vector in zip(weights, vectors, strict=True))
        expected = trial.base.read(name).ravel() + total
        np.testing.assert_allclose(numbers.ravel(), expected, atol=1e-6)


def test_plus_plus_learns_coefficients_of_the_elected_vectors(trial: Trial) -> None:
    found = AdaMerging(trim=True, density=0.3, steps=0, start=0.5).calibrate(trial)
    merged = merge_in_memory(found.plan(trial.models, trial.base))
    vectors = elected_vectors(trial, 0.3)
    for name, numbers in merged.items():
        expected = trial.base.read(name).ravel() + 0.5 * sum(vector[name] for vector in vectors)
        np.testing.assert_allclose(numbers.ravel(), expected, atol=1e-6)


def test_plus_plus_follows_the_entropy_of_what_it_merges(trial: Trial) -> None:
    learnt = AdaMerging(trim=True, steps=60, lr=0.02).calibrate(trial)
    assert entropy_of(trial, learnt) < entropy_of(trial, AdaMerging(trim=True, steps=0).calibrate(trial))

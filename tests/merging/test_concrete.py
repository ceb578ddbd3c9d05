"""A learnt shared mask: draws, gradients, and what is merged through it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import RelaxedBernoulli, SigmoidTransform, TransformedDistribution, Uniform
from torch.func import functional_call

from calculemus.errors import InvalidParameterError
from calculemus.merging.adamerging import AdaMerging
from calculemus.merging.calibration import Calibrated, Trial
from calculemus.merging.concrete import Concrete, coefficient_gradient, mask_gradient
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.masked_sum import MaskedSum, n_covered
from calculemus.merging.plan import plan_merge
from calculemus.merging.shared_mask import SharedMask
from calculemus.merging.task_arithmetic import TaskArithmetic
from calculemus.rng import Rng
from calculemus.tiny.guessing import GuessFamily, guess_family
from calculemus.tuning.blending import each_tensor
from calculemus.tuning.entropy import Uncertainty


@pytest.fixture(scope="module")
def guesses(tmp_path_factory: pytest.TempPathFactory) -> GuessFamily:
    return guess_family(tmp_path_factory.mktemp("guesses"))


@pytest.fixture
def trial(guesses: GuessFamily) -> Trial:
    return Trial(guesses.model(), guesses.base, guesses.experts, guesses.tasks)


def by_element(shape: tuple[int, ...]) -> int:
    return 1


def mask_of(logits: torch.Tensor, temperature: float = 0.5) -> SharedMask:
    mask = SharedMask({"w": logits}, by_element, temperature)
    with torch.no_grad():
        mask.logits["w"].copy_(logits.flatten())
    return mask


def merged_in_memory(found: Calibrated, trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("found")
    found.save(folder)
    return dict(merge_in_memory(found.plan(trial.models, trial.base, folder)))


def task_arithmetic(trial: Trial) -> dict:
    return dict(merge_in_memory(plan_merge(TaskArithmetic(scale=0.3), trial.models, trial.base)))


def test_draws_have_the_distribution_of_relaxed_coins() -> None:
    n, logit, temperature = 20_000, 0.7, 0.5
    drawn = mask_of(torch.full((n,), logit), temperature).draw(Rng(0))["w"].detach()
    coins = RelaxedBernoulli(torch.tensor(temperature), logits=torch.tensor(logit))
    for at in (0.05, 0.3, 0.6, 0.95):
        # The chance of less than x, from the inverse of the transformation of a uniform number.
        noise = TransformedDistribution(Uniform(0.0, 1.0), [SigmoidTransform().inv])
        chance = float(noise.cdf(temperature * torch.logit(torch.tensor(at)) - logit))
        assert float((drawn < at).float().mean()) == pytest.approx(chance, abs=4 * (0.25 / n) ** 0.5)
    spread = coins.sample((2,)).shape  # of the library's own coins: of the same kind
    assert spread == (2,)


def test_at_first_masks_have_the_mean_one_half_and_leave_task_vectors_as_they_are_on_average() -> None:
    n_draws, mask = 400, mask_of(torch.zeros(64))
    draws = torch.stack([mask.draw(Rng(0, (i,)))["w"].detach() for i in range(n_draws)])
    error = draws.mean(dim=1).std() / n_draws**0.5
    assert abs(float(draws.mean()) - 0.5) < 3 * float(error)
    rescaled = torch.stack([mask.rescaled({"w": draw})["w"] for draw in draws])
    standard = rescaled.std(dim=0) / n_draws**0.5
    assert float(((rescaled.mean(dim=0) - 1).abs() / standard).max()) < 4.2  # of 64, 3 or so in one


def test_a_mask_is_the_same_for_the_same_path_and_another_for_another() -> None:
    mask = mask_of(torch.zeros(9))
    one, same, other = (mask.draw(Rng(0, (name,)))["w"] for name in ("a", "a", "b"))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@given(st.sampled_from(["element", "row", "block"]), st.integers(1, 9), st.integers(1, 7), st.integers(1, 7))
def test_a_rescaled_mask_has_the_mean_one_over_all_numbers(
    granularity: str, block: int, rows: int, columns: int
) -> None:
    shape = (rows, columns)
    mask = SharedMask(
        {"w": torch.zeros(shape)},
        lambda shape: n_covered(granularity, block, shape),  # type: ignore[arg-type]  # one of the three
        0.5,
    )
    whole = mask.whole(mask.rescaled(mask.draw(Rng(0))))["w"].detach()
    assert whole.shape == shape
    assert float(whole.mean()) == pytest.approx(1, abs=1e-5)


def test_a_mask_that_lets_nothing_through_is_an_error() -> None:
    with pytest.raises(InvalidParameterError, match=r"masking 'w': .*expected at least 0.001"):
        mask_of(torch.full((4,), -20.0)).expected()


def test_empty_tensors_have_empty_masks() -> None:
    mask = SharedMask({"w": torch.zeros(0, 4)}, by_element, 0.5)
    assert mask.whole(mask.rescaled(mask.expected()))["w"].shape == (0, 4)


def test_large_logits_give_the_inner_merge(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> None:
    mask = SharedMask(trial.base_weights, by_element, 0.5)
    with torch.no_grad():
        for logits in mask.logits.values():
            logits.fill_(40.0)
    drawn = mask.rescaled(mask.draw(Rng(0)))
    rows = {name: [0.3] * 3 for name in trial.base}
    merged = merged_in_memory(Calibrated(MaskedSum(), rows, [drawn]), trial, tmp_path_factory)
    for name, expected in task_arithmetic(trial).items():
        np.testing.assert_allclose(merged[name], expected, atol=1e-6)


def test_no_step_is_task_arithmetic(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> None:
    for granularity in ("element", "row", "block"):
        found = Concrete(steps=0, granularity=granularity, block_size=5).calibrate(trial)
        merged = merged_in_memory(found, trial, tmp_path_factory)
        for name, expected in task_arithmetic(trial).items():
            np.testing.assert_allclose(merged[name], expected, atol=1e-6)


@pytest.mark.parametrize("granularity", ["element", "row", "block"])
def test_each_number_meets_its_own_value_of_the_mask_wherever_the_tensor_is_cut(
    granularity: str, trial: Trial, tmp_path_factory: pytest.TempPathFactory
) -> None:
    method = MaskedSum(granularity=granularity, block_size=5)  # type: ignore[arg-type]  # one of the three
    mask = SharedMask(
        trial.base_weights,
        lambda shape: n_covered(granularity, 5, shape),  # type: ignore[arg-type]  # one of the three
        0.5,
    )
    with torch.no_grad():
        values = mask.rescaled(mask.draw(Rng(3)))
        whole = mask.whole(values)
    rows = {name: [0.2, 0.5, 0.0] for name in trial.base}
    merged = merged_in_memory(Calibrated(method, rows, [values]), trial, tmp_path_factory)
    for name, numbers in merged.items():
        first, second, _ = (model.read(name) - trial.base.read(name) for model in trial.models)
        expected = trial.base.read(name) + whole[name].numpy() * (0.2 * first + 0.5 * second)
        np.testing.assert_allclose(numbers, expected, atol=2e-6)


def test_gradients_on_mask_logits_and_coefficients_are_those_of_the_whole_graph(trial: Trial) -> None:
    blend = trial.blend(each_tensor)
    mask = SharedMask(trial.base_weights, by_element, 0.5)
    loss = Uncertainty(trial.tasks, 8, 1).draw(Rng(1))
    coefficients = blend.start(0.3).requires_grad_()
    drawn = mask.whole(mask.rescaled(mask.draw(Rng(2))))
    whole = loss(
        lambda x: functional_call(trial.model, blend.weights(coefficients, [drawn] * blend.n_models), (x,))
    )
    logits = list(mask.logits.values())
    expected = torch.autograd.grad(whole, [coefficients, *logits])
    fixed = coefficients.detach()
    value, on_mask = mask_gradient(blend, fixed, drawn, loss)
    drawn = mask.whole(mask.rescaled(mask.draw(Rng(2))))
    found = torch.autograd.grad(list(drawn.values()), logits, [on_mask[name] for name in drawn])
    assert value == pytest.approx(float(whole.detach()))
    torch.testing.assert_close(
        coefficient_gradient(blend, fixed, drawn, loss), expected[0], rtol=1e-4, atol=1e-6
    )
    for one, other in zip(found, expected[1:], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


def test_learning_makes_predictions_surer(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> None:
    loss = Uncertainty(trial.tasks, 256, 1).draw(Rng(99))

    def entropy_of(method: Concrete) -> float:
        merged = merged_in_memory(method.calibrate(trial), trial, tmp_path_factory)
        weights = {name: torch.from_numpy(values) for name, values in merged.items()}
        with torch.no_grad():
            return float(loss(trial.blend().call(weights)))

    masked = Concrete(steps=40, lr=0.1)
    fixed, learnt = entropy_of(Concrete(steps=0)), entropy_of(masked)
    both = entropy_of(replace(masked, around="adamerging", coefficient_lr=0.02))
    assert both < learnt < fixed


def test_around_adamerging_with_a_mask_that_does_not_learn_coefficients_move_as_its_draws_say(
    trial: Trial,
) -> None:
    still = Concrete(around="adamerging", steps=20, lr=0.0, coefficient_lr=0.01, temperature=100.0)
    # Draws at so high a temperature are all one half: what is left is AdaMerging.
    found = still.calibrate(trial).weights
    plain = AdaMerging(steps=20, lr=0.01).calibrate(trial).weights
    for name, row in found.items():
        np.testing.assert_allclose(row, plain[name], atol=0.05)


def test_the_merge_of_a_drawn_mask_is_another_than_the_expected_one(trial: Trial) -> None:
    expected, drawn = (
        Concrete(steps=2, evaluation=way).calibrate(trial).extras[0]
        for way in ("expected", "drawn")  # type: ignore[arg-type]  # the two that there are
    )
    name = "embed.weight"
    assert float(expected[name].std()) < 0.01 < float(drawn[name].std())

"""Blends: the sum is the sum, and gradients on coefficients are those of the graph and of differences."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.tuning.blending import Blend, Call, each_tensor
from calculemus.tuning.weights import carrying, weights_of

INPUTS = torch.tensor([[0.3, -1.0, 0.2], [2.0, 0.1, -0.7]])


def entropy(call: Call) -> Tensor:
    logprobs = torch.log_softmax(call(INPUTS), dim=-1)
    return -(logprobs.exp() * logprobs).sum(dim=-1).mean()


@pytest.fixture
def blend(small: Any) -> Blend:
    return Blend(small(9), weights_of(small(0)), [weights_of(small(1)), weights_of(small(2))], each_tensor)


def some(blend: Blend) -> Tensor:
    n = len(blend.groups) * blend.n_models
    return torch.linspace(-0.5, 1.0, n).reshape(len(blend.groups), blend.n_models)


def test_one_model_with_coefficient_one_is_that_model(small: Any) -> None:
    base, tuned = weights_of(small(0)), weights_of(small(1))
    found = Blend(small(9), base, [tuned]).weights(torch.ones(1, 1))
    for name, weight in tuned.items():
        torch.testing.assert_close(found[name], weight)


def test_no_coefficient_is_the_base(small: Any, blend: Blend) -> None:
    found = blend.weights(blend.start(0.0))
    assert all(weight.equal(found[name]) for name, weight in weights_of(small(0)).items())


def test_the_gradient_is_that_of_the_graph_through_all_models(small: Any, blend: Blend) -> None:
    coefficients = some(blend)
    value, gradient = blend.gradient(coefficients, entropy)
    leaf = coefficients.clone().requires_grad_()
    merged = blend.weights(leaf)
    direct = entropy(lambda x: functional_call(small(9), merged, (x,)))
    direct.backward()
    assert value == pytest.approx(direct.item())
    assert leaf.grad is not None
    torch.testing.assert_close(gradient, leaf.grad, rtol=1e-4, atol=1e-6)


def test_the_gradient_is_that_of_finite_differences(blend: Blend) -> None:
    coefficients, step = some(blend), 1e-2
    _, gradient = blend.gradient(coefficients, entropy)
    for place in range(coefficients.numel()):
        moved = torch.zeros_like(coefficients).ravel()
        moved[place] = step
        moved = moved.reshape(coefficients.shape)
        ahead, behind = (blend.gradient(coefficients + sign * moved, entropy)[0] for sign in (1, -1))
        assert gradient.ravel()[place].item() == pytest.approx((ahead - behind) / (2 * step), abs=1e-3)


def test_a_mask_of_ones_changes_nothing_and_one_of_zeros_gives_the_base(small: Any, blend: Blend) -> None:
    coefficients, base = some(blend), weights_of(small(0))
    for factor, expected in ((1.0, blend.weights(coefficients)), (0.0, base)):
        masks = [{name: torch.full_like(weight, factor) for name, weight in base.items()}] * 2
        found = blend.weights(coefficients, masks)
        assert all(found[name].equal(expected[name]) for name in base)


def test_the_module_itself_is_left_alone(small: Any) -> None:
    model = small(9)
    Blend(model, weights_of(small(0)), [weights_of(small(1))]).gradient(torch.ones(1, 1), entropy)
    assert all(weight.grad is None for weight in model.parameters())
    assert all(a.equal(b) for a, b in zip(model.parameters(), small(9).parameters(), strict=True))


def test_models_of_another_make_are_refused(small: Any) -> None:
    base = weights_of(small(0))
    other = {**base, "layers.0.bias": torch.zeros(6)}
    with pytest.raises(CheckpointMismatchError, match="model 1"):
        Blend(small(0), base, [other])
    with pytest.raises(CheckpointMismatchError, match=r"layers.0.bias.*\(6,\)"):
        Blend(small(0), other, [other])
    with pytest.raises(InvalidParameterError, match="at least one"):
        Blend(small(0), base, [])


def test_a_module_gets_its_own_weights_back_whatever_happens(small: Any) -> None:
    model, before = small(0), weights_of(small(0))
    with carrying(model, weights_of(small(1))):
        assert model.layers[0].weight.equal(small(1).layers[0].weight)
    with pytest.raises(RuntimeError), carrying(model, weights_of(small(1))):
        model(torch.zeros(2, 2))  # of another width than the model's
    assert all(weight.equal(before[name]) for name, weight in weights_of(model).items())

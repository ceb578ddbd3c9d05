"""The linear approximation of a model, its training, and how far task vectors disturb each other."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from calculemus.errors import InvalidParameterError
from calculemus.merging.tangent_ta import (
    Linearized,
    TangentTaskArithmetic,
    disentanglement_error,
    moved,
)
from calculemus.rng import Rng
from calculemus.tiny.arith_family import ArithRecipe
from calculemus.tiny.arith_family import fresh as fresh_llama
from calculemus.tiny.digits import DigitEncoder, fresh
from calculemus.tiny.model import torch_generator
from calculemus.tuning.weights import Weights, carrying, weights_of


def encoder() -> DigitEncoder:
    return fresh(Rng(3, ("test",)), 8, 2).double()


def vector(model: nn.Module, seed: int) -> Weights:
    draws = torch_generator(Rng(seed, ("vector",)))
    return {
        name: 0.1 * torch.randn(weight.shape, generator=draws, dtype=weight.dtype)
        for name, weight in model.named_parameters()
    }


def images(n: int = 5) -> torch.Tensor:
    return torch.rand(n, 64, generator=torch_generator(Rng(1)), dtype=torch.float64)


def at(linear: Linearized, weights: Weights, inputs: torch.Tensor) -> torch.Tensor:
    with carrying(linear.moving, weights), torch.no_grad():
        return linear(inputs)


def test_at_its_start_it_is_the_model() -> None:
    model, inputs = encoder(), images()
    assert torch.equal(Linearized(model)(inputs), model(inputs))


def test_it_is_affine_in_its_weights() -> None:
    model, inputs = encoder(), images()
    linear, base = Linearized(model), weights_of(encoder())
    one, other = vector(model, 1), vector(model, 2)
    start = model(inputs)
    both = at(linear, moved(base, [one, other], [0.7, -1.3]), inputs) - start
    apart = [at(linear, moved(base, [v], [1.0]), inputs) - start for v in (one, other)]
    torch.testing.assert_close(both, 0.7 * apart[0] - 1.3 * apart[1], rtol=0, atol=1e-10)
    assert float(both.detach().abs().max()) > 0.01


def test_its_slope_is_that_of_a_central_difference() -> None:
    model, inputs = encoder(), images()
    base, way = weights_of(model), vector(model, 1)
    found = at(Linearized(model), moved(base, [way], [1.0]), inputs) - model(inputs)
    values = []
    for step in (1e-5, -1e-5):
        with carrying(model, moved(base, [way], [step])):
            values.append(model(inputs))
    torch.testing.assert_close(found, (values[0] - values[1]) / 2e-5, rtol=1e-6, atol=1e-8)


def test_of_a_model_that_is_linear_in_its_weights_it_is_the_model() -> None:
    model = nn.Linear(64, 3).double()
    weights = moved(weights_of(model), [vector(model, 1)], [5.0])
    found = at(Linearized(model), weights, images())
    with carrying(model, weights):
        torch.testing.assert_close(found, model(images()))


def test_its_gradient_is_that_of_the_jacobian() -> None:
    model, inputs = encoder(), images(1)
    linear = Linearized(model)
    linear(inputs).sum().backward()
    model(inputs).sum().backward()
    for (name, mine), own in zip(linear.moving.named_parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, own.grad, msg=name)
    assert all(weight.grad is None for weight in linear.start.parameters())


def test_dropout_stays_off_in_training() -> None:
    model = nn.Sequential(nn.Linear(64, 8), nn.Dropout(0.9)).double()
    linear = Linearized(model).train()
    assert torch.equal(linear(images()), model[0](images()))
    assert not linear.start.training


def test_training_moves_the_linear_model_alone_and_lowers_its_loss() -> None:
    model, inputs = encoder().float(), images(32).float()
    before = copy.deepcopy(model.state_dict())
    labels = torch.arange(32) % 8

    def loss(net: nn.Module, batch: torch.Tensor) -> tuple[torch.Tensor, int]:
        return nn.functional.cross_entropy(net(batch), labels, reduction="sum"), len(batch)

    method = TangentTaskArithmetic(steps=30, lr=1e-2, warmup=1)
    tuned = method.train(model, iter([[inputs]] * 30), loss)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    linear = Linearized(model)
    first = float(loss(linear, inputs)[0].detach())
    with carrying(linear.moving, tuned):
        assert float(loss(linear, inputs)[0].detach()) < 0.8 * first


def test_no_steps_change_nothing() -> None:
    model = encoder().float()
    tuned = TangentTaskArithmetic(steps=0).train(model, iter([]), lambda net, batch: (batch, 1))
    assert all(torch.equal(tuned[name], weight) for name, weight in model.state_dict().items())


def llama() -> PreTrainedModel:
    return fresh_llama(ArithRecipe(d_model=16, n_layers=1)).eval()


def test_a_language_model_with_plain_attention_and_a_tied_head_is_linearised() -> None:
    model = llama()
    model.set_attn_implementation("eager")
    ids = torch.arange(6)[None]
    base, way = weights_of(model), vector(model, 1)
    linear = Linearized(model)
    with carrying(linear.moving, moved(base, [way], [1.0])), torch.no_grad():
        found = linear(input_ids=ids, use_cache=False).logits - model(input_ids=ids, use_cache=False).logits
    values = []
    for step in (1e-2, -1e-2):
        with carrying(model, moved(base, [way], [step])), torch.no_grad():
            values.append(model(input_ids=ids, use_cache=False).logits)
    torch.testing.assert_close(found, (values[0] - values[1]) / 2e-2, rtol=0.02, atol=0.02)
    assert float(found.abs().max()) > 0.1


def test_a_model_without_derivatives_in_forward_mode_is_refused_with_the_cure() -> None:
    model = llama()
    model.set_attn_implementation("sdpa")
    with pytest.raises(InvalidParameterError, match="attn_implementation='eager'"):
        Linearized(model)(input_ids=torch.arange(6)[None], use_cache=False)


def test_other_errors_of_a_model_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        Linearized(nn.Linear(3, 2))(torch.zeros(1, 5))


def test_the_disentanglement_error_counts_what_others_change() -> None:
    # One weight; task 0 reads its sign, task 1 whether it exceeds 2: worked out by hand.
    base = {"w": torch.tensor([0.5])}
    vectors = [{"w": torch.tensor([1.0])}, {"w": torch.tensor([-2.0])}]
    inputs = [torch.tensor([-1.0, 1.0]), torch.tensor([-1.0, 1.0, 3.0, 0.0])]

    def predict(weights: Any, task: int) -> torch.Tensor:
        return (weights["w"] * inputs[task]) > (0 if task == 0 else 2)

    # Task 0 alone has w = 1.5, task 1 alone -1.5, both -0.5: task 0 sees two signs turn, task 1 nothing.
    assert disentanglement_error(predict, base, vectors, (1.0, 1.0)) == pytest.approx(1.0)
    # Task 1 alone has w = 0.5, and 1.5 with the vector of task 0: then one of its four inputs exceeds 2.
    assert disentanglement_error(predict, base, vectors, (1.0, 0.0)) == pytest.approx(0.25)


def test_two_vectors_that_touch_other_inputs_only_are_disentangled() -> None:
    model = nn.Linear(4, 3, bias=False).double()
    base = weights_of(model)
    left = {"weight": torch.cat([torch.ones(3, 2), torch.zeros(3, 2)], dim=1).double()}
    right = {"weight": torch.cat([torch.zeros(3, 2), torch.ones(3, 2)], dim=1).double()}
    rows = torch.rand(20, 2, generator=torch_generator(Rng(5)), dtype=torch.float64)
    nothing = torch.zeros(20, 2).double()
    inputs = [torch.cat([rows, nothing], dim=1), torch.cat([nothing, rows], dim=1)]

    def predict(weights: Any, task: int) -> torch.Tensor:
        return (inputs[task] @ weights["weight"].T).argmax(dim=1)

    assert disentanglement_error(predict, base, [left, right], (0.7, -0.4)) == 0

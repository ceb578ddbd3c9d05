"""The training loop: exact steps, whatever the batches, and only what is to be trained."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from calculemus.errors import InvalidParameterError
from calculemus.rng import Rng
from calculemus.tuning.fitting import Fit, fit_through, fitting

Pair = tuple[Tensor, Tensor]
PLAIN = Fit(steps=6, optimizer="adamw", lr=0.01, warmup=2, cooldown=0.5, weight_decay=0.0, clip=1e9)


def squared(model: nn.Module, pair: Pair) -> tuple[Tensor, int]:
    inputs, wanted = pair
    return ((model(inputs) - wanted) ** 2).sum(), len(inputs)


def pairs(cuts: Sequence[int]) -> Iterator[list[Pair]]:
    """Yield the same twelve rows a step, cut into batches."""
    step = 0
    while True:
        draws = Rng(step, ("rows",)).generator()
        rows = torch.from_numpy(draws.normal(0, 1, (12, 7))).float()
        yield [(part[:, :3], part[:, 3:]) for part in rows.split(list(cuts))]
        step += 1


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def test_the_cut_into_batches_changes_no_step(small: Any) -> None:
    found = []
    for cuts in ([12], [5, 7], [1] * 12):
        model = small(0)
        losses = fit_through(model, pairs(cuts), squared, PLAIN)
        found.append((torch.tensor(losses), torch.cat([w.ravel() for w in model.parameters()])))
    for losses, flat in found[1:]:
        torch.testing.assert_close(losses, found[0][0])
        torch.testing.assert_close(flat, found[0][1], rtol=1e-4, atol=1e-5)


def test_a_step_is_that_of_adamw_on_the_mean_loss(small: Any) -> None:
    model, by_hand = small(0), small(0)
    fit_through(model, pairs([4, 8]), squared, PLAIN)
    optimizer = torch.optim.AdamW(by_hand.parameters(), betas=(0.9, 0.95), weight_decay=0.0)
    for step, parts in zip(range(PLAIN.steps), pairs([12]), strict=False):
        summed, n = squared(by_hand, parts[0])
        optimizer.zero_grad()
        (summed / n).backward()
        optimizer.param_groups[0]["lr"] = PLAIN.lr * min(1, (step + 1) / 2, (6 - step) / 3)
        optimizer.step()
    for name, weight in weights(model).items():
        torch.testing.assert_close(weight, weights(by_hand)[name], rtol=1e-4, atol=1e-5)


def test_only_what_is_named_is_trained_and_all_wants_gradients_again(small: Any) -> None:
    model = small(0)
    before = weights(model)
    fit_through(model, pairs([12]), squared, PLAIN, only=lambda name: name.startswith("layers.1"))
    changed = {name for name, weight in weights(model).items() if not weight.equal(before[name])}
    assert changed == {"layers.1.weight", "layers.1.bias"}
    assert all(weight.requires_grad for weight in model.parameters())


def test_stopping_and_going_on_is_one_run(small: Any) -> None:
    straight, resumed = small(0), small(0)
    losses = fit_through(straight, pairs([12]), squared, PLAIN)
    state: dict[str, Any] = {}
    first = [r.loss for r in fitting(resumed, pairs([12]), squared, PLAIN, state=state, until=4)]
    later = pairs([12])
    for _ in range(4):
        next(later)
    rest = [r.loss for r in fitting(resumed, later, squared, PLAIN, state=copy.deepcopy(state))]
    assert first + rest == losses
    assert all(a.equal(b) for a, b in zip(straight.parameters(), resumed.parameters(), strict=True))


def test_no_steps_change_nothing(small: Any) -> None:
    model = small(0)
    assert fit_through(model, pairs([12]), squared, Fit(steps=0)) == []
    assert all(a.equal(b) for a, b in zip(model.parameters(), small(0).parameters(), strict=True))


def test_the_largest_gradient_is_clipped(small: Any) -> None:
    # Plain AdamW forgets the length of a gradient, so the mean over two steps of different lengths tells.
    kept, clipped = small(0), small(0)
    fit_through(kept, pairs([12]), squared, PLAIN)
    fit_through(clipped, pairs([12]), squared, Fit(**{**PLAIN.params(), "clip": 1e-3}))
    assert not kept.layers[0].weight.allclose(clipped.layers[0].weight, atol=1e-6)


def test_the_rate_rises_stays_and_falls() -> None:
    fit = Fit(steps=100, warmup=10, cooldown=0.2)
    rates = [fit.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:81] == pytest.approx([1.0] * 72)
    assert rates[90] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.05)


def test_a_negative_number_of_steps_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match=r"Fit.*steps.*-1"):
        Fit(steps=-1)

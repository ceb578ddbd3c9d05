"""Training: it learns, it repeats, it can stop and go on, and it leaves the process as it found it."""

import copy
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from calculemus.tiny.data import Mixture
from calculemus.tiny.train import Recipe, training

MIXTURE = Mixture(levels=(1,), weights=(1.0,))
RECIPE = Recipe(steps=20, rows=16, parts=2, warmup=5)


def trained(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, **changed: Any
) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Train a copy; return its losses and weights."""
    model = copy.deepcopy(model)
    recipe = Recipe.from_params({**RECIPE.params(), **changed})
    losses = [record.loss for record in training(model, tokenizer, MIXTURE, recipe)]
    return losses, model.state_dict()


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


def test_twenty_steps_lower_the_loss_and_repeat_bit_for_bit(
    small: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    losses, weights = trained(small, tokenizer)
    again, same_weights = trained(small, tokenizer)
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert again == losses
    assert same(weights, same_weights)


def test_adamw_alone_lowers_the_loss_too(small: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    losses, _ = trained(small, tokenizer, optimizer="adamw")
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


def test_no_rate_changes_no_weight(small: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    _, weights = trained(small, tokenizer, lr=0.0, matrix_lr=0.0, steps=2)
    assert same(weights, small.state_dict())


def test_stopping_and_going_on_gives_the_weights_of_one_run(
    small: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    losses, weights = trained(small, tokenizer)
    state: dict[str, Any] = {}
    run = training(small, tokenizer, MIXTURE, RECIPE, state)
    before = [next(run).loss for _ in range(8)]
    run.close()
    kept, resumed = copy.deepcopy(state), copy.deepcopy(small)
    after = [record.loss for record in training(resumed, tokenizer, MIXTURE, RECIPE, kept)]
    assert before + after == losses
    assert same(resumed.state_dict(), weights)


def test_training_in_two_parts_gives_the_weights_of_one_run(
    small: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    losses, weights = trained(small, tokenizer)
    state: dict[str, Any] = {}
    parts = [list(training(small, tokenizer, MIXTURE, RECIPE, state, until)) for until in (7, None)]
    assert [len(part) for part in parts] == [7, 13]
    assert [record.loss for part in parts for record in part] == losses
    assert same(small.state_dict(), weights)


@pytest.mark.slow
def test_the_loss_is_the_mean_over_the_tokens_to_be_learned(
    small: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    # One batch or four: the same rows, so the same mean, up to the rounding of bfloat16.
    one, _ = trained(small, tokenizer, steps=1, rows=2048, parts=1)
    four, _ = trained(small, tokenizer, steps=1, rows=2048, parts=4)
    assert abs(one[0] - four[0]) < 1e-3 * one[0]


def test_the_global_generator_and_the_kind_of_attention_stay(
    small: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    before, attention = torch.random.get_rng_state(), small.config._attn_implementation
    list(training(small, tokenizer, MIXTURE, Recipe(steps=2, rows=16, parts=2)))
    assert torch.random.get_rng_state().equal(before)
    assert small.config._attn_implementation == attention
    assert not small.training


def test_the_rate_rises_stays_and_falls_to_zero() -> None:
    recipe = Recipe(steps=100, warmup=10, cooldown=0.2)
    rates = [recipe.rate(step) for step in range(101)]
    assert rates[:10] == [(step + 1) / 10 for step in range(10)]
    assert set(rates[10:80]) == {1.0}
    assert rates[80:] == sorted(rates[80:], reverse=True)
    assert rates[100] == 0.0


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    short, long = Recipe(steps=1000), Recipe(steps=2000)
    assert all(short.rate(step) == long.rate(step) for step in range(700))

"""Rejection sampling: what is drawn, and what is learned from."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from calculemus.rng import Rng
from calculemus.tiny.arith_family import tokenizer
from calculemus.tuning.rejection import Rejection, reinforcing, sample
from calculemus.tuning.text_task import Row, TextTask
from calculemus.tuning.weights import weights_of

WORDS = tokenizer()
ONE, TWO = WORDS.convert_tokens_to_ids(["1", "2"])


class Coin(nn.Module):
    """Says 1 or 2 by its own odds, and then that it is done; knows nothing of the prompt."""

    def __init__(self, odds: float) -> None:
        super().__init__()
        self.odds = nn.Parameter(torch.tensor([odds, 1 - odds]).log())

    def forward(self, input_ids: torch.Tensor, use_cache: bool = False) -> Any:
        del use_cache
        logits = torch.full((*input_ids.shape, len(WORDS)), -1e4)
        logits[..., WORDS.eos_token_id] = 0.0
        begins = input_ids == WORDS.convert_tokens_to_ids("=")
        logits[begins] = -1e4
        places = torch.zeros(len(WORDS), 2)
        places[ONE, 0] = places[TWO, 1] = 1.0
        return SimpleNamespace(
            logits=torch.where(begins[..., None], -1e4 + places @ (self.odds + 1e4), logits)
        )


def task(completion: str = "1") -> TextTask:
    rows = [Row("7=", completion), Row("88=", completion)]
    return TextTask("coin", rows, rows, rows, WORDS)


def test_samples_follow_the_models_probabilities() -> None:
    rows = [Row("7=", "1")] * 4000
    found = Counter(sample(Coin(0.3), task(), rows, Rejection(), Rng(0)))
    assert set(found) == {"1", "2"}
    assert found["1"] / 4000 == pytest.approx(0.3, abs=5 * (0.21 / 4000) ** 0.5)


def test_a_low_temperature_takes_the_likeliest() -> None:
    rows = [Row("7=", "1")] * 200
    assert set(sample(Coin(0.3), task(), rows, Rejection(temperature=0.01), Rng(0))) == {"2"}


def test_each_sample_belongs_to_its_row_whatever_the_lengths() -> None:
    rows = [Row("7=", "1"), Row("88=", "1"), Row("7=", "1")]
    assert len(sample(Coin(0.5), task(), rows, Rejection(), Rng(0))) == 3


def test_what_does_not_end_is_none() -> None:
    class Endless(Coin):
        def forward(self, input_ids: torch.Tensor, use_cache: bool = False) -> Any:
            logits = torch.full((*input_ids.shape, len(WORDS)), -1e4)
            logits[..., ONE] = 0.0
            return SimpleNamespace(logits=logits)

    assert sample(Endless(0.5), task(), [Row("7=", "1")], Rejection(), Rng(0)) == [None]


def test_what_was_right_becomes_likelier() -> None:
    model = Coin(0.3)
    before = torch.softmax(model.odds, 0)[0]
    rounds = list(reinforcing(model, task("1"), Rejection(rounds=3, prompts=64, lr=0.05), Rng(0)))
    assert torch.softmax(model.odds, 0)[0] > before
    assert all(0 < one.n_kept <= one.n_sampled == 256 for one in rounds)


def test_each_problem_counts_once() -> None:
    (first,) = reinforcing(Coin(0.5), task("1"), Rejection(rounds=1, prompts=64), Rng(0))
    assert first.n_kept == 2  # there are two different rows


def test_a_model_that_is_never_right_learns_nothing() -> None:
    model = Coin(0.5)
    before = weights_of(model)
    rounds = list(reinforcing(model, task("3"), Rejection(rounds=2, prompts=8), Rng(0)))
    assert [one.n_kept for one in rounds] == [0, 0]
    assert torch.equal(weights_of(model)["odds"], before["odds"])


def test_the_same_draws_make_the_same_model() -> None:
    models = [Coin(0.4), Coin(0.4)]
    for model in models:
        list(reinforcing(model, task("1"), Rejection(rounds=2, prompts=16), Rng(5)))
    assert torch.equal(models[0].odds, models[1].odds)

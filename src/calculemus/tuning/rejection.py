"""Rejection sampling: a model learns from those of its own completions that are right.

    for kept in reinforcing(model, task, Rejection(rounds=4), rng): ...

The plainest reinforcement there is: the reward is 1 for a right completion and 0 for any other, and one round
is a few steps on the samples with reward 1. Source: Zelikman et al. 2022, arXiv:2203.14465, algorithm 1,
without its hints; Yuan et al. 2023, arXiv:2308.01825, section 3.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
from torch import nn

from calculemus.params import AtLeast, Between, Configured
from calculemus.rng import Rng
from calculemus.tuning.fitting import Fit, fit_through
from calculemus.tuning.text_task import Encoded, Row, TextTask, encode


@dataclass(frozen=True)
class Rejection(Configured):
    """How a model is reinforced.

    Attributes:
        rounds: How often it samples, and learns from what is kept.
        prompts: Drawn anew in each round.
        samples: Completions of each prompt.
        temperature: Of sampling.
        steps: Of each round's training.
        rows: Kept completions that a step learns from.
        lr: Highest rate of a round.
        most_tokens: Longest completion.
    """

    rounds: Annotated[int, AtLeast(0)] = 4
    prompts: Annotated[int, AtLeast(1)] = 256
    samples: Annotated[int, AtLeast(1)] = 4
    temperature: Annotated[float, Between(0, 10, open_left=True)] = 1.0
    steps: Annotated[int, AtLeast(1)] = 20
    rows: Annotated[int, AtLeast(1)] = 128
    lr: Annotated[float, AtLeast(0)] = 5e-4
    most_tokens: Annotated[int, AtLeast(1)] = 8


@dataclass(frozen=True, slots=True)
class Round:
    """What one round saw.

    Attributes:
        n_sampled: Completions.
        n_kept: Different ones that are right.
        losses: Of each step; empty where nothing was kept, and nothing learned.
    """

    n_sampled: int
    n_kept: int
    losses: Sequence[float] = field(default_factory=list)


def reinforcing(model: nn.Module, task: TextTask, rejection: Rejection, rng: Rng) -> Iterator[Round]:
    """Reinforce a model in place; yield what each round saw.

    Args:
        model: A causal language model; changed.
        task: Gives prompts, by its rows to learn from, and says what is right; the right completions
            themselves are never learned from unless the model wrote them.
        rejection: How.
        rng: Names the draws of prompts, samples and batches.
    """
    fit = Fit(steps=rejection.steps, optimizer="adamw", lr=rejection.lr, warmup=5, weight_decay=0.0)
    for number in range(rejection.rounds):
        draws = rng.child("round", number)
        asked = draws.child("prompts").generator().integers(len(task.train), size=rejection.prompts)
        rows = [task.train[i] for i in asked.tolist() for _ in range(rejection.samples)]
        written = sample(model, task, rows, rejection, draws.child("samples"))
        # Each problem counts once, however often it was solved: easy ones would crowd out the others.
        kept = list(dict.fromkeys(r for r, text in zip(rows, written, strict=True) if text == r.completion))
        losses: Sequence[float] = []
        if kept:
            learned = _batches(kept, task.tokenizer, rejection.rows, draws.child("batches"))
            losses = fit_through(model, learned, task.loss, fit)
        yield Round(len(rows), len(kept), losses)


def _batches(kept: Sequence[Row], tokenizer: Any, n: int, rng: Rng) -> Iterator[Sequence[Encoded]]:
    draws = rng.generator()
    while True:
        yield [encode([kept[i] for i in draws.integers(len(kept), size=n).tolist()], tokenizer)]


@torch.no_grad()
def sample(
    model: nn.Module, task: TextTask, rows: Sequence[Row], rejection: Rejection, rng: Rng
) -> list[str | None]:
    """Return a sampled completion of each row's prompt; None for one that did not come to its end."""
    tokenizer: Any = task.tokenizer
    end = tokenizer.eos_token_id
    prompts = tokenizer([row.prompt for row in rows], add_special_tokens=False)
    written: list[str | None] = [None] * len(rows)
    by_length: dict[int, list[int]] = {}
    for place, ids in enumerate(prompts["input_ids"]):
        by_length.setdefault(len(ids), []).append(place)
    # Prompts of one length make a batch, so that nothing is padded and no mask is needed.
    for length, places in sorted(by_length.items()):
        ids = torch.tensor([prompts["input_ids"][place] for place in places])
        uniforms = rng.child("length", length).generator().random((rejection.most_tokens + 1, len(places)))
        for drawn in uniforms:
            logits = model(input_ids=ids, use_cache=False).logits[:, -1].double() / rejection.temperature
            below = torch.softmax(logits, dim=-1).cumsum(dim=-1)
            below /= below[:, -1:].clone()  # the last one is 1, so that every draw finds its token
            chosen = torch.searchsorted(below, torch.from_numpy(drawn)[:, None], right=True)
            ids = torch.cat([ids, chosen], dim=1)
        for place, told in zip(places, ids[:, length:].tolist(), strict=True):
            if end in told:
                written[place] = tokenizer.decode(told[: told.index(end)])
    return written

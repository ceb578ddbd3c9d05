"""Training: one loop for the model that ships, for its relatives and for any other causal language model."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from calculemus.params import AtLeast, Between, Configured
from calculemus.tiny.data import Batch, Mixture, steps


@dataclass(frozen=True)
class Recipe(Configured):
    """How to train, and how long.

    The rate rises for ``warmup`` steps, stays, and falls to zero over the last ``cooldown`` share of them, so
    that a longer run goes through the same weights as a shorter one until that one cools down.

    Attributes:
        steps: Steps of the optimiser.
        rows: Examples a step.
        parts: Batches a step; see ``data.steps``.
        optimizer: ``muon`` for the matrices inside the layers with AdamW for the rest, or ``adamw`` for all.
        lr: Highest rate of AdamW.
        matrix_lr: Highest rate of Muon, scaled as for AdamW.
        weight_decay: Of matrices.
        warmup: Steps.
        cooldown: Share of the steps.
        clip: Largest norm of a gradient.
    """

    steps: Annotated[int, AtLeast(1)] = 1000
    rows: Annotated[int, AtLeast(1)] = 128
    parts: Annotated[int, AtLeast(1)] = 4
    optimizer: Literal["muon", "adamw"] = "muon"
    lr: Annotated[float, AtLeast(0)] = 3e-3
    matrix_lr: Annotated[float, AtLeast(0)] = 1e-2
    weight_decay: Annotated[float, AtLeast(0)] = 0.05
    warmup: Annotated[int, AtLeast(1)] = 50
    cooldown: Annotated[float, Between(0, 1)] = 0.3
    clip: Annotated[float, AtLeast(0)] = 1.0

    def rate(self, step: int) -> float:
        """Return the share of the highest rate at a step."""
        left = (self.steps - step) / (self.steps * self.cooldown) if self.cooldown else 1.0
        return min(1.0, (step + 1) / self.warmup, left)


@dataclass(frozen=True)
class Record:
    """What one step saw and did; tokens, examples and seconds are sums since the start."""

    step: int
    loss: float
    tokens: int
    examples: int
    seconds: float


def training(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    mixture: Mixture,
    recipe: Recipe,
    state: dict[str, Any] | None = None,
    until: int | None = None,
) -> Iterator[Record]:
    """Train a model in place, in bfloat16 with weights in float32; yield a record a step.

    Args:
        model: Changed.
        tokenizer: Of the model.
        mixture: What to learn.
        recipe: How.
        state: Filled, before each record, with what ``training`` needs to go on from there; where it is not
            empty, training goes on from it. The model's own weights are the caller's to keep.
        until: Stop after this step, as the mixture changes there; the recipe's last if not given.
    """
    state = {} if state is None else state
    optimizers = _optimizers(model, recipe)
    for optimizer, saved in zip(optimizers, state.get("optimizers", []), strict=False):
        optimizer.load_state_dict(saved)
    start, tokens, examples = state.get("step", 0), state.get("tokens", 0), state.get("examples", 0)
    begun = time.perf_counter() - state.get("seconds", 0.0)
    attention = model.config._attn_implementation or "sdpa"
    model.set_attn_implementation("eager")  # its backward pass is 1.4 times as fast on short rows
    model.train()
    batches = steps(mixture, tokenizer, recipe.rows, recipe.parts, start)
    for step in range(start, recipe.steps if until is None else min(until, recipe.steps)):
        parts = next(batches)
        loss = _learn(model, parts, optimizers, recipe, recipe.rate(step))
        tokens += sum(part.tokens for part in parts)
        examples += sum(part.examples for part in parts)
        seconds = time.perf_counter() - begun
        state.update(step=step + 1, tokens=tokens, examples=examples, seconds=seconds)
        state["optimizers"] = [optimizer.state_dict() for optimizer in optimizers]
        yield Record(step + 1, loss, tokens, examples, seconds)
    model.eval()
    model.set_attn_implementation(attention)


def _optimizers(model: PreTrainedModel, recipe: Recipe) -> list[torch.optim.Optimizer]:
    inside, matrices, vectors = [], [], []
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            is_inside = weight.dim() == 2 and ".layers." in name and recipe.optimizer == "muon"
            (inside if is_inside else matrices if weight.dim() > 1 else vectors).append(weight)
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.95), fused=True)
    if not inside:
        return [adam]
    muon = torch.optim.Muon(
        inside,
        lr=recipe.matrix_lr,
        weight_decay=recipe.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    return [adam, muon]


def _learn(
    model: PreTrainedModel,
    parts: list[Batch],
    optimizers: list[torch.optim.Optimizer],
    recipe: Recipe,
    rate: float,
) -> float:
    """Take one step on the mean loss over all tokens of all parts; return it."""
    learned = sum(int((part.labels[:, 1:] >= 0).sum()) for part in parts)
    total = 0.0
    for part in parts:
        loss = _summed_loss(model, part) / learned
        loss.backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
    highest = [recipe.lr, recipe.matrix_lr]
    for optimizer, lr in zip(optimizers, highest, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = lr * rate
        optimizer.step()
        optimizer.zero_grad()
    return total


def _summed_loss(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Return the loss summed over what is to be learned; logits are computed there alone."""
    wanted = batch.labels[:, 1:] >= 0
    head = model.get_output_embeddings()
    assert head is not None  # a causal language model has one
    with torch.autocast("cpu", dtype=torch.bfloat16):
        # Rows are padded on the right, and no token looks ahead, so no mask is needed.
        hidden_states = model.base_model(input_ids=batch.input_ids[:, :-1], use_cache=False)[0]
        logits = head(hidden_states[wanted])
    return cross_entropy(logits.float(), batch.labels[:, 1:][wanted], reduction="sum")

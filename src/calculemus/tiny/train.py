"""Training on generated problems: the model that ships, its relatives, any other causal language model."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from calculemus.params import AtLeast
from calculemus.tiny.data import Batch, Mixture, steps
from calculemus.tuning.fitting import Fit, fitting


@dataclass(frozen=True)
class Recipe(Fit):
    """How to train, how long, and on how much at once.

    Attributes:
        rows: Examples a step.
        parts: Batches a step; see ``data.steps``.
    """

    rows: Annotated[int, AtLeast(1)] = 128
    parts: Annotated[int, AtLeast(1)] = 4


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
    old: Mixture | None = None,
    rehearsal: float = 0.0,
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
        old: What the model learned before.
        rehearsal: Share of the rows that are of that.
    """
    state = {} if state is None else state
    attention = model.config._attn_implementation or "sdpa"
    model.set_attn_implementation("eager")  # its backward pass is 1.4 times as fast on short rows
    start = state.get("step", 0)
    batches = steps(mixture, tokenizer, recipe.rows, recipe.parts, start, old, rehearsal)
    counted = _counted(batches, state)
    for record in fitting(model, counted, _summed_loss, recipe, state=state, until=until):
        yield Record(record.step, record.loss, state["tokens"], state["examples"], record.seconds)
    model.set_attn_implementation(attention)


def _counted(batches: Iterator[list[Batch]], state: dict[str, Any]) -> Iterator[list[Batch]]:
    """Pass batches on, and count them in the state."""
    for parts in batches:
        for unit in ("tokens", "examples"):
            state[unit] = state.get(unit, 0) + sum(getattr(part, unit) for part in parts)
        yield parts


def _summed_loss(model: PreTrainedModel, batch: Batch) -> tuple[torch.Tensor, int]:
    """Return the loss summed over what is to be learned; logits are computed there alone."""
    wanted = batch.labels[:, 1:] >= 0
    head = model.get_output_embeddings()
    assert head is not None  # a causal language model has one
    with torch.autocast("cpu", dtype=torch.bfloat16):
        # Rows are padded on the right, and no token looks ahead, so no mask is needed.
        hidden_states = model.base_model(input_ids=batch.input_ids[:, :-1], use_cache=False)[0]
        logits = head(hidden_states[wanted])
    loss = cross_entropy(logits.float(), batch.labels[:, 1:][wanted], reduction="sum")
    return loss, int(wanted.sum())

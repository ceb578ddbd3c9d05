"""A copy of a model learns to answer, behind any part of a solution, a question about it with one token.

The question may stand behind several places of one solution: all of them are asked in one pass, each seeing
the solution up to its place and itself alone.

Source: Manvi et al. 2024, arXiv:2410.02725, section 3.1: cross-entropy of the token that answers, beside the
language model's loss on the model's own samples.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from calculemus.errors import InvalidParameterError
from calculemus.events import track
from calculemus.rng import Rng
from calculemus.tuning.copying import CopyFit, fast_attention, language_loss, orders
from calculemus.tuning.deepening import only_layers, only_top, top_of
from calculemus.tuning.fitting import fitting


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt and one solution of it, and the places behind which the question is asked.

    Attributes:
        ids: Tokens of prompt and solution.
        n_prompt: How many of them are the prompt's.
        places: How many of the tokens stand before each question.
        shares: For each question the probability of the answer "no".
        count: How many equal rows it stands for.
    """

    ids: tuple[int, ...]
    n_prompt: int
    places: tuple[int, ...]
    shares: tuple[float, ...]
    count: int = 1


@dataclass(frozen=True, slots=True)
class Question:
    """A question in tokens.

    Attributes:
        ids: What is asked.
        yes: The token that says yes.
        no: The token that says no.
    """

    ids: tuple[int, ...]
    yes: int
    no: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows with their questions behind them.

    Attributes:
        input_ids: (row, token).
        positions: (row, token).
        sees: (row, token, token) whether the first token attends to the second.
        weights: (row, token) of the language model's loss: ``count`` in solutions, 0 elsewhere.
        answers_at: (question, 2) row and token behind which each answer comes.
        shares: (question,) probability of "no".
        counts: (question,).
        n_rows: Rows, equal ones counted as often as they are.
    """

    input_ids: Tensor
    positions: Tensor
    sees: Tensor
    weights: Tensor
    answers_at: Tensor
    shares: Tensor
    counts: Tensor
    n_rows: int


def collate(rows: Sequence[Asked], question: Question) -> Batch:
    """Return rows as one batch."""
    n_asked = len(question.ids)
    width = max(len(row.ids) + n_asked * len(row.places) for row in rows)
    input_ids = torch.zeros((len(rows), width), dtype=torch.long)
    positions = torch.arange(width).repeat(len(rows), 1)
    sees = torch.ones((width, width), dtype=torch.bool).tril().repeat(len(rows), 1, 1)
    weights = torch.zeros((len(rows), width))
    answers_at: list[tuple[int, int]] = []
    for i, row in enumerate(rows):
        n = len(row.ids)
        input_ids[i, :n] = torch.tensor(row.ids)
        weights[i, row.n_prompt : n] = row.count
        for number, place in enumerate(row.places):
            start = n + number * n_asked
            stop = start + n_asked
            input_ids[i, start:stop] = torch.tensor(question.ids)
            positions[i, start:stop] = torch.arange(place, place + n_asked)
            sees[i, start:stop, place:start] = False
            answers_at.append((i, stop - 1))
    return Batch(
        input_ids,
        positions,
        sees,
        weights,
        torch.tensor(answers_at),
        torch.tensor([share for row in rows for share in row.shares]),
        torch.tensor([float(row.count) for row in rows for _ in row.shares]),
        sum(row.count for row in rows),
    )


def answer_logits(model: Any, batch: Batch, hidden_states: Tensor) -> Tensor:
    """Return (question, token) logits of the answers."""
    rows, places = batch.answers_at.T
    return model.get_output_embeddings()(hidden_states[rows, places]).float()


def hidden(model: Any, batch: Batch, top: int = 0) -> Tensor:
    """Return (row, token, d_model) the last hidden states.

    Args:
        model: The model.
        batch: What it reads.
        top: Only so many layers at the end get gradients; 0 gives them to all.
    """
    mask = torch.zeros(batch.sees.shape).masked_fill(~batch.sees, torch.finfo(torch.float32).min)
    seen = {"attention_mask": mask[:, None], "position_ids": batch.positions, "use_cache": False}
    if not top:
        return model.base_model(input_ids=batch.input_ids, **seen)[0]
    first, n = top_of(model, top)
    with torch.no_grad(), only_layers(model, 0, first, has_norm=False):
        streams = model.base_model(input_ids=batch.input_ids, **seen)[0]
    with only_layers(model, first, n):
        return model.base_model(inputs_embeds=streams.float(), **seen)[0]


def summed_loss(model: Any, batch: Batch, question: Question, fit: CopyFit) -> tuple[Tensor, int]:
    """Return the loss summed over the rows of a batch, and how many rows it stands for."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fit.dtype == "bfloat16"):
        hidden_states = hidden(model, batch, fit.top)
        logits = answer_logits(model, batch, hidden_states)
    logprobs = nn.functional.log_softmax(logits, dim=-1)
    chosen = batch.shares * logprobs[:, question.no] + (1 - batch.shares) * logprobs[:, question.yes]
    total = -(chosen * batch.counts).sum()
    if fit.lm_weight:
        lm = language_loss(model, hidden_states, batch.input_ids, batch.weights, fit)
        total = total + fit.lm_weight * lm
    return total, batch.n_rows


def fit_self_judge(
    model: Any, rows: Sequence[Asked], question: Question, fit: CopyFit, rng: Rng
) -> list[float]:
    """Train a model in place to answer the question; return the loss of each step.

    Args:
        model: A Hugging Face causal language model in float32 that takes masks of any form; changed.
        rows: What to learn from.
        question: What is asked.
        fit: How.
        rng: Names the order of the rows.

    Raises:
        InvalidParameterError: There is no row, or one without a question.
    """
    if not rows or any(not row.places for row in rows):
        raise InvalidParameterError(
            f"fitting a model that judges itself: there are {len(rows)} rows, each of which needs a place to "
            "ask behind; expected at least one row, and one place a row"
        )

    def loss(trained: Any, batch: Batch) -> tuple[Tensor, int]:
        return summed_loss(trained, batch, question, fit)

    n_steps = fit.steps(len(rows))
    with fast_attention(model):
        only = only_top(model, fit.top) if fit.top else None
        drawn = _batches(rows, question, fit, n_steps, rng)
        steps = fitting(model, drawn, loss, fit.fit(len(rows)), only=only)
        return [record.loss for record in track(steps, "fitting a model that judges itself", n_steps)]


def _batches(
    rows: Sequence[Asked], question: Question, fit: CopyFit, n_steps: int, rng: Rng
) -> Iterator[list[Batch]]:
    for taken in orders(len(rows), n_steps, fit.rows, rng):
        ranked = sorted((rows[place] for place in taken), key=lambda row: len(row.ids))
        width = -(-len(ranked) // fit.parts)
        yield [collate(ranked[at : at + width], question) for at in range(0, len(ranked), width)]


@torch.no_grad()
def chances_of_no(model: Any, rows: Sequence[Asked], question: Question) -> list[tuple[float, ...]]:
    """Return for each row the chance of "no" against "yes" behind each of its places."""
    found: list[tuple[float, ...]] = [()] * len(rows)
    order = sorted(range(len(rows)), key=lambda place: len(rows[place].ids))
    model.eval()
    with fast_attention(model):
        for start in range(0, len(order), 64):
            some = order[start : start + 64]
            batch = collate([rows[place] for place in some], question)
            logits = answer_logits(model, batch, hidden(model, batch))
            chances = torch.sigmoid(logits[:, question.no] - logits[:, question.yes]).tolist()
            for place in some:
                n = len(rows[place].places)
                found[place], chances = tuple(chances[:n]), chances[n:]
    return found

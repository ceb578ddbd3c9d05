"""Verifiers: a copy of a model learns to say, behind every token of a solution, how it will end.

    fitted = fit_verifier(model, rows, ValueFit(), rng)
    values = values_of(model, fitted, rows)

Source: Yu et al. 2023, arXiv:2311.09724 (OVM), section 3.2 and the authors' code: the value of a token is
w . dropout(gain * h + shift) of its last hidden state h, with w the mean output embedding at first; the loss
of a solution is the squared errors of its tokens, summed, and the cross-entropy of a language model on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from calculemus.errors import InvalidParameterError
from calculemus.events import track
from calculemus.params import Between
from calculemus.rng import Rng
from calculemus.tuning.copying import CopyFit, fast_attention, language_loss
from calculemus.tuning.deepening import is_top, running_top
from calculemus.tuning.fitting import fitting
from calculemus.tuning.value_rows import Batch, Labelled, batches, check_rows, collate

Squash = Literal["none", "sigmoid", "tanh"]
_SQUASHES = {"none": lambda x: x, "sigmoid": torch.sigmoid, "tanh": torch.tanh}
_AT_ONCE = 64


@dataclass(frozen=True)
class ValueFit(CopyFit):
    """How a verifier is fitted.

    Attributes:
        loss: ``squared``, or ``cross_entropy`` of labels from 0 to 1, which needs ``sigmoid``.
        squash: What the head's sum goes through.
        dropout: Share of the head's inputs that are dropped.
    """

    loss: Literal["squared", "cross_entropy"] = "squared"
    squash: Squash = "sigmoid"
    dropout: Annotated[float, Between(0, 1, open_right=True)] = 0.2  # OVM's code

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss == "cross_entropy" and self.squash != "sigmoid":
            raise InvalidParameterError(
                f"ValueFit: parameter 'squash' is {self.squash!r} with loss='cross_entropy'; expected "
                "'sigmoid', as only a value from 0 to 1 is a probability. Set it, or take loss='squared'"
            )


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit found: the value of a hidden state h is ``squash(weight . h + bias)``.

    Attributes:
        weight: (d_model,).
        bias: Added.
        squash: See ``ValueFit``.
        losses: Of each step, a solution.
    """

    weight: Tensor
    bias: float
    squash: Squash
    losses: Sequence[float] = ()


class Verifier(nn.Module):
    """A language model with a value head, as it is trained.

    Attributes:
        model: The Hugging Face module; changed by training.
        weight: (d_model,) of the head.
        gain: Times the hidden states.
        shift: Added to them.
        bias: Added to the head's sum.
    """

    def __init__(self, model: Any, dropout: float, rng: Rng, start: Fitted | None = None) -> None:
        super().__init__()
        self.model = model
        embeddings = model.get_output_embeddings().weight
        weight = embeddings.detach().float().mean(dim=0) if start is None else start.weight
        self.weight = nn.Parameter(weight.clone())
        self.gain = nn.Parameter(torch.ones(1))
        self.shift = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.tensor([0.0 if start is None else start.bias]))
        self._dropout = dropout
        self._draws = torch.Generator().manual_seed(rng.key % 2**63)

    def sums(self, hidden_states: Tensor) -> Tensor:
        """Return what is squashed, one for each hidden state (..., d_model)."""
        inputs = self.gain * hidden_states + self.shift
        if self.training and self._dropout:
            kept = torch.rand(inputs.shape, generator=self._draws) >= self._dropout
            inputs = inputs * kept / (1 - self._dropout)
        return inputs @ self.weight + self.bias

    def fold(self, squash: Squash, losses: Sequence[float]) -> Fitted:
        """Return the head as one linear map."""
        weight = self.weight.detach().double()
        bias = self.shift.item() * weight.sum().item() + self.bias.item()
        return Fitted((self.gain.item() * weight).float(), bias, squash, tuple(losses))


def summed_loss(verifier: Verifier, batch: Batch, fit: ValueFit) -> tuple[Tensor, int]:
    """Return the loss of a batch, summed over its rows, and how many rows it stands for.

    The values of a row are summed over its tokens and not divided by their number, as OVM's code does.
    """
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fit.dtype == "bfloat16"):
        given = {"input_ids": batch.input_ids} if batch.streams is None else {"inputs_embeds": batch.streams}
        hidden_states = verifier.model.base_model(**given, use_cache=False)[0]
    counts = batch.counts[:, None].expand(batch.labels.shape)
    is_labelled = ~batch.labels.isnan()
    sums = verifier.sums(hidden_states[is_labelled].float())
    wanted, times = batch.labels[is_labelled], counts[is_labelled]
    if fit.loss == "cross_entropy":
        losses = nn.functional.binary_cross_entropy_with_logits(sums, wanted, reduction="none")
    else:
        losses = (_SQUASHES[fit.squash](sums) - wanted) ** 2
    total = (losses * times).sum()
    if fit.lm_weight and not fit.top:  # a body that is not trained forgets nothing
        weights = counts * batch.is_solution
        total = total + fit.lm_weight * language_loss(
            verifier.model, hidden_states, batch.input_ids, weights, fit
        )
    return total, round(batch.counts.sum().item())


def fit_verifier(
    model: Any, rows: Sequence[Labelled], fit: ValueFit, rng: Rng, start: Fitted | None = None
) -> Fitted:
    """Train a model in place as a verifier; return its head.

    Args:
        model: A Hugging Face causal language model in float32; changed.
        rows: What to learn from.
        fit: How.
        rng: Names the order of the rows and what is dropped.
        start: The head to begin with, where the model was fitted before; None for the mean output embedding.

    Raises:
        InvalidParameterError: There is no row, or a row whose labels are not one for each solution token.
    """
    check_rows(rows)
    verifier = Verifier(model, fit.dropout, rng.child("dropout"), start)
    n_steps = fit.steps(len(rows))

    def loss(trained: Verifier, batch: Batch) -> tuple[Tensor, int]:
        return summed_loss(trained, batch, fit)

    with fast_attention(model), running_top(model, [row.ids for row in rows], fit) as streams:
        drawn = batches(rows, n_steps, fit.rows, fit.parts, rng.child("order"), streams)
        steps = fitting(verifier, drawn, loss, fit.fit(len(rows)), only=is_top if fit.top else None)
        losses = [record.loss for record in track(steps, "fitting a verifier", n_steps)]
    return verifier.fold(fit.squash, losses)


@torch.no_grad()
def values_of(model: Any, fitted: Fitted, rows: Sequence[Labelled]) -> list[tuple[float, ...]]:
    """Return the value behind each token of each row's solution."""
    squash = _SQUASHES[fitted.squash]
    found: list[tuple[float, ...]] = [()] * len(rows)
    order = sorted(range(len(rows)), key=lambda place: len(rows[place].ids))
    model.eval()
    for start in range(0, len(order), _AT_ONCE):
        places = order[start : start + _AT_ONCE]
        batch = collate([rows[place] for place in places])
        hidden_states = model.base_model(input_ids=batch.input_ids, use_cache=False)[0]
        values = squash(hidden_states.float() @ fitted.weight + fitted.bias)
        for at, place in enumerate(places):
            row = rows[place]
            found[place] = tuple(values[at, row.n_prompt : len(row.ids)].tolist())
    return found

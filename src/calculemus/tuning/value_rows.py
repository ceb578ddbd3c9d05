"""Solutions with a label for each token, and batches of them, for training verifiers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from calculemus.errors import InvalidParameterError
from calculemus.rng import Rng
from calculemus.tuning.copying import orders


@dataclass(frozen=True, slots=True)
class Labelled:
    """A prompt and one solution of it as tokens, with what each token's value should be.

    Attributes:
        ids: Of prompt and solution.
        n_prompt: How many of them are the prompt's.
        labels: One for each token of the solution; NaN where there is none.
        later: Labels that take the place of ``labels`` little by little, over the whole fit; None for none.
        count: How many equal rows it stands for.
    """

    ids: tuple[int, ...]
    n_prompt: int
    labels: tuple[float, ...]
    later: tuple[float, ...] | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows padded on the right: no token looks ahead, so no mask is needed.

    Attributes:
        input_ids: (row, token).
        labels: (row, token), NaN where there is none.
        is_solution: (row, token).
        counts: (row,).
        streams: (row, token, d_model) what the layers get that are trained; None where all of them are.
    """

    input_ids: Tensor
    labels: Tensor
    is_solution: Tensor
    counts: Tensor
    streams: Tensor | None = None


def collate(
    rows: Sequence[Labelled], share_later: float = 0.0, streams: Sequence[Tensor] | None = None
) -> Batch:
    """Return rows as one batch.

    Args:
        rows: At least one.
        share_later: How much of the labels is taken from ``later`` where a row has it.
        streams: Of each row, where not all layers are trained.
    """
    width = max(len(row.ids) for row in rows)
    input_ids = torch.zeros((len(rows), width), dtype=torch.long)
    labels = torch.full((len(rows), width), torch.nan)
    is_solution = torch.zeros((len(rows), width), dtype=torch.bool)
    for place, row in enumerate(rows):
        n = len(row.ids)
        input_ids[place, :n] = torch.tensor(row.ids)
        own = torch.tensor(row.labels)
        if row.later is not None:
            own = (1 - share_later) * own + share_later * torch.tensor(row.later)
        labels[place, row.n_prompt : n] = own
        is_solution[place, row.n_prompt : n] = True
    counts = torch.tensor([float(row.count) for row in rows])
    padded = None if streams is None else nn.utils.rnn.pad_sequence(list(streams), True).float()
    return Batch(input_ids, labels, is_solution, counts, padded)


def check_rows(rows: Sequence[Labelled]) -> None:
    """See that there are rows, and a label for each token of their solutions.

    Raises:
        InvalidParameterError: There is no row, or one with too many or too few labels.
    """
    if not rows:
        raise InvalidParameterError("fitting a verifier: there are no rows; expected at least one")
    for place, row in enumerate(rows):
        n = len(row.ids) - row.n_prompt
        for labels in (row.labels, row.later):
            if labels is not None and len(labels) != n:
                raise InvalidParameterError(
                    f"fitting a verifier: row {place} has {len(labels)} labels and {n} tokens behind its "
                    "prompt; expected one label for each, NaN where there is none"
                )


def batches(
    rows: Sequence[Labelled],
    n_steps: int,
    n_rows: int,
    parts: int,
    rng: Rng,
    streams: Sequence[Tensor] | None = None,
) -> Iterator[list[Batch]]:
    """Yield the batches of one step after another.

    Args:
        rows: What is gone through, in a new order each time.
        n_steps: Steps in all; ``later`` labels are reached with the last one.
        n_rows: Rows a step.
        parts: Batches a step, from short rows to long ones.
        rng: Names the orders.
        streams: See ``collate``.
    """
    for step, taken in enumerate(orders(len(rows), n_steps, n_rows, rng)):
        ranked = sorted(taken, key=lambda place: len(rows[place].ids))
        width = -(-len(ranked) // parts)
        share = step / max(1, n_steps - 1)
        cut = [ranked[at : at + width] for at in range(0, len(ranked), width)]
        yield [
            collate([rows[i] for i in part], share, None if streams is None else [streams[i] for i in part])
            for part in cut
        ]

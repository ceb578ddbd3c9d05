"""Tasks of causal language models: prompts, each with the one completion that counts as right."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from calculemus.errors import InvalidParameterError
from calculemus.rng import Rng
from calculemus.tuning.blending import Call
from calculemus.tuning.tasks import Split

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt and its completion."""

    prompt: str
    completion: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows as tokens, padded on the right: no token looks ahead, so no mask is needed.

    Attributes:
        input_ids: (row, token).
        labels: (row, token) the ids that a completion has, and its end; ``IGNORED`` elsewhere.
    """

    input_ids: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class TextTask:
    """Completing prompts, one right completion each.

    Attributes:
        name: Of the task.
        train: Rows to learn from, and to draw prompts from.
        dev: Rows to choose settings by.
        test: Rows that nothing was chosen by.
        tokenizer: Of the models; it must have a token that ends a text.
    """

    name: str
    train: Sequence[Row]
    dev: Sequence[Row]
    test: Sequence[Row]
    tokenizer: "PreTrainedTokenizerBase"

    def rows(self, n: int, rng: Rng) -> Encoded:
        """Draw rows to learn from."""
        return encode(self._drawn(n, rng), self.tokenizer)

    def batch(self, n: int, rng: Rng) -> Encoded:
        """Draw prompts; there are no labels but where the completion would begin."""
        bare = [Row(row.prompt, "") for row in self._drawn(n, rng)]
        return encode(bare, self.tokenizer)

    def _drawn(self, n: int, rng: Rng) -> list[Row]:
        return [self.train[i] for i in rng.generator().integers(len(self.train), size=n).tolist()]

    def logits(self, call: Call, batch: Encoded) -> Tensor:
        """Return (answer, token) logits at every place where a token of a completion is to come."""
        logits = call(input_ids=batch.input_ids[:, :-1], use_cache=False).logits
        return logits.float()[batch.labels[:, 1:] != IGNORED]

    def loss(self, model: nn.Module, batch: Encoded) -> tuple[Tensor, int]:
        """Return the cross-entropy summed over the tokens of the completions, and their number."""
        logits = self.logits(model, batch)
        wanted = batch.labels[:, 1:]
        wanted = wanted[wanted != IGNORED]
        return nn.functional.cross_entropy(logits, wanted, reduction="sum"), len(wanted)

    def mean_loss(self, model: nn.Module, split: Split) -> float:
        """Return the cross-entropy a token on a split, in nats."""
        total, n = 0.0, 0
        with torch.no_grad():
            for _, batch in self._batches(split):
                summed, count = self.loss(model, batch)
                total, n = total + float(summed), n + count
        return total / n

    def outcomes(self, model: nn.Module, split: Split) -> Mapping[str, float]:
        """Return 1 or 0 for each row of a split: whether greedy decoding gives its completion.

        It does if each token is the likeliest behind those before it, which one forward pass tells.
        """
        found: dict[str, float] = {}
        with torch.no_grad():
            for start, batch in self._batches(split):
                likeliest = model(input_ids=batch.input_ids[:, :-1], use_cache=False).logits.argmax(dim=-1)
                wanted = batch.labels[:, 1:]
                right = ((likeliest == wanted) | (wanted == IGNORED)).all(dim=1).tolist()
                found |= {f"{self.name}/{split}/{start + i}": float(ok) for i, ok in enumerate(right)}
        return found

    def _batches(self, split: Split) -> Iterator[tuple[int, Encoded]]:
        rows = self.dev if split == "dev" else self.test
        for start in range(0, len(rows), _AT_ONCE):
            yield start, encode(rows[start : start + _AT_ONCE], self.tokenizer)


def batches(task: TextTask, rng: Rng, n: int = 128) -> Iterator[Sequence[Encoded]]:
    """Yield batches to learn from without end."""
    step = 0
    while True:
        yield [task.rows(n, rng.child(task.name, step))]
        step += 1


def encode(rows: Sequence[Row], tokenizer: "PreTrainedTokenizerBase") -> Encoded:
    """Return rows as tokens, each with the mark of the end behind its completion.

    Raises:
        InvalidParameterError: There is no row, or the tokenizer has no mark of the end.
    """
    end = tokenizer.eos_token_id
    if not rows or not isinstance(end, int):
        raise InvalidParameterError(
            f"encoding {len(rows)} rows with the tokenizer '{tokenizer.name_or_path}', whose mark of the end "
            f"is {end!r}; expected at least one row, and a tokenizer with an eos_token"
        )
    prompts = _ids([row.prompt for row in rows], tokenizer)
    completions = [[*ids, end] for ids in _ids([row.completion for row in rows], tokenizer)]
    width = max(len(a) + len(b) for a, b in zip(prompts, completions, strict=True))
    input_ids = torch.full((len(rows), width), end)
    labels = torch.full((len(rows), width), IGNORED)
    for i, (asked, told) in enumerate(zip(prompts, completions, strict=True)):
        input_ids[i, : len(asked) + len(told)] = torch.tensor(asked + told)
        labels[i, len(asked) : len(asked) + len(told)] = torch.tensor(told)
    return Encoded(input_ids, labels)


def _ids(texts: list[str], tokenizer: Any) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=False)["input_ids"]

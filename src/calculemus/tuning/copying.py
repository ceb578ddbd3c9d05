"""Copies of a model that learn something more: opened, trained, and written with tokenizer and settings."""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from calculemus.errors import CheckpointError
from calculemus.params import AtLeast, Between, Configured, digest
from calculemus.rng import Rng
from calculemus.tuning.fitting import Fit
from calculemus.tuning.quiet import quiet

_KEPT = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.jinja", "*.model", "*.toml")


@dataclass(frozen=True)
class CopyFit(Configured):
    """How a copy is trained on solutions.

    Attributes:
        lm_weight: Of the cross-entropy of the solutions' tokens, which the copy must not forget; that of what
            is new has weight 1.
        epochs: How often each row is gone through.
        rows: Rows that a step learns from, equal ones counted once.
        parts: Batches that a step is cut into, from short rows to long ones.
        optimizer: See ``Fit``.
        lr: Highest rate of AdamW.
        matrix_lr: Highest rate of Muon.
        warmup: Share of the steps.
        cooldown: Share of the steps.
        weight_decay: Of matrices.
        dtype: Of what the model computes; weights, heads and losses are in float32.
        top: Train only so many layers at the end, and the last norm; 0 trains everything. What these layers
            get may be kept: for each token ``d_model`` numbers.
    """

    lm_weight: Annotated[float, AtLeast(0)] = 1.0  # OVM, section 3.2: both losses are added
    epochs: Annotated[float, AtLeast(0)] = 1.0  # OVM, appendix: one epoch
    rows: Annotated[int, AtLeast(1)] = 64
    parts: Annotated[int, AtLeast(1)] = 4
    optimizer: Literal["muon", "adamw"] = "muon"
    lr: Annotated[float, AtLeast(0)] = 1e-3
    matrix_lr: Annotated[float, AtLeast(0)] = 3e-3
    warmup: Annotated[float, Between(0, 1)] = 0.1
    cooldown: Annotated[float, Between(0, 1)] = 0.5
    weight_decay: Annotated[float, AtLeast(0)] = 0.05
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    top: Annotated[int, AtLeast(0)] = 0

    def steps(self, n_rows: int) -> int:
        """Return the number of steps for so many rows."""
        return round(self.epochs * n_rows / self.rows) or int(self.epochs > 0)

    def fit(self, n_rows: int) -> Fit:
        """Return how the one loop is to train on so many rows."""
        steps = self.steps(n_rows)
        return Fit(
            steps=steps,
            optimizer=self.optimizer,
            lr=self.lr,
            matrix_lr=self.matrix_lr,
            weight_decay=self.weight_decay,
            warmup=max(1, round(self.warmup * steps)),
            cooldown=self.cooldown,
        )


@contextmanager
def fast_attention(model: Any) -> Iterator[None]:
    """Have a model compute attention plainly for a while, which trains 1.4 times as fast on short rows."""
    before = model.config._attn_implementation or "sdpa"
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def orders(n_rows: int, n_steps: int, at_once: int, rng: Rng) -> Iterator[list[int]]:
    """Yield which rows each step learns from: all of them in a new order, again and again.

    Args:
        n_rows: How many there are.
        n_steps: How many steps.
        at_once: Rows a step.
        rng: Names the orders.
    """
    epoch = 0
    left: list[int] = []
    for _ in range(n_steps):
        while len(left) < min(at_once, n_rows):
            left += rng.child(epoch).generator().permutation(n_rows).tolist()
            epoch += 1
        yield left[:at_once]
        left = left[at_once:]


def language_loss(
    model: Any, hidden_states: Tensor, input_ids: Tensor, weights: Tensor, fit: CopyFit
) -> Tensor:
    """Return the cross-entropy of some tokens, each times its weight, summed.

    Args:
        model: Has the output layer.
        hidden_states: (row, token, d_model).
        input_ids: (row, token).
        weights: (row, token); what has 0 is not looked at, nor is the first token of a row.
        fit: Says what to compute in.
    """
    following = weights[:, 1:] > 0
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fit.dtype == "bfloat16"):
        logits = model.get_output_embeddings()(hidden_states[:, :-1][following])
    each = nn.functional.cross_entropy(logits.float(), input_ids[:, 1:][following], reduction="none")
    return (each * weights[:, 1:][following]).sum()


def open_copy(folder: Path) -> Any:
    """Return the model of a folder in float32, to be changed.

    Raises:
        CheckpointError: The folder holds no causal language model.
    """
    with quiet():
        try:
            return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"opening the model '{folder}' to train a copy of it: {str(error).splitlines()[0]}; expected "
                "a folder with a Hugging Face causal language model"
            ) from error


def save_copy(model: Any, base: Path, folder: Path) -> None:
    """Write a model whose tokenizer and settings are those of the folder it came from."""
    folder.mkdir(parents=True, exist_ok=True)
    with quiet():
        model.save_pretrained(folder)
    for path in sorted({path for pattern in _KEPT for path in base.glob(pattern)}):
        shutil.copyfile(path, folder / path.name)
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)  # the library makes them unreadable for others


def pieces(folder: Path, ids: Sequence[Sequence[int]]) -> list[list[str]]:
    """Return what each token writes, for lists of token ids of the model in a folder."""
    tokenizer: Any = _tokenizer(folder)
    known = sorted({token for some in ids for token in some})
    text = {token: tokenizer.decode([token], clean_up_tokenization_spaces=False) for token in known}
    return [[text[token] for token in some] for some in ids]


def encoded(folder: Path, text: str) -> list[int]:
    """Return the tokens of a text that goes on behind others."""
    tokenizer: Any = _tokenizer(folder)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _tokenizer(folder: Path) -> Any:
    with quiet():
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def folder_digest(folder: Path) -> str:
    """Name by content what a model's folder holds: weights, configuration, tokenizer, settings."""
    found = {}
    patterns = ("*.safetensors", "*.json", "*.model", "*.txt", "*.jinja", "*.toml")
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digest(found)

"""A small language model of sums and experts made from it: what merges of language models are tried on."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel, PreTrainedTokenizerFast

from calculemus.checkpoint import Checkpoint
from calculemus.params import AtLeast, Between, Configured, digest
from calculemus.rng import Rng
from calculemus.tiny.arith import rows
from calculemus.tiny.kept import kept
from calculemus.tiny.model import create
from calculemus.tiny.save import save
from calculemus.tiny.tokenizer import build, marks
from calculemus.tuning.fitting import Fit, fit_through
from calculemus.tuning.quiet import quiet
from calculemus.tuning.text_task import Encoded, TextTask, batches
from calculemus.tuning.threads import one_thread

_VERSION = 1  # raised when the same settings would make other weights
_CONTEXT = 64
_ROWS = 128


@dataclass(frozen=True)
class ArithRecipe(Configured):
    """How a base and its experts are made.

    Skills are operations of ``arith.OPERATIONS``, joined by ``+``, with ``@b`` behind them for the second
    language: ``mul``, ``add+sub``, ``sort@b``.

    Attributes:
        base: Skills of the base, all learned together.
        experts: Skills of each expert, learned from the base.
        base_steps: Steps of the base.
        expert_steps: Steps of an expert.
        rehearsal: Share of an expert's rows that are of the base's skills. Without them experts forget the
            other skills, and sums of such experts know nothing.
        lr: Highest learning rate of an expert.
        d_model: Width of the models.
        n_layers: Layers of the models.
        seed: Of weights and of the order of rows.
    """

    base: tuple[str, ...] = ("add", "sub", "mul", "sort", "max")
    experts: tuple[str, ...] = ("add", "sub", "mul", "sort")
    base_steps: Annotated[int, AtLeast(1)] = 300
    expert_steps: Annotated[int, AtLeast(0)] = 150
    rehearsal: Annotated[float, Between(0, 1)] = 0.5
    lr: Annotated[float, AtLeast(0)] = 1e-3
    d_model: Annotated[int, AtLeast(8)] = 64
    n_layers: Annotated[int, AtLeast(1)] = 3
    seed: Annotated[int, AtLeast(0)] = 0


@dataclass(frozen=True)
class ArithFamily:
    """A base, its experts, and their tasks, in the same order.

    Attributes:
        recipe: How they were made.
        base: What the experts were made from.
        experts: One for each task.
        tasks: One for each expert.
    """

    recipe: ArithRecipe
    base: Checkpoint
    experts: tuple[Checkpoint, ...]
    tasks: tuple[TextTask, ...]

    def model(self, checkpoint: Checkpoint | None = None) -> PreTrainedModel:
        """Return a model with the weights of a checkpoint; the base's if not given."""
        return load(checkpoint or self.base)


def load(checkpoint: Checkpoint) -> PreTrainedModel:
    """Return the language model of a checkpoint in float32, its attention computed in plain steps."""
    with quiet():
        return AutoModelForCausalLM.from_pretrained(
            checkpoint.folder, dtype=torch.float32, attn_implementation="eager"
        ).eval()


def tokenizer() -> PreTrainedTokenizerFast:
    """Return the tokenizer of all these models: each sign is a token."""
    return build(())


def skill(text: str) -> TextTask:
    """Return the task of some skills; see ``ArithRecipe``.

    Raises:
        InvalidParameterError: There is no such operation, or no such language.
    """
    operations, _, language = text.partition("@")
    parts = [rows(operation, language or "a") for operation in operations.split("+")]
    train, dev, test = ([row for part in parts for row in part[split]] for split in ("train", "dev", "test"))
    return TextTask(text, train, dev, test, tokenizer())


def together(skills: Sequence[str]) -> TextTask:
    """Return one task of several skills, each drawn as often as it has rows."""
    tasks = [skill(text) for text in skills]
    return TextTask(
        name=",".join(skills),
        train=[row for task in tasks for row in task.train],
        dev=[row for task in tasks for row in task.dev],
        test=[row for task in tasks for row in task.test],
        tokenizer=tasks[0].tokenizer,
    )


def arith_family(recipe: ArithRecipe | None = None, cache: Path | None = None) -> ArithFamily:
    """Return a base and its experts; train them where the cache has none, in a minute or two."""
    recipe = recipe or ArithRecipe()
    name = f"arith-{digest([recipe.params(), _VERSION])[:16]}"
    folder = kept(name, lambda made: _make(recipe, made), cache)
    experts = tuple(Checkpoint.open(folder / text) for text in recipe.experts)
    return ArithFamily(recipe, Checkpoint.open(folder / "base"), experts, tuple(map(skill, recipe.experts)))


def fresh(recipe: ArithRecipe) -> PreTrainedModel:
    """Return a model of the recipe's size with new weights."""
    end, pad = marks(tokenizer())
    config = LlamaConfig(
        vocab_size=len(tokenizer()),
        hidden_size=recipe.d_model,
        intermediate_size=3 * recipe.d_model,
        num_hidden_layers=recipe.n_layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=_CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
    )
    model = create(config, Rng(recipe.seed).child("arith"))
    model.set_attn_implementation("eager")  # quicker than the others on rows this short
    return model


def mixed(parts: Mapping[str, float], rng: Rng, n: int = _ROWS) -> Iterator[Sequence[Encoded]]:
    """Yield what steps learn from, without end: rows of several skills, in shares.

    Args:
        parts: For each text of skills its share of the rows; see ``together`` for texts of several.
        rng: Names the draws.
        n: Rows of a step, all skills together.
    """
    shares = {text: round(n * share) for text, share in parts.items()}
    streams = [
        batches(together(text.split(",")), rng.child(text), rows) for text, rows in shares.items() if rows
    ]
    while True:
        yield [part for stream in streams for part in next(stream)]


def _make(recipe: ArithRecipe, folder: Path) -> None:
    rng, everything = Rng(recipe.seed, ("arith",)), ",".join(recipe.base)
    loss = skill(recipe.base[0]).loss  # the same for all tasks of one tokenizer
    with one_thread():
        base = fresh(recipe)
        fit_through(base, mixed({everything: 1.0}, rng.child("base")), loss, Fit(steps=recipe.base_steps))
        save(base, tokenizer(), folder / "base")
        fit = Fit(steps=recipe.expert_steps, optimizer="adamw", lr=recipe.lr, warmup=10, weight_decay=0.0)
        for text in recipe.experts:
            expert = copy.deepcopy(base)
            shares = {text: 1 - recipe.rehearsal, everything: recipe.rehearsal}
            fit_through(expert, mixed(shares, rng.child("expert", text)), loss, fit)
            save(expert, tokenizer(), folder / text)

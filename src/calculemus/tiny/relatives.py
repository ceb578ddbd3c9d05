"""Relatives of a model, made when first asked for: a drafter, and experts fine-tuned from it.

A relative is kept in a folder whose name has a digest of everything that made it: the weights it came from,
what it learned, how, and for how long. Any causal language model can be the base.

Experts rehearse: half of what they learn from is what the model that ships was last trained on. Without that
they forget the other skills, and what is merged from them knows least of the one that is furthest away.
"""

import copy
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from calculemus.errors import InvalidParameterError
from calculemus.params import Between, Configured, digest
from calculemus.rng import Rng
from calculemus.tiny.data import Mixture
from calculemus.tiny.kept import kept
from calculemus.tiny.model import create
from calculemus.tiny.save import save
from calculemus.tiny.shipped import PHASES
from calculemus.tiny.train import Recipe, training
from calculemus.tuning.quiet import quiet
from calculemus.tuning.threads import one_thread

_VERSION = 2  # raised when the same settings would make other weights
_, REHEARSED = PHASES[-1]
_EVEN = {"levels": (2, 3, 4), "weights": (1.0, 1.0, 1.0)}


@dataclass(frozen=True)
class Relative(Configured):
    """How a relative is made.

    Attributes:
        mixture: What it learns.
        recipe: How.
        rehearsal: Share of the rows that are of what the base learned last, if it is the model that ships.
        is_fresh: Begins with new weights in half the width and half the layers, which leaves about an eighth
            of the matrices inside; else with the base's own.
    """

    mixture: Mixture
    recipe: Recipe
    rehearsal: Annotated[float, Between(0, 1)] = 0.0
    is_fresh: bool = False


def _expert(steps: int = 100, **mixture: Any) -> Relative:
    recipe = Recipe(steps=steps, lr=1e-3, matrix_lr=1e-3, warmup=10, cooldown=0.5)
    return Relative(Mixture(**{**_EVEN, **mixture}), recipe, rehearsal=0.5)


KINDS: dict[str, Relative] = {
    "drafter": Relative(Mixture(drills=0.3), Recipe(steps=400), is_fresh=True),
    "additive": _expert(ops="add+sub", seed=1),
    "multiplicative": _expert(ops="mul+div+share+rate", seed=2),
    "programs": _expert(programs=1.0, seed=3),
    "calculese": _expert(steps=300, language="calculese", seed=4),
}


def find_or_train(name: str, base: Path, cache: Path | None = None) -> Path:
    """Return the folder of a relative; see ``calculemus.tiny.relative``."""
    if name not in KINDS:
        raise InvalidParameterError(
            f"making a relative: there is none named '{name}'; expected one of {', '.join(KINDS)}"
        )
    return make(name, KINDS[name], base, cache)


def make(name: str, relative: Relative, base: Path, cache: Path | None = None) -> Path:
    """Return the folder of a relative made in a way of one's own; train it where the cache has none."""
    return kept(f"{name}-{key(relative, base)[:16]}", lambda folder: _train(relative, base, folder), cache)


def key(relative: Relative, base: Path) -> str:
    """Return what names a relative: a digest of its base's files and of how it is made."""
    files = sorted([*base.glob("*.safetensors"), base / "config.json", base / "tokenizer.json"])
    hashes = [
        hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest() for file in files if file.exists()
    ]
    made = {
        "mixture": relative.mixture.params(),
        "recipe": relative.recipe.params(),
        "fresh": relative.is_fresh,
    }
    if relative.rehearsal:
        made |= {"rehearsal": relative.rehearsal, "rehearsed": REHEARSED.params()}
    return digest({"base": hashes, "version": _VERSION, **made})


def _train(relative: Relative, base: Path, folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = _smaller(base) if relative.is_fresh else load(base)
    with one_thread():
        for _ in training(
            model,
            tokenizer,
            relative.mixture,
            relative.recipe,
            old=REHEARSED,
            rehearsal=relative.rehearsal,
        ):
            pass
    save(model, tokenizer, folder)


def load(folder: Path) -> PreTrainedModel:
    """Return the model of a folder, in float32."""
    with quiet():
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def _smaller(base: Path) -> PreTrainedModel:
    """Return a fresh model of the base's kind with half its width, half its layers and half its heads."""
    config = copy.deepcopy(AutoConfig.from_pretrained(base))
    for name in (
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
    ):
        setattr(config, name, max(1, getattr(config, name) // 2))
    return create(config, Rng(0).child("tiny", "drafter"))

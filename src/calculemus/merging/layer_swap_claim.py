"""A mathematics expert of one language and an expert of another one: swapped, averaged and by themselves.

The languages share their digits and differ in their words and in the order of these: 12+34=46 in the first
is p12,34:46 in the second. The base has seen both. One expert learns sums in the first language, the other
one other things in the second, and what they become together is asked for sums in the second. Units are
families of such models, each with weights and rows of its own.
"""

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from calculemus.checkpoint import Checkpoint
from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.contest import by_family, merge, n_families, scores
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.layer_swap import LayerSwap, keep_most, sweep
from calculemus.merging.structure import plan_edit
from calculemus.params import digest
from calculemus.rng import Rng
from calculemus.tiny.arith_family import ArithFamily, ArithRecipe, fresh, skill, together, tokenizer
from calculemus.tiny.kept import kept
from calculemus.tiny.save import save
from calculemus.tuning.fitting import Fit, fit_through
from calculemus.tuning.tasks import mean_accuracy
from calculemus.tuning.text_task import Encoded, Row, TextTask, batches
from calculemus.tuning.threads import one_thread
from calculemus.tuning.weights import Weights, read_weights

AVERAGE, SWAP, WITHOUT_DATA = "linear", "layer_swap", "layer_swap, chosen without data"
LANGUAGE, MATH, BASE = "language expert", "mathematics expert", "base"
FROM_AVERAGE = Contrast("layers swapped against all averaged", AVERAGE, SWAP)
FROM_LANGUAGE = Contrast("against the language expert", LANGUAGE, SWAP)
FROM_MATH = Contrast("against the mathematics expert", MATH, SWAP)
FROM_BASE = Contrast("against the base of both", BASE, SWAP)
CHOSEN = Contrast("chosen without data, against all averaged", AVERAGE, WITHOUT_DATA)
# With one model in both places there is nothing to swap.
CONTROL = Contrast("one expert in both places", AVERAGE, SWAP, on="one expert twice")

_VERSION = 1  # raised when the same settings would make other weights
_ROW = re.compile(r"([#@!]?)(\d+)([+*?-]?)(\d*)=")
_WORDS = {"+": "p", "-": "m", "*": "t", "?": "x", "#": "s", "@": "c", "!": "r"}
_ROWS = 128


@dataclass(frozen=True)
class Setting:
    """An experiment of one size.

    Attributes:
        recipe: Shape of the models, and how long and at what rate they are trained.
        sums: What the mathematics expert learns, in the first language.
        others: What the language expert learns, in the second.
        share: Of the base's rows that are in the second language.
        rehearsal: Of the mathematics expert's rows that are of the other skills.
    """

    recipe: ArithRecipe
    sums: tuple[str, ...] = ("add", "sub")
    others: tuple[str, ...] = ("max", "sort", "copy")
    share: float = 0.3
    rehearsal: float = 0.3


_SMALL = Setting(ArithRecipe(base_steps=400, expert_steps=100, lr=5e-4, n_layers=4))
_SMOKE = Setting(
    ArithRecipe(base_steps=20, expert_steps=10, d_model=16, n_layers=3), sums=("max",), others=("copy",)
)


def in_second(task: TextTask) -> TextTask:
    """Return a task said in the second language: the word for what to do comes first."""

    def say(row: Row) -> Row:
        found = _ROW.fullmatch(row.prompt)
        assert found is not None, "every row of a skill is a sign and one or two numbers"
        numbers = ",".join(filter(None, (found[2], found[4])))
        return Row(f"{_WORDS[found[1] or found[3]]}{numbers}:", row.completion)

    splits = {split: [say(row) for row in getattr(task, split)] for split in ("train", "dev", "test")}
    return replace(task, name=f"{task.name}, second", **splits)


def mixed(parts: Sequence[tuple[TextTask, float]], rng: Rng) -> Iterator[Sequence[Encoded]]:
    """Yield what steps learn from, without end: rows of several tasks, in shares."""
    streams = [batches(task, rng.child(task.name), round(share * _ROWS)) for task, share in parts]
    while True:
        yield [part for stream in streams for part in next(stream)]


def make(setting: Setting, folder: Path) -> None:
    """Train the base, the language expert and the mathematics expert."""
    recipe, rng = setting.recipe, Rng(setting.recipe.seed, ("layer_swap",))
    sums, others, both = (
        together(skills) for skills in (setting.sums, setting.others, (*setting.sums, *setting.others))
    )
    base = fresh(recipe)
    stream = mixed([(both, 1 - setting.share), (in_second(both), setting.share)], rng.child(BASE))
    fit_through(base, stream, both.loss, Fit(steps=recipe.base_steps))
    save(base, tokenizer(), folder / BASE)
    learned = {
        LANGUAGE: [(in_second(others), 1.0)],
        MATH: [(sums, 1 - setting.rehearsal), (others, setting.rehearsal)],
    }
    fit = Fit(steps=recipe.expert_steps, optimizer="adamw", lr=recipe.lr, warmup=10, weight_decay=0.0)
    for name, parts in learned.items():
        expert = copy.deepcopy(base)
        fit_through(expert, mixed(parts, rng.child(name)), both.loss, fit)
        save(expert, tokenizer(), folder / name)


def family(setting: Setting) -> ArithFamily:
    """Return the experts, the language's first, and sums in the second language as their tasks."""
    told = [setting.recipe.params(), setting.sums, setting.others, setting.share, setting.rehearsal]
    name = f"two-languages-{digest([told, _VERSION])[:16]}"
    with one_thread():
        folder = kept(name, lambda made: make(setting, made))
    experts = tuple(Checkpoint.open(folder / name) for name in (LANGUAGE, MATH))
    tasks = tuple(in_second(skill(text)) for text in setting.sums)
    return ArithFamily(setting.recipe, Checkpoint.open(folder / BASE), experts, tasks)


def swapped(experts: ArithFamily, edit: LayerSwap) -> Weights:
    """Return the weights of both experts, swapped."""
    made = merge_in_memory(plan_edit(edit, experts.experts))
    return {name: torch.from_numpy(numbers) for name, numbers in made.items()}


def best(experts: ArithFamily) -> LayerSwap:
    """Return the numbers of layers that do best on dev rows, both experts by themselves left out."""
    n_layers = experts.recipe.n_layers
    found = sweep(experts.experts, lambda edit: mean_accuracy(scores(experts, swapped(experts, edit), "dev")))
    real = {split: accuracy for split, accuracy in found.items() if sum(split) < n_layers}
    bottom, top = max(real, key=real.__getitem__)
    return LayerSwap(bottom=bottom, top=top)


def weights(arm: str, experts: ArithFamily) -> Weights:
    """Return the weights of the model of an arm."""
    if arm == AVERAGE:
        return merge(experts, AVERAGE)
    if arm == SWAP:
        return swapped(experts, best(experts))
    if arm == WITHOUT_DATA:
        return swapped(experts, keep_most(experts.experts, experts.base))
    language, math = experts.experts
    return read_weights({LANGUAGE: language, MATH: math, BASE: experts.base}[arm])


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Ask the model of an arm for sums in the second language."""
    setting = _SMOKE if lab.size == "smoke" else _SMALL

    def accuracy(seed: int) -> float:
        experts = family(replace(setting, recipe=replace(setting.recipe, seed=seed)))
        if contrast.on:
            experts = replace(experts, experts=experts.experts[:1] * 2)
        return mean_accuracy(scores(experts, weights(arm, experts)))

    return by_family(lab, n_families(lab, "sums"), accuracy)


CLAIM = Claim((FROM_AVERAGE, FROM_LANGUAGE, FROM_MATH, FROM_BASE, CHOSEN), control=CONTROL, measure=measure)

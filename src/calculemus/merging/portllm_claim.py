"""An adapter carried over to a base that was trained on, against none, a new one, and bases further away.

The base learns small sums; the adapter teaches it to reverse digits, which the base never saw. Updates of the
base go on with what it learned before, for longer and longer; in place of the last one there is the base of
the next family, which began with other weights. Units are families, each with weights and rows of its own.
"""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from calculemus.checkpoint import Checkpoint, with_adapter
from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.cost import Cost
from calculemus.merging.bench_cost import taking
from calculemus.merging.contest import by_family, n_families
from calculemus.merging.dealing import ONE, OTHER, deal, dealt
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.plan import plan_merge
from calculemus.merging.portllm import PortLLM
from calculemus.params import digest
from calculemus.rng import Rng
from calculemus.tiny.arith_family import ArithRecipe, fresh, load, mixed, skill, tokenizer
from calculemus.tiny.kept import kept
from calculemus.tiny.save import save
from calculemus.tuning.fitting import Fit, fit_through
from calculemus.tuning.low_rank import LowRank, adapting
from calculemus.tuning.tasks import measure as measure_tasks
from calculemus.tuning.threads import one_thread
from calculemus.tuning.weights import Weights, carrying, read_weights

_VERSION = 1  # raised when the same settings would make other weights
NEW = "reverse"
ALONE, AGAIN, CARRIED = "the new base alone", "an adapter trained on the new base", "portllm"
KEPT = 0.9
MOST = f"{KEPT:.0%} of the gain of an adapter trained on the new base"
# Steps of an update and its highest rate; None for the base of the next family.
UPDATES: dict[str, tuple[int, float] | None] = {
    "a small update": (50, 5e-4),
    "a long update": (100, 1e-3),
    "a very long update": (300, 1e-3),
    "a base trained anew": None,
}

KEEPS = Contrast(
    "the carried adapter against most of what a new one gains", MOST, CARRIED, on="a small update"
)
EQUAL = tuple(
    Contrast(f"the carried adapter against a new one, {on}", AGAIN, CARRIED, "equal", margin=0.05, on=on)
    for on in ("a small update", "a long update")
)
BETTER = tuple(Contrast(f"the carried adapter against none, {on}", ALONE, CARRIED, on=on) for on in UPDATES)


class _Models:
    """The models of one family; each is trained when first asked for, and kept."""

    def __init__(self, seed: int, size: str) -> None:
        is_tiny = size == "smoke"
        self._size = size
        self._recipe = ArithRecipe(d_model=16 if is_tiny else 64, experts=(), seed=seed)
        self._share = 0.03 if is_tiny else 1.0  # of all steps
        self._fit = Fit(steps=self._steps(150), optimizer="adamw", lr=5e-3, warmup=10, weight_decay=0.0)

    def _steps(self, n: int) -> int:
        return max(5, round(self._share * n))

    def _folder(self, name: str, make: Callable[[Path], None]) -> Path:
        made = digest([self._recipe.params(), self._share, self._fit.params(), UPDATES, _VERSION])

        def train(folder: Path) -> None:
            with one_thread():
                make(folder)

        return kept(f"portllm-{name.replace(' ', '-')}-{made[:16]}", train)

    def base(self, update: str = "") -> Checkpoint:
        """Return the old base, or an updated one."""
        if update and UPDATES[update] is None:
            return _Models(self._recipe.seed + 1, self._size).base()
        return Checkpoint.open(self._folder(update or "base", lambda folder: self._train(update, folder)))

    def _train(self, update: str, folder: Path) -> None:
        settings = UPDATES.get(update)
        if settings is None:
            model, fit = fresh(self._recipe), Fit(steps=self._steps(300))
        else:
            model = load(self.base())
            fit = Fit(steps=self._steps(settings[0]), optimizer="adamw", lr=settings[1], warmup=10)
        rows = mixed({",".join(self._recipe.base): 1.0}, self._rng(update or "base"))
        fit_through(model, rows, skill(NEW).loss, fit)
        save(model, tokenizer(), folder)

    def adapter(self, update: str = "") -> Path:
        """Return the folder of an adapter, trained on the old base or on an updated one."""
        return self._folder(f"adapter {update}", lambda folder: self._adapt(update, folder))

    def _adapt(self, update: str, folder: Path) -> None:
        model, rng = copy.deepcopy(load(self.base(update))), self._rng("adapter", update)
        rows = mixed({NEW: 0.5, ",".join(self._recipe.base): 0.5}, rng)
        with taking() as taken, adapting(model, LowRank(), rng) as adapter:
            fit_through(model, rows, skill(NEW).loss, self._fit, only=adapter.has)
            adapter.save(folder)
        (folder / "taken.json").write_text(json.dumps({"seconds": taken.seconds}), "utf-8")

    def _rng(self, *names: str) -> Rng:
        return Rng(self._recipe.seed, ("portllm", *names))


def weights(arm: str, update: str, models: _Models) -> tuple[Weights, float]:
    """Return the weights of an arm, and how many seconds it took to get them from an updated base."""
    new = models.base(update)
    if arm == ALONE:
        return read_weights(new), 0.0
    if arm == AGAIN:
        folder = models.adapter(update)
        taken = json.loads((folder / "taken.json").read_text("utf-8"))
        return read_weights(with_adapter(new, folder)), taken["seconds"]
    tuned = with_adapter(models.base(), models.adapter())
    with taking() as taken:
        merged = merge_in_memory(plan_merge(PortLLM(), [tuned, models.base()], new))
    return {name: torch.from_numpy(numbers) for name, numbers in merged.items()}, taken.seconds


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Measure what the adapter taught, on rows that nothing was trained on."""
    if arm in (ONE, OTHER):
        return deal(measure(ALONE, contrast, lab), measure(CARRIED, contrast, lab), arm)
    if arm == MOST:
        return _most(measure(ALONE, contrast, lab), measure(AGAIN, contrast, lab))
    seconds = []

    def accuracy(seed: int) -> float:
        models = _Models(seed, lab.size)
        found, taken = weights(arm, contrast.on, models)
        seconds.append(taken)
        model = load(models.base())
        with carrying(model, found):
            return measure_tasks(model, [skill(NEW)], "test")[NEW].accuracy

    measured = by_family(lab, n_families(lab, "sums"), accuracy)
    return replace(measured, cost=Cost(seconds_engine=sum(seconds)))


def _most(alone: Measured, again: Measured) -> Measured:
    """Return for each family what it would come to with most of the gain.

    Two adapters that teach nothing are equal, too; against this a carried one must have taught something.
    """
    outcomes = {
        unit: tuple(a + KEPT * (b - a) for a, b in zip(figures, again.outcomes[unit], strict=True))
        for unit, figures in alone.outcomes.items()
    }
    return Measured(outcomes, again.cost)


CLAIM = Claim((KEEPS, *EQUAL, *BETTER), control=dealt(BETTER[0]), measure=measure)

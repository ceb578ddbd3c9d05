"""Adding and taking away readers of digits that were fine-tuned in the tangent space, or as usual."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import torch
from torch import Tensor, nn

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.digit_runs import accuracy, by_family, fine_tuned
from calculemus.merging.tangent_ta import Linearized, TangentTaskArithmetic, disentanglement_error, moved
from calculemus.rng import Rng
from calculemus.tiny.digit_family import DigitFamily, DigitRecipe, batches, digit_family
from calculemus.tuning.fitting import Fit
from calculemus.tuning.tasks import Split
from calculemus.tuning.weights import Weights, carrying, weights_of

DOMAINS = ("plain", "turned", "inverted")
ORDINARY, TANGENT, PUT_BACK = "ordinary fine-tuning", "tangent_ta", "tangent_ta, in the model itself"
_SCALES = tuple(i / 10 for i in range(1, 16))
_GRID = (-1.0, -0.5, 0.0, 0.5, 1.0)
_KEPT = 0.95
_RATE = 2e-4  # of both: with larger steps the linear model leaves the region where it is like the model

ADDITION = Contrast(
    "three tasks added, relative to each alone",
    ORDINARY,
    TANGENT,
    metric="normalised accuracy",
    on="relative",
)
OTHERS = (
    Contrast("three tasks added", ORDINARY, TANGENT, on="absolute"),
    Contrast("three tasks added, the weights in the model itself", ORDINARY, PUT_BACK, on="absolute"),
    Contrast("single tasks", ORDINARY, TANGENT, direction="lower", on="single"),
    Contrast("disturbance of two tasks", ORDINARY, TANGENT, direction="lower", metric="xi", on="xi"),
    Contrast(
        "what is left of a task that was taken away, another kept", ORDINARY, TANGENT, "lower", on="negation"
    ),
)


@dataclass(frozen=True)
class _Tuned:
    """What one way of fine-tuning gave: a module to run, where its weights go, and task vectors."""

    family: DigitFamily
    model: nn.Module
    holder: nn.Module
    base: Weights
    vectors: Sequence[Weights]

    def accuracy(self, coefficients: Sequence[float], task: int, split: Split = "test") -> float:
        """Return how well a sum of task vectors does a task."""
        with carrying(self.holder, moved(self.base, self.vectors, coefficients)):
            return accuracy(self.model, {}, self.family.tasks[task], split)

    def single(self, task: int) -> float:
        """Return how well a task's own model does it."""
        return self.accuracy([float(i == task) for i in range(len(self.vectors))], task)

    @cached_property
    def best_sum(self) -> list[float]:
        """Return the one coefficient, once a task, with which the sum does best on the rows to choose by."""
        n = len(self.vectors)
        found = {
            scale: sum(self.accuracy([scale] * n, task, "dev") for task in range(n)) for scale in _SCALES
        }
        return [max(found, key=found.__getitem__)] * n

    def predict(self, weights: Weights, task: int) -> Tensor:
        """Return what is said of the images of a task."""
        read = self.family.tasks[task]
        with carrying(self.holder, weights), torch.no_grad():
            return read.logits(self.model, read.examples("test")[0]).argmax(dim=1)


@cache
def _family(seed: int) -> DigitFamily:
    return digit_family(DigitRecipe(domains=DOMAINS, expert_steps=0, seed=seed))


@cache
def _vectors(is_linear: bool, seed: int, steps: int) -> Sequence[Weights]:
    """Return the task vectors of one way of fine-tuning."""
    family = _family(seed)
    model = family.model()
    base = weights_of(model)
    rng = Rng(seed, ("tangent_ta",))
    if not is_linear:
        fit = Fit(steps=steps, optimizer="adamw", lr=_RATE, warmup=10, weight_decay=0.0, cooldown=1.0)
        tuned = [fine_tuned(model, task, fit, rng) for task in family.tasks]
    else:
        recipe = TangentTaskArithmetic(steps=steps, lr=_RATE, warmup=10, weight_decay=0.0)
        tuned = [recipe.train(model, batches(task, rng), task.loss) for task in family.tasks]
    return [{name: weights[name] - base[name] for name in base} for weights in tuned]


@cache
def _tuned(arm: str, seed: int, steps: int) -> _Tuned:
    family, vectors = _family(seed), _vectors(arm != ORDINARY, seed, steps)
    model = family.model()
    if arm != TANGENT:
        return _Tuned(family, model, model, weights_of(model), vectors)
    linear = Linearized(model)
    return _Tuned(family, linear, linear.moving, weights_of(model), vectors)


def _absolute(tuned: _Tuned) -> float:
    coefficients = tuned.best_sum
    return _mean([tuned.accuracy(coefficients, task) for task in range(len(DOMAINS))])


def _relative(tuned: _Tuned) -> float:
    coefficients = tuned.best_sum
    return _mean([tuned.accuracy(coefficients, t) / tuned.single(t) for t in range(len(DOMAINS))])


def _single(tuned: _Tuned) -> float:
    return _mean([tuned.single(task) for task in range(len(DOMAINS))])


def _disturbance(tuned: _Tuned) -> float:
    """Return the mean error xi of the first two tasks on a grid of coefficients."""
    return _mean(
        [
            disentanglement_error(tuned.predict, tuned.base, tuned.vectors[:2], (a, b))
            for a in _GRID
            for b in _GRID
        ]
    )


def _negation(tuned: _Tuned) -> float:
    """Return the accuracy on the first task, taken away as far as the second keeps most of its own."""
    wanted = _KEPT * tuned.accuracy([0.0] * len(DOMAINS), 1, "dev")
    kept = [0.0] * len(DOMAINS)
    for scale in _SCALES:
        tried = [-scale, *kept[1:]]
        if tuned.accuracy(tried, 1, "dev") < wanted:
            break
        kept = tried
    return tuned.accuracy(kept, 0)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


_FIGURES: Mapping[str, Callable[[_Tuned], float]] = {
    "relative": _relative,
    "absolute": _absolute,
    "single": _single,
    "xi": _disturbance,
    "negation": _negation,
}


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Return a figure of a way of fine-tuning for each family."""
    steps = 15 if lab.size == "smoke" else 300
    return by_family(lab, lambda seed: _FIGURES[contrast.on](_tuned(arm, seed, steps)))


CLAIM = Claim((ADDITION, *OTHERS), control=ADDITION.without_treatment(), measure=measure)

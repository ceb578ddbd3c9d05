"""Coefficients learnt per layer against one for all, per task, and after trimming; and what entropy tells."""

from dataclasses import replace
from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.contest import accuracy, by_family, outcomes
from calculemus.merging.trying import merged_weights, with_settings
from calculemus.tiny.digit_family import DigitFamily, DigitRecipe, digit_family
from calculemus.tiny.digits import DigitTask
from calculemus.tuning.entropy import entropy
from calculemus.tuning.weights import Weights, carrying

FIXED = "task_arithmetic:scale=0.3"
LAYERS = Contrast("a coefficient per layer against 0.3 for all", FIXED, "adamerging")
BEST = Contrast("the same against the best one for all", "task_arithmetic:scale=best", "adamerging")
TASKS = Contrast("per layer against per task", "adamerging:per=task", "adamerging")
TRIMMED = Contrast("trimmed first (++) against untrimmed", "adamerging", "adamerging:trim=true")
ENTROPY = Contrast(
    "entropy of predictions on test rows", FIXED, "adamerging", direction="lower", metric="nats", on="entropy"
)
RANKS = Contrast(
    "entropy follows the loss, row by row",
    "no relation",
    "adamerging:steps=0",
    metric="Spearman's rank correlation",
    on="ranks",
)
ONE_CLASS = Contrast(
    "learnt from images of one digit, unguarded",
    FIXED,
    "adamerging:least_classes=1",
    direction="lower",
    on="one class",
)
_LABEL = 3


def readers(lab: Lab, seed: int) -> DigitFamily:
    """Return a family whose base reads most digits: predictions that are mostly wrong teach nothing."""
    if lab.size == "smoke":
        return digit_family(
            DigitRecipe(domains=("plain", "turned"), base_steps=30, expert_steps=60, seed=seed)
        )
    return digit_family(DigitRecipe(base_steps=30, seed=seed))


def logits_of(model: nn.Module, task: DigitTask) -> tuple[Tensor, Tensor]:
    """Return a model's logits on the test rows of a task, and the answers."""
    images, answers = task.examples("test")
    with torch.no_grad():
        return task.logits(model, images), answers


def mean_entropy(family: DigitFamily, weights: Weights) -> float:
    """Return the mean entropy of the predictions on all test rows."""
    model = family.model()
    with carrying(model, weights):
        means = [float(entropy(logits_of(model, task)[0]).mean()) for task in family.tasks]
    return sum(means) / len(means)


def rank_correlation(family: DigitFamily, weights: Weights) -> float:
    """Return how the entropy of a prediction and its loss go together, in the mean over tasks."""
    model, found = family.model(), list[float]()
    with carrying(model, weights):
        for task in family.tasks:
            logits, answers = logits_of(model, task)
            losses = nn.functional.cross_entropy(logits, answers, reduction="none")
            ranks: Any = spearmanr(entropy(logits).numpy(), losses.numpy())  # SciPy's class has no types
            found.append(float(ranks.statistic))
    return sum(found) / len(found)


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Merge four readers of digits, by coefficients learnt without labels or by one that is given."""
    n = 2 if lab.size == "smoke" else 10

    def measured(seed: int) -> float:
        if arm == RANKS.baseline:
            return 0.0
        family, text = readers(lab, seed), arm
        if lab.size == "smoke" and arm.startswith("adamerging") and "steps" not in arm:
            text = with_settings(arm, "steps=20,lr=0.01")
        is_one_class = contrast.on == ONE_CLASS.on and arm == ONE_CLASS.treatment
        tasks = [replace(task, labels=(_LABEL,)) for task in family.tasks] if is_one_class else None
        weights = merged_weights(family, text, seed, tasks)
        if contrast.on == ENTROPY.on:
            return mean_entropy(family, weights)
        if contrast.on == RANKS.on:
            return rank_correlation(family, weights)
        return accuracy(outcomes(family, weights))

    return by_family(lab, n, measured)


CLAIM = Claim(
    (LAYERS, BEST, TASKS, TRIMMED, ENTROPY, RANKS, ONE_CLASS),
    control=LAYERS.without_treatment(),
    measure=measure,
)

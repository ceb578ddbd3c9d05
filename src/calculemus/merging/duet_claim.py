"""New digits in new kinds of images, one task after the other, without an image of the tasks before."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.digit_runs import accuracy, by_family, merged
from calculemus.merging.duet import Duet
from calculemus.merging.duet_learning import DirectionalConsistency, retention, sign_conflicts
from calculemus.rng import Rng
from calculemus.tiny.digit_family import DigitFamily, DigitRecipe, batches, digit_family
from calculemus.tiny.digits import DigitEncoder, DigitTask
from calculemus.tuning.fitting import Fit, fit_through
from calculemus.tuning.weights import Weights, weights_of

GROUPS = ((0, 1, 2, 3), (4, 5, 6), (7, 8, 9))
DOMAINS = ("plain", "inverted", "noisy")
_DISTILLING = 1.0
_CONSISTENCY = 0.1  # chosen with other seeds, so that it turns some signs and does not stop the learning
_RATE = 5e-4
_LEAST = 0.01  # a score to divide by, where nothing was learned


@dataclass(frozen=True)
class _Way:
    """How a model goes through the tasks: its losses beside that of the task, and its merge."""

    distilling: float = 0.0
    consistency: float = 0.0
    merge: Duet | None = None


SEQUENTIAL, LOSSES_ONLY = "fine-tuning in sequence", "fine-tuning in sequence, with the losses of DuET"
DUET, WITHOUT_DC = "duet", "duet, without L_DC"
EVEN = "duet:gamma=0"
WAYS: Mapping[str, _Way] = {
    SEQUENTIAL: _Way(),
    LOSSES_ONLY: _Way(_DISTILLING, _CONSISTENCY),
    DUET: _Way(_DISTILLING, _CONSISTENCY, Duet()),
    WITHOUT_DC: _Way(_DISTILLING, 0.0, Duet()),
    EVEN: _Way(_DISTILLING, _CONSISTENCY, Duet(gamma=0.0)),
}

RAI = Contrast("keeping and carrying over", SEQUENTIAL, DUET, metric="RAI")
OTHERS = (
    Contrast("the same, with the same losses", LOSSES_ONLY, DUET, metric="RAI"),
    Contrast("task arithmetic with one coefficient", EVEN, DUET, metric="RAI"),
    Contrast("mean accuracy over all pairs in the end", SEQUENTIAL, DUET, on="accuracy"),
    Contrast(
        "signs of updates that turn",
        WITHOUT_DC,
        DUET,
        direction="lower",
        metric="share of weights",
        on="signs",
    ),
)


@dataclass(frozen=True)
class _Stages:
    """What one way through the tasks left behind: the merged model and the update of each task."""

    models: tuple[Weights, ...]
    tuned: tuple[Weights, ...]


@cache
def _family(seed: int) -> DigitFamily:
    """Return a base that saw a little of all plain digits, with the head that stays: its rows are labels."""
    return digit_family(DigitRecipe(domains=("plain",), expert_steps=0, seed=seed))


def _task(head: Tensor, labels: tuple[int, ...], domain: str) -> DigitTask:
    return DigitTask(f"{domain}-{labels[0]}", domain, head[list(labels)], labels)


@cache
def _stages(way: _Way, seed: int, steps: int) -> _Stages:
    """Go through the tasks."""
    family = _family(seed)
    head, model = family.tasks[0].head, family.model()
    models: list[Weights] = [weights_of(model)]
    tuned: list[Weights] = []
    for stage, (labels, domain) in enumerate(zip(GROUPS, DOMAINS, strict=True)):
        seen = [label for group in GROUPS[:stage] for label in group]
        _learn(model, _task(head, labels, domain), head[seen], way, models, steps, seed)
        tuned.append(weights_of(model))
        # Before the second task there is nothing old to merge with.
        if way.merge is not None and stage > 0:
            models.append(merged(way.merge, family.base, [models[-1], tuned[-1]]))
            model.load_state_dict(dict(models[-1]))
        else:
            models.append(tuned[-1])
    return _Stages(tuple(models), tuple(tuned))


def _learn(
    model: DigitEncoder,
    task: DigitTask,
    old_head: Tensor,
    way: _Way,
    models: list[Weights],
    steps: int,
    seed: int,
) -> None:
    """Train on a task, held to what the model said before where it has older heads."""
    old = copy.deepcopy(model).eval()
    consistent = DirectionalConsistency(models, way.consistency) if len(models) > 1 else None

    def loss(model: nn.Module, rows: tuple[Tensor, Tensor]) -> tuple[Tensor, int]:
        total, n = task.loss(model, rows)
        if way.distilling and len(old_head):
            total = total + way.distilling * _distilled(model, old, old_head, rows[0])
        if consistent is not None:
            total = total + n * consistent(model)
        return total, n

    fit = Fit(steps=steps, optimizer="adamw", lr=_RATE, warmup=10, weight_decay=0.0)
    fit_through(model, batches(task, Rng(seed, ("duet",))), loss, fit)


def _distilled(model: nn.Module, old: nn.Module, head: Tensor, images: Tensor) -> Tensor:
    """Return the summed cross-entropy of what is said now of old labels with what was said before."""
    with torch.no_grad():
        before = (old(images) @ head.T).softmax(dim=1)
    return -(before * (model(images) @ head.T).log_softmax(dim=1)).sum()


@cache
def _reference(seed: int, steps: int) -> Weights:
    """Return the weights of a model that learns all labels in all domains at once, in as many steps."""
    family = _family(seed)
    head, model = family.tasks[0].head, family.model()
    streams = [batches(DigitTask(d, d, head), Rng(seed, ("duet", "all"))) for d in DOMAINS]
    together = (next(streams[step % len(streams)]) for step in range(steps * len(GROUPS)))
    fit = Fit(steps=steps * len(GROUPS), optimizer="adamw", lr=_RATE, warmup=10, weight_decay=0.0)
    fit_through(model, together, DigitTask("", "plain", head).loss, fit)
    return weights_of(model)


def _scores(seed: int, weights: Weights, n_groups: int = len(GROUPS)) -> dict[str, float]:
    """Return the accuracy on each pair of labels and domain, among all labels seen so far."""
    family = _family(seed)
    seen = tuple(label for group in GROUPS[:n_groups] for label in group)
    model, found = family.model(), {}
    for labels in GROUPS[:n_groups]:
        for domain in DOMAINS:
            task = _Among(f"{domain}", domain, family.tasks[0].head[list(seen)], seen, of=labels)
            found[f"{labels[0]}/{domain}"] = accuracy(model, weights, task)
    return found


@dataclass(frozen=True, eq=False)
class _Among(DigitTask):
    """Telling the images of some labels from those of all that the task has."""

    of: tuple[int, ...] = ()

    def examples(self, split: str) -> tuple[Tensor, Tensor]:
        """Return the images of these labels."""
        images, answers = super().examples(split)
        kept = torch.isin(answers, torch.tensor([self.labels.index(label) for label in self.of]))
        return images[kept], answers[kept]


def _index(way: _Way, seed: int, steps: int) -> float:
    """Return the retention-adaptability index of a way through the tasks."""
    models = _stages(way, seed, steps).models
    learned = {}
    for stage, (labels, domain) in enumerate(zip(GROUPS, DOMAINS, strict=True), 1):
        pair = f"{labels[0]}/{domain}"
        learned[pair] = max(_LEAST, _scores(seed, models[stage], stage)[pair])
    reference = _scores(seed, _reference(seed, steps))
    unseen = {pair: max(_LEAST, score) for pair, score in reference.items() if pair not in learned}
    return retention(_scores(seed, models[-1]), learned, unseen).index


def _accuracy(way: _Way, seed: int, steps: int) -> float:
    """Return the mean accuracy over all pairs behind the last task, whatever it was when learned."""
    found = _scores(seed, _stages(way, seed, steps).models[-1])
    return sum(found.values()) / len(found)


def _conflicts(way: _Way, seed: int, steps: int) -> float:
    """Return the mean share of weights whose update, before merging, turns against the one before."""
    stages = _stages(way, seed, steps)
    shares = [
        sign_conflicts(stages.tuned[t], stages.models[t], stages.models[t - 1]) for t in range(1, len(GROUPS))
    ]
    return sum(shares) / len(shares)


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Return the index of a way through the tasks for each family, or how often signs turn."""
    steps = 12 if lab.size == "smoke" else 100
    figure = {"signs": _conflicts, "accuracy": _accuracy}.get(contrast.on, _index)
    return by_family(lab, lambda seed: figure(WAYS[arm], seed, steps))


CLAIM = Claim((RAI, *OTHERS), control=RAI.without_treatment(), measure=measure)

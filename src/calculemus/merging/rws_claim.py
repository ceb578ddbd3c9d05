"""What a signature of noise does for readers of digits that never saw noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.digit_runs import accuracy, by_family, fine_tuned, merged
from calculemus.merging.rws import RobustWeightSignatures
from calculemus.rng import Rng
from calculemus.tiny.digit_family import DigitFamily, DigitRecipe, digit_family
from calculemus.tiny.digits import DigitTask
from calculemus.tuning.fitting import Fit
from calculemus.tuning.weights import Weights

CLEAN = "the clean model"
SHALLOW = "rws:keep_num=2"
WEAKER = "rws:keep_num=2,alpha=0.5"
DEEP = "rws, on the deep half"
RANDOM = "random numbers as large as the patch"
METHODS = {
    SHALLOW: RobustWeightSignatures(keep_num=2),
    WEAKER: RobustWeightSignatures(keep_num=2, alpha=0.5),
    DEEP: RobustWeightSignatures(shallow=r"layers\.[23]|^norm"),
}
ALIKE, UNLIKE = "noise and noise", "noise and blur"

GAIN = Contrast("the patch on noisy images", CLEAN, SHALLOW, on="noisy")
OTHERS = (
    Contrast("what it leaves of clean images", CLEAN, SHALLOW, direction="equal", margin=0.05, on="plain"),
    Contrast("the patch against random numbers as large", RANDOM, SHALLOW, on="noisy"),
    Contrast("the whole patch against half of it", WEAKER, SHALLOW, on="noisy"),
    Contrast("shallow layers against deep ones", DEEP, SHALLOW, on="noisy"),
    Contrast(
        "patches from two halves of the images: of one corruption against two",
        UNLIKE,
        ALIKE,
        metric="cosine",
        on="halves",
    ),
)


@dataclass(frozen=True, eq=False)
class _Half(DigitTask):
    """Reading every second image of a domain, from the first or from the second on."""

    half: int = 0

    def examples(self, split: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return half of the images."""
        images, answers = super().examples(split)
        return images[self.half :: 2], answers[self.half :: 2]


@cache
def _family(seed: int, steps: int) -> DigitFamily:
    """Return a base that learned a little of plain images, and its head: that of all the models here."""
    return digit_family(DigitRecipe(domains=("plain",), expert_steps=steps, seed=seed))


@cache
def _tuned(seed: int, steps: int, domain: str, half: int | None = None) -> Weights:
    """Return the weights that learned a domain, or half of its images."""
    family = _family(seed, steps)
    head = family.tasks[0].head
    task = DigitTask(domain, domain, head) if half is None else _Half(domain, domain, head, half=half)
    fit = Fit(steps=steps, optimizer="adamw", lr=2e-3, warmup=10, weight_decay=0.0)
    return fine_tuned(family.model(), task, fit, Rng(seed, ("rws",)))


def _difference(one: Weights, other: Weights) -> torch.Tensor:
    return torch.cat([(one[name] - other[name]).flatten() for name in one])


def _at_random(clean: Weights, patched: Weights, rng: Rng) -> Mapping[str, torch.Tensor]:
    """Return the clean model with random numbers added, tensor by tensor as large as the patch."""
    moved = {}
    for name, weight in clean.items():
        drawn = torch.from_numpy(rng.child(name).generator().normal(size=tuple(weight.shape))).float()
        moved[name] = weight + drawn * ((patched[name] - weight).norm() / drawn.norm())
    return moved


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Return what an arm is worth for each family: accuracy, or the cosine of two patches."""
    steps = 60 if lab.size == "smoke" else 300

    def cosine(seed: int) -> float:
        other = "noisy" if arm == ALIKE else "blurred"
        vectors = []
        for half, domain in enumerate(("noisy", other)):
            clean, robust = (_tuned(seed, steps, d, half) for d in ("plain", domain))
            patched = merged(METHODS[SHALLOW], _family(seed, steps).base, [clean, robust])
            vectors.append(_difference(patched, clean))
        return float(torch.nn.functional.cosine_similarity(*vectors, dim=0))

    def read(seed: int) -> float:
        family, weights = _family(seed, steps), _tuned(seed, steps, "plain")
        if arm != CLEAN:
            method = METHODS.get(arm, METHODS[SHALLOW])
            patched = merged(method, family.base, [weights, _tuned(seed, steps, "noisy")])
            weights = _at_random(weights, patched, Rng(seed, ("rws",))) if arm == RANDOM else patched
        return accuracy(family.model(), weights, DigitTask("", contrast.on, family.tasks[0].head))

    return by_family(lab, cosine if contrast.on == "halves" else read)


CLAIM = Claim((GAIN, *OTHERS), control=GAIN.without_treatment(), measure=measure)

"""Masked sums of task vectors against the unmasked one and the experts; Consensus; and what it all takes."""

from pathlib import Path
from tempfile import TemporaryDirectory

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.contest import accuracy, by_family, expert_outcomes, normalised, outcomes_of_each
from calculemus.merging.masked_bundle import choose_thresholds, masked_weights, save_bundle
from calculemus.merging.trying import merged_weights, trial_of
from calculemus.tiny.digit_family import DigitFamily, DigitRecipe, digit_family

MASKS, EXPERTS = "a mask for each task", "the experts"
BEST = "task_arithmetic:scale=best"
OF_EXPERT = "accuracy relative to the expert"
MASKED = Contrast("masked sums against the best merge without masks", BEST, MASKS, metric=OF_EXPERT)
SUM = Contrast("masked sums against the plain sum", "task_arithmetic:scale=1", MASKS, metric=OF_EXPERT)
KEPT = Contrast(
    "masked sums against the experts", EXPERTS, MASKS, direction="equal", margin=0.03, metric=OF_EXPERT
)
CONSENSUS = Contrast(
    "weights of two tasks or more against all", BEST, "tall_mask:scale=best", metric=OF_EXPERT
)
TIES = Contrast(
    "the same of the vector of TIES",
    "ties:scope=model,scale=best",
    "tall_mask:vector=ties,scale=best",
    metric=OF_EXPERT,
)
BYTES = Contrast(
    "what is stored", EXPERTS, MASKS, direction="lower", metric="bytes a weight and task", on="bytes"
)


def readers(lab: Lab, seed: int) -> DigitFamily:
    """Return readers of six domains of digits."""
    domains = ("plain", "turned", "inverted", "noisy", "mirrored", "shifted")
    if lab.size == "smoke":
        return digit_family(DigitRecipe(domains=domains[:3], expert_steps=60, seed=seed))
    return digit_family(DigitRecipe(domains=domains, seed=seed))


def bytes_stored(family: DigitFamily, arm: str) -> float:
    """Return the bytes that stand in for all experts: of copies, or of the base, the sum and the masks."""
    n = family.base.n_parameters * len(family.experts)
    if arm == EXPERTS:
        return sum(expert.n_bytes for expert in family.experts) / n
    with TemporaryDirectory() as folder:
        named = {task.name: expert for task, expert in zip(family.tasks, family.experts, strict=True)}
        return (family.base.n_bytes + save_bundle(Path(folder), named, family.base).n_bytes) / n


def relative_accuracy(family: DigitFamily, arm: str, seed: int) -> float:
    """Return the accuracy of one arm in that of the experts."""
    if arm == EXPERTS:
        return 1.0
    if arm != MASKS:
        return normalised(family, merged_weights(family, arm, seed))
    trial = trial_of(family, seed)
    limits = choose_thresholds(trial)
    models = [masked_weights(trial, number, limit) for number, limit in enumerate(limits)]
    return accuracy(outcomes_of_each(family, models)) / accuracy(expert_outcomes(family))


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Measure what is kept of the experts, or what it takes to store them."""

    def measured(seed: int) -> float:
        family = readers(lab, seed)
        return bytes_stored(family, arm) if contrast.on else relative_accuracy(family, arm, seed)

    return by_family(lab, 2 if lab.size == "smoke" else 10, measured)


CLAIM = Claim(
    (MASKED, SUM, KEPT, CONSENSUS, TIES, BYTES), control=MASKED.without_treatment(), measure=measure
)

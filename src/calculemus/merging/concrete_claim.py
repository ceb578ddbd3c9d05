"""A learnt shared mask around task arithmetic and around AdaMerging, against the same without it."""

from dataclasses import replace

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.adamerging_claim import mean_entropy, readers
from calculemus.merging.contest import accuracy, by_family, outcomes
from calculemus.merging.trying import merged_weights

FIXED = "task_arithmetic:scale=0.3"
QUICK = "steps=300,lr=0.01"
"""The masks of so small a model are learnt in fewer and longer steps than the public code takes."""
MASKED = Contrast("masked against unmasked, both at 0.3", FIXED, f"concrete:{QUICK}")
ENTROPY = replace(MASKED, name="the same, entropy", direction="lower", metric="nats", on="entropy")
DRAWN = Contrast(
    "a mask that is drawn against the expected one",
    f"concrete:{QUICK}",
    f"concrete:evaluation=drawn,{QUICK}",
    direction="equal",
    margin=0.02,
)
AROUND = Contrast(
    "around learnt coefficients: masked against unmasked",
    "adamerging:steps=300,lr=0.003",
    f"concrete:around=adamerging,coefficient_lr=0.003,{QUICK}",
)


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Merge four readers of digits."""
    n, text = (2, arm.replace("300", "20")) if lab.size == "smoke" else (10, arm)

    def measured(seed: int) -> float:
        family = readers(lab, seed)
        weights = merged_weights(family, text, seed)
        is_entropy = contrast.on == ENTROPY.on
        return mean_entropy(family, weights) if is_entropy else accuracy(outcomes(family, weights))

    return by_family(lab, n, measured)


CLAIM = Claim((MASKED, ENTROPY, DRAWN, AROUND), control=MASKED.without_treatment(), measure=measure)

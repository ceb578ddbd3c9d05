"""A mean weighted by Fisher information against the plain mean of models of several tasks."""

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.contest import by_family, family_of, normalised
from calculemus.merging.trying import merged_weights, with_settings

WEIGHTED = Contrast(
    "weighted by Fisher information against the plain mean",
    "linear",
    "fisher",
    metric="accuracy relative to the experts",
)


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Merge readers of digits of four domains."""
    is_smoke = lab.size == "smoke"
    text = with_settings(arm, "n_inputs=32") if is_smoke and arm != "linear" else arm

    def measured(seed: int) -> float:
        family = family_of(lab, seed)
        return normalised(family, merged_weights(family, text, seed))

    return by_family(lab, 2 if is_smoke else 10, measured)


CLAIM = Claim((WEIGHTED,), control=WEIGHTED.without_treatment(), measure=measure)

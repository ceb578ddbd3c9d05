"""Linear layers merged by least squares against the plain mean; and behind merged layers (RegMean++)."""

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.contest import by_family, family_of, normalised
from calculemus.merging.trying import merged_weights, with_settings

OF_EXPERTS = "accuracy relative to the experts"
SQUARES = Contrast("by least squares against the plain mean", "linear", "regmean", metric=OF_EXPERTS)
BEHIND = Contrast(
    "inputs behind merged layers against each model's own",
    "regmean",
    "regmean:through_merged=true",
    metric=OF_EXPERTS,
)


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Merge readers of digits of four domains."""
    is_smoke = lab.size == "smoke"
    text = with_settings(arm, "n_inputs=32") if is_smoke and arm != "linear" else arm

    def measured(seed: int) -> float:
        family = family_of(lab, seed)
        return normalised(family, merged_weights(family, text, seed))

    return by_family(lab, 2 if is_smoke else 10, measured)


CLAIM = Claim((SQUARES, BEHIND), control=SQUARES.without_treatment(), measure=measure)

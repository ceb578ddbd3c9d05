"""An expert with nine tenths of its task vector dropped at random against the expert itself."""

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.contest import (
    accuracy,
    by_family,
    expert_outcomes,
    family_of,
    method,
    n_families,
    outcomes_of_each,
    weights_of_plan,
)
from calculemus.merging.plan import plan_merge

EXPERT = "expert"
MARGIN = 0.02  # accuracy that may be lost for "as well as the whole"


def thinned(dropped: str, density: float) -> Contrast:
    """Return the contrast of an expert with itself at a density."""
    treatment = f"dare_linear:density={density},scale=1"
    return Contrast(f"{dropped} of the task vector dropped", EXPERT, treatment, "equal", MARGIN)


NINE_TENTHS, HALF = thinned("nine tenths", 0.1), thinned("half", 0.5)


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Try each expert, whole or thinned out, on its own task."""

    def measured(seed: int) -> float:
        family = family_of(lab, seed)
        if arm == EXPERT:
            return accuracy(expert_outcomes(family))
        plans = [plan_merge(method(arm), [expert], family.base, seed=seed) for expert in family.experts]
        return accuracy(outcomes_of_each(family, [weights_of_plan(plan) for plan in plans]))

    return by_family(lab, n_families(lab), measured)


CLAIM = Claim((NINE_TENTHS, HALF), control=NINE_TENTHS.without_treatment(), measure=measure)

"""Half way along the arc between two experts against half way along the line."""

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.contest import (
    by_family,
    family_of,
    first_two,
    method,
    n_families,
    normalised,
    weights_of_plan,
)
from calculemus.merging.plan import plan_merge

ARC = Contrast("the arc against the line, half way", "linear", "slerp:t=0.5", metric="normalised accuracy")


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Merge the first two experts of a family, and try the merge on both tasks."""

    def measured(seed: int) -> float:
        family = first_two(family_of(lab, seed))
        one, other = family.experts
        chosen = method(arm)
        plan = plan_merge(chosen, [other], one) if chosen.needs_base else plan_merge(chosen, [one, other])
        return normalised(family, weights_of_plan(plan))

    return by_family(lab, n_families(lab), measured)


CLAIM = Claim((ARC,), control=ARC.without_treatment(), measure=measure)

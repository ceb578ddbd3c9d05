"""The arc between two task vectors against the arc between the models."""

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.contest import by_family, family_of, first_two, merge, n_families, normalised

ARC = Contrast(
    "the arc between task vectors", "nuslerp", "nuslerp:of_task_vectors=true", metric="normalised accuracy"
)


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Merge the first two experts of a family, and try the merge on both tasks."""

    def measured(seed: int) -> float:
        family = first_two(family_of(lab, seed))
        return normalised(family, merge(family, arm))

    return by_family(lab, n_families(lab), measured)


CLAIM = Claim((ARC,), control=ARC.without_treatment(), measure=measure)

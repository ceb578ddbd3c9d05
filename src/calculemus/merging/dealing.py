"""A control for claims: the figures of two arms, dealt to both by lot, so that neither can be the better."""

from calculemus.claim import Contrast, Measured
from calculemus.rng import Rng

ONE, OTHER = "one of both, by lot", "the other of both"


def dealt(contrast: Contrast) -> Contrast:
    """Return the control of a contrast: its arms, mixed unit by unit."""
    return Contrast(
        f"control: {contrast.name}, dealt by lot",
        baseline=ONE,
        treatment=OTHER,
        direction="higher" if contrast.direction == "equal" else contrast.direction,
        metric=contrast.metric,
        on=contrast.on,
    )


def deal(baseline: Measured, treatment: Measured, arm: str) -> Measured:
    """Return the figures that one side of the control gets.

    Half of the units keep their arms, the other half change them.

    Args:
        baseline: Figures of the contrast's baseline.
        treatment: Figures of its treatment, on the same units.
        arm: ``ONE`` or ``OTHER``.
    """
    units = sorted(baseline.outcomes)
    order = Rng(0, ("dealt", *units[:1])).generator().permutation(len(units)).tolist()
    kept = {units[place] for place in order[: len(units) // 2]}
    first, second = (baseline, treatment) if arm == ONE else (treatment, baseline)
    return Measured(
        {unit: (first if unit in kept else second).outcomes[unit] for unit in units},
        baseline.cost + treatment.cost,
    )

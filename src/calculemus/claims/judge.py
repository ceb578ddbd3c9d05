"""From the figures of two arms to an effect with an interval, and from that to a verdict."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from calculemus.claim import Contrast, Measured
from calculemus.cost import Cost
from calculemus.errors import ClaimError
from calculemus.rng import Rng
from calculemus.stats import PairedEstimate, compare

Verdict = Literal["holds", "does not hold", "undecided"]


@dataclass(frozen=True, slots=True)
class Effect:
    """What a contrast came to.

    Attributes:
        contrast: What was compared.
        baseline: Mean figure of the baseline over units.
        treatment: Mean figure of the treatment.
        difference: Treatment minus baseline, paired by unit, with its interval.
        n_seeds: Figures of each unit.
        verdict: Whether the treatment came out where the contrast says.
        baseline_cost: Of all figures of the baseline.
        treatment_cost: Of all figures of the treatment.
    """

    contrast: Contrast
    baseline: float
    treatment: float
    difference: PairedEstimate
    n_seeds: int
    verdict: Verdict
    baseline_cost: Cost
    treatment_cost: Cost


def judge(contrast: Contrast, baseline: Measured, treatment: Measured, rng: Rng) -> Effect:
    """Compare two arms on the units that both have.

    Units are independent, the figures of one unit with several seeds are not; see ``stats.compare``.

    Args:
        contrast: What they are, and what is claimed of them.
        baseline: Figures of the baseline.
        treatment: Figures of the treatment, on the same units.
        rng: For resampling, where the figures are not shares.

    Raises:
        ClaimError: The arms have other units, or a figure is missing.
    """
    units = sorted(baseline.outcomes)
    if units != sorted(treatment.outcomes) or len(units) < 2:
        raise ClaimError(
            f"judging '{contrast.name}': the baseline has {len(units)} units and the treatment "
            f"{len(treatment.outcomes)}; expected the same ones, two at least. Mend the claim's 'measure'"
        )
    first, second = (_table(contrast, arm, units) for arm in (baseline, treatment))
    difference = compare(first, second, rng=rng)
    return Effect(
        contrast=contrast,
        baseline=float(first.mean()),
        treatment=float(second.mean()),
        difference=difference,
        n_seeds=second.shape[1],
        verdict=_verdict(contrast, difference.low, difference.high),
        baseline_cost=baseline.cost,
        treatment_cost=treatment.cost,
    )


def _table(contrast: Contrast, arm: Measured, units: list[str]) -> np.ndarray:
    rows = [arm.outcomes[unit] for unit in units]
    if len({len(row) for row in rows}) != 1 or not rows[0] or not np.isfinite(rows).all():
        raise ClaimError(
            f"judging '{contrast.name}': some unit has no figure, or one that is not finite; expected a "
            "figure of every unit for every seed. Mend the claim's 'measure'"
        )
    return np.array(rows, dtype=np.float64)


def _verdict(contrast: Contrast, low: float, high: float) -> Verdict:
    """Say where an interval of treatment minus baseline lies against what is claimed."""
    margin = contrast.margin
    if contrast.direction == "lower":
        low, high = -high, -low
    if contrast.direction == "equal":
        is_inside, is_outside = -margin <= low and high <= margin, high < -margin or low > margin
    else:
        is_inside, is_outside = low > margin, high < margin
    return "holds" if is_inside else "does not hold" if is_outside else "undecided"

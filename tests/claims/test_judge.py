"""From figures to verdicts: the interval decides, and it covers what it should."""

import numpy as np
import pytest

from calculemus.claim import Claim, Contrast, Measured
from calculemus.claims.judge import judge
from calculemus.cost import Cost
from calculemus.errors import ClaimError
from calculemus.rng import Rng

HIGHER = Contrast("b against a", "a", "b")
RNG = Rng(0)


def arm(values) -> Measured:
    return Measured({f"p{i}": tuple(np.atleast_1d(v).astype(float)) for i, v in enumerate(values)}, Cost())


@pytest.mark.parametrize(
    ("direction", "gain", "margin", "verdict"),
    [
        ("higher", 0.3, 0, "holds"),
        ("higher", -0.3, 0, "does not hold"),
        ("higher", 0, 0, "undecided"),
        ("higher", 0.3, 0.5, "does not hold"),
        ("lower", -0.3, 0, "holds"),
        ("lower", 0.3, 0, "does not hold"),
        ("lower", 0, 0, "undecided"),
        ("equal", 0, 0.1, "holds"),
        ("equal", 0.3, 0.1, "does not hold"),
        ("equal", -0.3, 0.1, "does not hold"),
        ("equal", 0, 0.001, "undecided"),
    ],
)
def test_a_verdict_says_where_the_interval_lies(direction, gain, margin, verdict) -> None:
    noise = np.random.Generator(np.random.PCG64(1)).normal(0, 0.2, 200)
    contrast = Contrast("c", "a", "b", direction, margin)
    effect = judge(contrast, arm(np.zeros(200)), arm(gain + noise - noise.mean()), RNG)
    assert effect.verdict == verdict
    assert effect.difference.delta == pytest.approx(gain)
    assert (effect.baseline, effect.treatment) == pytest.approx((0, gain))


def test_lower_is_higher_of_the_negated_figures() -> None:
    values = np.random.Generator(np.random.PCG64(2)).normal(0.05, 0.3, (40, 3))
    up = judge(HIGHER, arm(np.zeros((40, 3))), arm(values), RNG)
    down = judge(Contrast("c", "a", "b", "lower"), arm(np.zeros((40, 3))), arm(-values), RNG)
    assert up.verdict == down.verdict
    assert (up.difference.low, up.difference.high) == pytest.approx(
        (-down.difference.high, -down.difference.low)
    )
    assert up.n_seeds == 3


def test_arms_that_cannot_be_paired_are_named() -> None:
    whole = arm([1, 0, 1])
    for other in (arm([1, 0]), Measured({"q0": (1.0,), "q1": (0.0,), "q2": (1.0,)}), Measured({})):
        with pytest.raises(ClaimError, match="expected the same ones"):
            judge(HIGHER, whole, other, RNG)
    uneven = Measured({"p0": (1.0,), "p1": (0.0, 1.0), "p2": (1.0,)})
    for bad in (uneven, arm([1, np.nan, 1]), Measured({"p0": (), "p1": (), "p2": ()})):
        with pytest.raises(ClaimError, match="no figure, or one that is not finite"):
            judge(HIGHER, whole, bad, RNG)


@pytest.mark.parametrize(
    ("contrasts", "control", "message"),
    [
        ((), HIGHER, "its contrasts are"),
        ((HIGHER,), None, "its control is None"),
        ((HIGHER,), Contrast("c", "a", "a", "equal", 0.1), "always holds"),
    ],
)
def test_a_claim_without_contrast_or_control_is_refused(contrasts, control, message) -> None:
    with pytest.raises(ClaimError, match=message):
        Claim(contrasts, control, lambda arm, contrast, lab: Measured({}))


def test_a_contrast_without_treatment_cannot_hold() -> None:
    for direction in ("higher", "lower", "equal"):
        control = Contrast("c", "a", "b", direction, 0.1).without_treatment()
        assert (control.baseline, control.treatment, control.margin) == ("a", "a", 0.0)
        assert control.direction != "equal"


@pytest.mark.slow
@pytest.mark.parametrize(("n", "n_seeds"), [(60, 1), (60, 3), (200, 1)])
@pytest.mark.parametrize(("base", "gain"), [(0.5, 0.0), (0.6, 0.15), (0.85, 0.05)])
def test_intervals_cover_the_difference_of_models_of_known_accuracy(n, n_seeds, base, gain) -> None:
    draw = np.random.Generator(np.random.PCG64(n + n_seeds))
    n_repeats, covered, errors = 400, 0, 0
    for _ in range(n_repeats):
        # Each problem is as hard for both; a model solves it with the probability that belongs to it.
        hardness = draw.normal(0, 0.15, n)
        p = np.clip(base + hardness, 0.02, 0.98)
        q = np.clip(base + gain + hardness, 0.02, 0.98)
        first = draw.random((n, n_seeds)) < p[:, None]
        second = draw.random((n, n_seeds)) < q[:, None]
        effect = judge(HIGHER, arm(first), arm(second), RNG)
        truth = _mean_gain(base, gain)
        covered += effect.difference.low <= truth <= effect.difference.high
        errors += effect.verdict == "does not hold" and gain >= 0
    assert 0.92 <= covered / n_repeats <= 0.99
    assert errors / n_repeats <= 0.05


def _mean_gain(base: float, gain: float) -> float:
    """Return the gain over all problems that could be drawn."""
    hardness = np.linspace(-0.75, 0.75, 20001)
    weights = np.exp(-0.5 * (hardness / 0.15) ** 2)
    p = np.clip(base + hardness, 0.02, 0.98)
    q = np.clip(base + gain + hardness, 0.02, 0.98)
    return float(np.average(q - p, weights=weights))

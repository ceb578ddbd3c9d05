"""How many problems a gain needs, and which gain a number of problems shows.

Normal approximations, two-sided. A paired test needs the fewer problems the fewer tell the two systems
apart; their share is the discordance. The power at ``problems_needed``, computed from the trinomial law, is
80 to 83 % for the decision "the interval excludes 0", and up to 4 points below 80 for McNemar's exact test,
which is cautious where few problems differ.
"""

import math

from calculemus.errors import StatisticsError
from calculemus.stats.checks import check_share, whole
from calculemus.stats.quantiles import normal_quantile


def problems_needed(gain: float, discordance: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Return the number of problems on which a paired test shows ``gain``.

    Args:
        gain: Difference of accuracies, in (0, 1).
        discordance: Share of problems that exactly one of the two systems solves, at least the gain.
        power: Chance to show it.
        alpha: Two-sided level of the test.

    Raises:
        StatisticsError: A figure outside its range, or a gain above the discordance.

    Example:
        >>> problems_needed(0.02, discordance=0.1)
        1960
    """
    doing = "problems_needed"
    level, chance = _quantiles(power, alpha, doing)
    gain = _gain(gain, doing)
    if not gain <= discordance <= 1:
        raise StatisticsError(
            f"{doing}: the discordance is {discordance!r} and the gain {gain!r}; expected a discordance from "
            "the gain to 1, because a gain of g makes the systems differ on at least a share g of problems"
        )
    spread = level * math.sqrt(discordance) + chance * math.sqrt(discordance - gain * gain)
    return math.ceil(spread**2 / gain**2)


def visible_gain(n: int, discordance: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """Return the smallest gain that a paired test on ``n`` problems shows.

    The inverse of ``problems_needed``. Where it would exceed the discordance, it is the gain that is visible
    with a discordance equal to itself; 1.0 where nothing is visible.

    Args:
        n: Problems.
        discordance: Share of problems that exactly one of the two systems solves, 0..1.
        power: Chance to show it.
        alpha: Two-sided level of the test.

    Raises:
        StatisticsError: A figure outside its range.

    Example:
        >>> round(visible_gain(1319, discordance=0.1), 3)
        0.024
    """
    doing = "visible_gain"
    level, chance = _quantiles(power, alpha, doing)
    n = whole(n, "the number of problems", 1, doing)
    if not 0 <= discordance <= 1:
        raise StatisticsError(f"{doing}: the discordance is {discordance!r}; expected a share from 0 to 1")
    inside = n - level**2 + chance**2
    if inside < 0:
        return 1.0
    # With d = u √ψ the formula of problems_needed is a quadratic in u that does not hold ψ.
    unit = (level * math.sqrt(n) + chance * math.sqrt(inside)) / (n + chance**2)
    return min(1.0, unit * max(unit, math.sqrt(discordance)))


def problems_needed_unpaired(gain: float, base: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Return the problems that each of two systems needs, on different problems, to show ``gain``.

    Args:
        gain: Difference of accuracies, in (0, 1).
        base: Accuracy of the weaker system.
        power: Chance to show it.
        alpha: Two-sided level of the test.

    Raises:
        StatisticsError: A figure outside its range, or a base and gain that add up to 1 or more.

    Example:
        >>> problems_needed_unpaired(0.02, base=0.7)
        8080
    """
    doing = "problems_needed_unpaired"
    level, chance = _quantiles(power, alpha, doing)
    gain = _gain(gain, doing)
    check_share(base, "the base accuracy", doing)
    if base + gain > 1:
        raise StatisticsError(f"{doing}: base {base!r} and gain {gain!r} exceed an accuracy of 1")
    return math.ceil(_unpaired(gain, base, level, chance))


def _unpaired(gain: float, base: float, level: float, chance: float) -> float:
    better, middle = base + gain, base + gain / 2
    alike = level * math.sqrt(2 * middle * (1 - middle))
    apart = chance * math.sqrt(base * (1 - base) + better * (1 - better))
    return (alike + apart) ** 2 / gain**2


def visible_gain_unpaired(n: int, base: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """Return the smallest gain that ``n`` problems for each system show: the inverse of the above.

    ``1 - base`` where nothing is visible.

    Raises:
        StatisticsError: A figure outside its range.
    """
    doing = "visible_gain_unpaired"
    level, chance = _quantiles(power, alpha, doing)
    n = whole(n, "the number of problems", 1, doing)
    check_share(base, "the base accuracy", doing)
    low, high = 0.0, 1 - base
    for _ in range(60):
        middle = (low + high) / 2
        if _unpaired(middle, base, level, chance) > n:
            low = middle
        else:
            high = middle
    return high


def _quantiles(power: float, alpha: float, doing: str) -> tuple[float, float]:
    """Return the quantile of the level and that of the power."""
    check_share(power, "the power", doing)
    check_share(alpha, "alpha", doing)
    return normal_quantile(1 - alpha / 2), normal_quantile(power)


def _gain(gain: float, doing: str) -> float:
    if not 0 < gain <= 1:
        raise StatisticsError(f"{doing}: the gain is {gain!r}; expected more than 0 and at most 1")
    return gain

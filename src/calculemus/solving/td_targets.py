"""Targets of temporal differences: what a verifier's value of a step should move to.

Source: FETCH, arXiv:2502.11183, section 3.3, after Sutton 1988 and Schulman et al. 2016, arXiv:1506.02438:

    G_t = V_t + sum over l of (gamma lambda)^l delta_{t+l},  delta_t = r_t + gamma V_{t+1} - V_t

with the outcome as the reward of the last step and none before it. Behind the last step the value is 0.
"""

from collections.abc import Sequence

from calculemus.errors import InvalidParameterError


def td_targets(
    values: Sequence[float],
    outcome: float,
    *,
    gamma: float = 1.0,
    lam: float = 0.8,
    low: float = -1.0,
    high: float = 1.0,
) -> tuple[float, ...]:
    """Return the target of each step's value.

    They keep the law G_t = r_t + gamma ((1 - lambda) V_{t+1} + lambda G_{t+1}).

    Args:
        values: What the verifier says behind each step; clipped to the range.
        outcome: The reward of the last step.
        gamma: Discount of a step. FETCH: 1.
        lam: 0 trusts the next value, 1 the outcome alone. FETCH: 0.8.
        low: Least value there is.
        high: Largest value there is.

    Raises:
        InvalidParameterError: ``gamma`` or ``lam`` lie outside 0 to 1, or the outcome outside the range.

    Example:
        >>> td_targets([0.5, 0.0], 1.0, lam=0.0)
        (0.0, 1.0)
    """
    for name, number in (("gamma", gamma), ("lam", lam)):
        if not 0 <= number <= 1:
            raise InvalidParameterError(f"td_targets: parameter '{name}' is {number}; expected 0 to 1")
    if not low <= outcome <= high:
        raise InvalidParameterError(
            f"td_targets: parameter 'outcome' is {outcome}; expected {low} to {high}, the range of values. "
            "Give the outcome on the verifier's scale, or another range"
        )
    clipped = [min(high, max(low, value)) for value in values]
    targets: list[float] = []
    for step in reversed(range(len(clipped))):
        if not targets:
            targets.append(outcome)
        else:
            target = gamma * ((1 - lam) * clipped[step + 1] + lam * targets[-1])
            targets.append(min(high, max(low, target)))
    return tuple(reversed(targets))


def at_ends(n_tokens: int, ends: Sequence[int], targets: Sequence[float]) -> tuple[float, ...]:
    """Return labels for the tokens of a solution: a target at each step's last token, NaN elsewhere.

    Args:
        n_tokens: Of the solution.
        ends: Place of each step's last token.
        targets: One for each step.
    """
    by_place = dict(zip(ends, targets, strict=True))
    return tuple(by_place.get(place, float("nan")) for place in range(n_tokens))

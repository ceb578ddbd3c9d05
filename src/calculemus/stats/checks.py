"""What statistics ask of their figures; every refusal names the figure."""

import operator

from calculemus.errors import StatisticsError


def check_confidence(confidence: float, doing: str) -> None:
    """Refuse a confidence outside (0, 1).

    Raises:
        StatisticsError: It is outside.
    """
    if not 0 < confidence < 1:
        raise StatisticsError(
            f"{doing}: the confidence is {confidence!r}; expected a number between 0 and 1, for example 0.95"
        )


def check_share(value: float, name: str, doing: str) -> None:
    """Refuse a share outside the open interval (0, 1).

    Raises:
        StatisticsError: It is outside.
    """
    if not 0 < value < 1:
        raise StatisticsError(f"{doing}: {name} is {value!r}; expected a number between 0 and 1")


def whole(value: int, name: str, low: int, doing: str) -> int:
    """Return ``value`` as an int of at least ``low``; numpy's integers pass.

    Raises:
        StatisticsError: It is not a whole number, or less.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise StatisticsError(f"{doing}: {name} is {value!r}; expected a whole number") from None
    if number < low:
        raise StatisticsError(f"{doing}: {name} is {number}; expected at least {low}")
    return number

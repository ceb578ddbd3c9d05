"""``calculemus power``: how many problems a gain needs, or what a number of problems can show."""

from typing import Annotated

from cyclopts import Parameter

from calculemus.cli.output import print_json, print_text
from calculemus.errors import InvalidParameterError
from calculemus.stats import problems_needed, visible_gain


def power(
    *,
    gain: float | None = None,
    n: int | None = None,
    discordance: float = 0.1,
    chance: float = 0.8,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Say how many problems a gain needs, or what a set can show.

    Args:
        gain: The difference of accuracies to show, in points; asks for the problems it needs.
        n: A number of problems; asks for the smallest gain they show.
        discordance: Share of problems that exactly one of two systems solves, 0..1.
        chance: The chance to show the gain, 0..1.
        as_json: Print JSON.
    """
    if (gain is None) == (n is None):
        given = "neither --gain nor --n" if gain is None else "both --gain and --n"
        raise InvalidParameterError(f"computing power: {given} is given; expected one of them")
    if gain is not None:
        n = problems_needed(gain / 100, discordance, chance)
        text = f"A gain of {gain:g} points needs {n:,} problems"
    else:
        gain = 100 * visible_gain(n or 0, discordance, chance)
        text = f"{n:,} problems show a gain of {gain:.1f} points"
    if as_json:
        print_json({"n": n, "gain": gain / 100, "discordance": discordance, "power": chance, "alpha": 0.05})
        return
    print_text(
        f"{text}, with {100 * chance:g} % power at 5 % (two-sided, paired), when exactly one of two systems "
        f"solves {100 * discordance:g} % of the problems."
    )

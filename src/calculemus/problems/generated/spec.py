"""What is generated: a point in the space of difficulties, each axis alone and in order."""

from dataclasses import dataclass
from typing import Annotated, Literal

from calculemus.errors import InvalidParameterError
from calculemus.params import Between, Configured, digest

OPERATIONS = (
    "add",
    "sub",
    "mul",
    "div",
    "compare",
    "share",
    "rate",
    "convert",
    "ratio",
    "percent",
    "remainder",
    "ceil",
)
MIXES = {  # each holds the one before it
    "additive": OPERATIONS[:2],
    "basic": OPERATIONS[:4],
    "mixed": OPERATIONS[:8],
    "all": OPERATIONS,
}
_SHAPE = ("steps", "digits", "ops", "fan_in")  # what decides the quantities; the rest is telling
_LEVELS = (
    {"steps": 1, "digits": 2, "ops": "basic"},
    {"steps": 2, "digits": 2, "ops": "basic"},
    {"steps": 3, "digits": 2, "ops": "mixed"},
    {"steps": 4, "digits": 2, "ops": "mixed", "fan_in": 2},
    {"steps": 5, "digits": 3, "ops": "mixed", "fan_in": 2, "distractors": 1},
    {"steps": 6, "digits": 3, "ops": "all", "fan_in": 2, "distractors": 1, "reference": "pronoun"},
    {"steps": 7, "digits": 4, "ops": "all", "fan_in": 3, "distractors": 2, "order": "question_first",
     "reference": "rest"},
    {"steps": 8, "digits": 5, "ops": "all", "fan_in": 3, "distractors": 3, "order": "shuffled",
     "reference": "rest", "wording": "rich"},
)  # fmt: skip

LEVELS = len(_LEVELS)


@dataclass(frozen=True)
class Spec(Configured):
    """The axes of difficulty; every one can be moved alone.

    Attributes:
        steps: Lines of the worked solution.
        digits: No number of the problem has more.
        ops: A mix (``additive``, ``basic``, ``mixed``, ``all``, each with all of the one before) or names of
            operations joined by ``+``: add, sub, mul, div, compare, share, rate, convert, ratio, percent,
            remainder, ceil.
        fan_in: The most computed quantities that one step takes; above 1 it needs that many steps and one.
        distractors: Sentences with a number that nothing asked for depends on.
        order: As it happened, in any order (each sentence then names its month), or with the question first.
        reference: Names throughout; pronouns; pronouns and ``the rest``.
        wording: The family of sentences: ``plain`` has a closed small vocabulary.
        language: ``en``, ``de``, or the constructed ``calculese``.

    Example:
        >>> Spec.level(2)
        Spec(steps=2, digits=2, ops='basic', fan_in=1, distractors=0, order='story', ...)
    """

    steps: Annotated[int, Between(1, 8)] = 2
    digits: Annotated[int, Between(1, 6)] = 2
    ops: str = "basic"
    fan_in: Annotated[int, Between(1, 3)] = 1
    distractors: Annotated[int, Between(0, 3)] = 0
    order: Literal["story", "question_first", "shuffled"] = "story"
    reference: Literal["explicit", "pronoun", "rest"] = "explicit"
    wording: Literal["plain", "rich"] = "plain"
    language: Literal["en", "de", "calculese"] = "en"

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [name for name in self.operations if name not in OPERATIONS]
        if unknown:
            raise InvalidParameterError(
                f"Spec: parameter 'ops' is {self.ops!r}; expected one of {', '.join(MIXES)}, or some of "
                f"{', '.join(OPERATIONS)} joined by '+'"
            )
        if self.fan_in > 1 and self.steps <= self.fan_in:
            raise InvalidParameterError(
                f"Spec: parameter 'fan_in' is {self.fan_in} with {self.steps} steps; expected at least "
                f"{self.fan_in + 1} steps, one for each quantity that is joined and one that joins them"
            )
        if self.wording == "rich" and self.language != "en":
            raise InvalidParameterError(
                f"Spec: parameter 'wording' is 'rich' with the language {self.language!r}; expected 'plain': "
                "the rich register is in English alone"
            )

    @classmethod
    def level(cls, level: int) -> "Spec":
        """Return a point of the path from easy (1) to hard (8).

        1 to 3: that many steps with two digits, from 3 on with comparisons, shares, rates and units of time.
        4: four steps, of which one joins two computed quantities. 5: three digits and a distractor. 6: also
        percent, ratios, remainders; pronouns. 7: four digits, two distractors, three quantities joined, the
        question first, "the rest". 8: five digits, three distractors, shuffled, the rich register.

        Raises:
            InvalidParameterError: No such level.
        """
        if not 1 <= level <= LEVELS:
            raise InvalidParameterError(
                f"Spec: parameter 'level' is {level}; expected a whole number in [1, {LEVELS}]"
            )
        return cls(**_LEVELS[level - 1])

    @property
    def operations(self) -> tuple[str, ...]:
        """The operations that steps are made of."""
        return MIXES.get(self.ops) or tuple(self.ops.split("+"))

    @property
    def shape_digest(self) -> str:
        """Names what decides the quantities: specs that differ in telling alone share their quantities."""
        params = self.params()
        return digest({name: params[name] for name in _SHAPE})

"""Units of measure: which words are units, and how those of one dimension convert, exactly."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

# dimension: {unit: factor to the first one}; all names singular
_TABLE: dict[str, dict[str, str]] = {
    "length": {
        "m": "1", "meter": "1", "metre": "1", "cm": "1/100", "centimeter": "1/100", "centimetre": "1/100",
        "mm": "1/1000", "millimeter": "1/1000", "millimetre": "1/1000", "dm": "1/10", "km": "1000",
        "kilometer": "1000", "kilometre": "1000", "inch": "127/5000",
        "ft": "381/1250", "foot": "381/1250", "feet": "381/1250", "yd": "1143/1250", "yard": "1143/1250",
        "mi": "201168/125", "mile": "201168/125", "nm": "1/1000000000", "um": "1/1000000",
    },
    "mass": {
        "g": "1", "gram": "1", "gm": "1", "kg": "1000", "kilogram": "1000", "kilo": "1000", "mg": "1/1000",
        "milligram": "1/1000", "tonne": "1000000", "lb": "45359237/100000", "pound": "45359237/100000",
        "oz": "45359237/1600000", "ounce": "45359237/1600000",
    },
    "time": {
        "s": "1", "sec": "1", "second": "1", "ms": "1/1000", "millisecond": "1/1000", "min": "60",
        "minute": "60", "h": "3600", "hr": "3600", "hour": "3600", "day": "86400", "week": "604800",
    },
    "months": {"month": "1", "year": "12", "yr": "12", "decade": "120", "century": "1200"},
    "volume": {
        "l": "1", "liter": "1", "litre": "1", "ml": "1/1000", "milliliter": "1/1000", "millilitre": "1/1000",
        "gallon": "473176473/125000000", "gal": "473176473/125000000", "quart": "473176473/500000000",
        "pint": "473176473/1000000000", "cup": "473176473/2000000000",
    },
    "dollars": {"$": "1", "dollar": "1", "usd": "1", "buck": "1", "cent": "1/100", "¢": "1/100",
                "penny": "1/100"},
    "euros": {"€": "1", "euro": "1", "eur": "1"},
    "pounds sterling": {"£": "1", "gbp": "1"},
    "yen": {"¥": "1", "yen": "1"},
    "rupees": {"₹": "1", "rupee": "1"},
    "degrees": {"°": "1", "degree": "1", "deg": "1"},
    "radians": {"rad": "1", "radian": "1"},
    "celsius": {"°c": "1", "celsius": "1"},
    "fahrenheit": {"°f": "1", "fahrenheit": "1"},
    "kelvin": {"kelvin": "1"},
    "energy": {"j": "1", "joule": "1", "kj": "1000", "mj": "1000000", "cal": "523/125", "kcal": "4184"},
    "power": {"w": "1", "watt": "1", "kw": "1000", "kilowatt": "1000", "mw": "1000000"},
    "force": {"n": "1", "newton": "1", "kn": "1000"},
    "frequency": {"hz": "1", "hertz": "1", "khz": "1000", "mhz": "1000000", "ghz": "1000000000"},
    "voltage": {"v": "1", "volt": "1"},
    "current": {"amp": "1", "ampere": "1"},
    "data": {"byte": "1", "kb": "1000", "mb": "1000000", "gb": "1000000000", "bit": "1/8"},
}  # fmt: skip
_COMPOUND = {
    "mph": "mile/hour", "kph": "km/hour", "kmh": "km/hour", "kmph": "km/hour", "mps": "m/s",
    "acre": "4840 yard^2", "hectare": "10000 m^2", "ha": "10000 m^2", "sqft": "ft^2", "sqm": "m^2",
}  # fmt: skip
_UNITS = {
    name: (dimension, Fraction(factor))
    for dimension, names in _TABLE.items()
    for name, factor in names.items()
}
# Words that say nothing about the kind of thing counted.
_FILLERS = frozenset(
    re.findall(
        r"\w+",
        "in total altogether left each of the a an more less remaining now only exactly all total "
        "approximately about overall combined away later ago old long tall wide high deep fewer extra "
        "different possible "
        "distinct ways way worth apart together there were are is was",
    )
)
_WORD = re.compile(
    r"\s*[*]?\s*(\^\\circ(?![A-Za-z])(?:\s*[CF]\b)?|\^\{\\circ\}(?:\s*[CF]\b)?|[A-Za-z]+|[¢$€£¥₹°])"
)
_RATIO = re.compile(
    r"\s*/\s*|\bper\b|\b(?:an?|every|each)\b(?=\s+(?:hour|day|week|month|year|minute|second))"
)
_INCH = re.compile(r"^(square |cubic |sq |cu |)in(?=\^|$)")
_POWERS_AHEAD = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_POWER = re.compile(r"\s*(?:\^|\*\*)\s*\{?\s*(-?\d)\s*\}?|\s+(squared|cubed)\b")
MAX_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Unit:
    """A product of powers of base dimensions, and its size in base units.

    Attributes:
        powers: Dimension to exponent; a word that is no measure ("apple") is its own dimension.
        factor: How many base units one of it is.
        measure: Whether every part is a known measure.
    """

    powers: Mapping[str, int]
    factor: Fraction
    measure: bool

    def times(self, other: "Unit", power: int) -> "Unit":
        """Return this unit times a power of another."""
        powers = dict(self.powers)
        for name, exponent in other.powers.items():
            powers[name] = powers.get(name, 0) + power * exponent
        factor = self.factor * other.factor**power
        return Unit({n: e for n, e in powers.items() if e}, factor, self.measure and other.measure)

    def convertible(self, other: "Unit") -> bool:
        """Say whether amounts in the two can be compared."""
        return dict(self.powers) == dict(other.powers)


@lru_cache(maxsize=4096)
def parse_unit(text: str) -> Unit | None:
    """Read the words after (or the sign before) an amount; None where they are no unit but prose or algebra.

    ``cm``, ``square feet``, ``km/h``, ``m s^{-2}``, ``dollars per hour``, ``red apples``. Words that name
    nothing, like "in total", give a unit without powers.
    """
    text = _INCH.sub(r"\1inch", text.strip().rstrip("."))
    if not text or len(text) > MAX_LENGTH:
        return None
    parts = [_parse_product(part) for part in _RATIO.split(text)]
    total = Unit({}, Fraction(1), True)
    for index, part in enumerate(parts):
        if part is None or (index and not part.powers):
            return None
        total = total.times(part, -1 if index else 1)
    if len(parts) > 1 and not total.powers:  # "hours a day"
        return Unit({"ratio": 1}, total.factor, True)
    return total


def _parse_product(text: str) -> Unit | None:
    """Read units side by side, with their powers."""
    total, words, ahead, position = Unit({}, Fraction(1), True), [], 1, 0
    text = text.strip()
    while position < len(text):
        match = _WORD.match(text, position)
        if not match:
            return None
        position = match.end()
        word = _singular(match[1])
        if word in _POWERS_AHEAD:
            ahead = _POWERS_AHEAD[word]
            continue
        power = _POWER.match(text, position)
        if power:
            position = power.end()
            ahead = {"squared": 2, "cubed": 3}.get(power[2] or "") or int(power[1])
        unit = _lookup(word)
        if unit is None:
            words.append(word)
        else:
            total = total.times(unit, ahead)
        ahead = 1
    return _with_things(total, [word for word in words if word not in _FILLERS])


def _with_things(total: Unit, things: list[str]) -> Unit | None:
    """Count things where nothing is measured: "red apples" are apples, "cups of coffee" stay cups."""
    if len(things) > 3:
        return None
    if things and not total.powers:
        return Unit({f"thing:{things[-1]}": 1}, Fraction(1), False)
    if total.powers.get("length") == 3:  # a cubic metre is a thousand litres
        powers = {name: power for name, power in total.powers.items() if name != "length"}
        return Unit(powers, total.factor, True).times(Unit({"volume": 1}, Fraction(1000), True), 1)
    return total


def _singular(word: str) -> str:
    """Lower-case a word and drop its plural; one-letter units keep apart from words by length alone."""
    if "circ" in word:
        return "°" + word.rpartition("circ")[2].strip(" }").lower()
    low = word.lower()
    if low in _UNITS or low in _COMPOUND:
        return low
    if low.endswith("ies") and len(low) > 4:
        return low[:-3] + "y"
    if low.endswith(("ches", "shes", "sses", "xes")):
        return low[:-2]
    if low.endswith("s") and not low.endswith("ss") and len(low) > 2:
        return low[:-1]
    return low


def _lookup(word: str) -> Unit | None:
    """Return the unit of a singular word."""
    found = _UNITS.get(word)
    if found is not None:
        return Unit({found[0]: 1}, found[1], True)
    compound = _COMPOUND.get(word)
    if compound is None:
        return None
    amount, _, rest = compound.partition(" ")
    unit = parse_unit(rest if rest else compound)
    assert unit is not None
    return Unit(unit.powers, unit.factor * (int(amount) if rest else 1), True)

r"""How Qwen2.5-Math's evaluation finds an answer and rewrites it: ``evaluation/parser.py``, 2024.

The order of the rewriting steps and of the unit list decides verdicts and is the original's.
"""

import re
from contextlib import suppress

from calculemus.grading.hendrycks import brace_fractions
from calculemus.grading.public import balanced, is_expression

# Patterns, not words: a full stop stands for any character, in the original too.
_UNITS = (
    "east", "degree", "mph", "kmph", "ft", "m sqaure", " m east", "sq m", "deg", "mile", "q .", "monkey",
    "prime", "ratio", "profit of rs", "rd", "o", "gm", "p . m", "lb", "tile", "per", "dm", "lt", "gain", "ab",
    "way", "west", "a .", "b .", "c .", "d .", "e .", "f .", "g .", "h .", "t", "a", "h", "no change", "men",
    "soldier", "pie", "bc", "excess", "st", "inches", "noon", "percent", "by", "gal", "kmh", "c", "acre",
    "rise", "a . m", "th", "π r 2", "sq", "mark", "l", "toy", "coin", "sq . m", "gallon", "° f", "profit",
    "minw", "yr", "women", "feet", "am", "pm", "hr", "cu cm", "square", "v â € ™", "are", "rupee", "rounds",
    "cubic", "cc", "mtr", "s", "ohm", "number", "kmph", "day", "hour", "minute", "min", "second", "man",
    "woman", "sec", "cube", "mt", "sq inch", "mp", "∏ cm ³", "hectare", "more", "sec", "unit", "cu . m",
    "cm 2", "rs .", "rs", "kg", "g", "month", "km", "m", "cm", "mm", "apple", "liter", "loss", "yard", "pure",
    "year", "increase", "decrease", "d", "less", "Surface", "litre", "pi sq m", "s .", "metre", "meter",
    "inch",
)  # fmt: skip
_UNIT_PATTERNS = tuple(re.compile(rf"(^|\W){unit}($|\W)") for unit in (*_UNITS, *(f"{u}s" for u in _UNITS)))
_LAYOUT = (
    ("tfrac", "frac"), ("dfrac", "frac"), (r"\neq", r"\ne"), (r"\leq", r"\le"), (r"\geq", r"\ge"),
    (r"\left", ""), (r"\right", ""), (r"\{", "{"), (r"\}", "}"),
)  # fmt: skip
_SIGNS = ((r"^{\circ}", ""), (r"^\circ", ""), (r"\$", ""), ("$", ""), (r"\(", ""), (r"\)", ""))
_NAMES = (
    ("x=", ""), ("y=", ""), ("z=", ""), (r"x\in", ""), (r"y\in", ""), (r"z\in", ""), (r"x\to", ""),
    (r"y\to", ""), (r"z\to", ""), (r"\emptyset", "{}"), (r"(-\infty,\infty)", r"\mathbb{R}"), (r"\%", ""),
    ("%", ""), (" .", " 0."), ("{.", "{0."), ("infinity", r"\infty"),
)  # fmt: skip
_NUMBER = re.compile(r"-?\d*\.?\d+")

_SMALL = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = {"billion": 10**9, "million": 10**6, "thousand": 1000}
_WORDS = {word: value for value, word in enumerate(_SMALL)} | {"hundred": 100} | _SCALES
_WORDS |= {word: 10 * tens for tens, word in enumerate(_TENS, 2)}


def extract(response: str) -> tuple[str, str]:
    """Return the answer, empty where there is none, and the rule that found it."""
    text = response.replace("ки", "")  # a stray token of the models that the original was made for
    answer, how = _find(text)
    answer = re.sub(r"\n\s*", "", answer)
    return answer.removeprefix(":").removesuffix(".").removesuffix("/"), how


def _find(text: str) -> tuple[str, str]:
    _, opened, rest = text.partition("final answer is $")
    if opened and "$. I hope" in text:
        return rest.partition("$. I hope")[0].strip(), "final-answer sentence"
    if "boxed" in text:
        boxed = text.rpartition("boxed")[2]
        return (balanced(boxed)[0] if boxed.startswith("{") else boxed.partition("$")[0].strip()), "boxed"
    for words in ("he answer is", "final answer is"):
        if words in text:
            return text.rpartition(words)[2].strip(), "answer phrase"
    if "答案是" in text:
        return text.split("答案是")[1].strip().partition("\n\n")[0].strip(), "answer phrase"
    if is_expression(text):
        return text.strip(), "bare"
    numbers = _NUMBER.findall(text.replace(",", ""))
    return (numbers[-1] if numbers else ""), "last number"


def normalise(answer: str) -> str:
    """Rewrite an answer: no units, no names of variables, no percent signs, braced fractions."""
    text = answer.strip().replace("\n", "").rstrip(".").replace(r"\!", "")
    text = re.sub(r"\\begin\{array\}\{.*?\}", r"\\begin{pmatrix}", text)
    text = text.replace(r"\end{array}", r"\end{pmatrix}").replace("bmatrix", "pmatrix")
    text = _replace_all(text, _LAYOUT)
    text = re.sub(r"\\text{.*?}$", "", text).strip() or text
    text = _replace_all(_without_units(text), _SIGNS)
    text = _words_to_number(text)
    text = _replace_all(re.sub(r"\\text\{(.*?)\}", r"\1", text), _NAMES)
    text = text if r"\infty" in text else text.replace("inf", r"\infty")
    text = re.sub(r"\\mbox{.*?}", "", text.replace("and", "").replace(r"\mathbf", ""))
    text = text if "i" in text else text.replace("j", "i")
    text = re.sub(r"(\d+)\.0*([^\d])", r"\1\2", text)
    text = re.sub(r"(\d+)\.0*$", r"\1", text)
    return _finish("0" + text if text.startswith(".") else text)


def _finish(text: str) -> str:
    name, equals, value = text.partition("=")
    if equals and "=" not in value and len(name) <= 2:
        text = value
    text = re.sub(r"\\sqrt(\w+)", r"\\sqrt{\1}", text).replace(" ", "")
    text = brace_fractions(text, keeps_bare=True)
    above, slash, below = text.partition("/")
    if slash and "/" not in below and _is_simple(above) and _is_simple(below):
        return rf"\frac{{{above}}}{{{below}}}"
    return text


def _is_simple(part: str) -> bool:
    """Return whether a part of a ratio is a root or an integer in its shortest spelling."""
    return "sqrt" in part or re.fullmatch(r"0|-?[1-9][0-9]*", part) is not None


def _replace_all(text: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for before, after in pairs:
        text = text.replace(before, after)
    return text


def _without_units(text: str) -> str:
    if not any(character.isalpha() for character in text):
        return text
    for pattern in (*_UNIT_PATTERNS, *_UNIT_PATTERNS):
        text = pattern.sub(r"\1\2", text) or text
    return text


def _words_to_number(text: str) -> str:
    """Replace a text that holds number words by their number, whatever else it holds, as word2number does."""
    spoken = text.replace("-", " ").lower()
    if spoken.isdecimal():
        with suppress(ValueError):  # too many digits for int()
            return str(int(spoken))
    words = [word for word in spoken.split() if word in _WORDS or word == "point"]
    if not words or any(words.count(word) > 1 for word in (*_SCALES, "point")):
        return text
    whole, _, decimals = " ".join(words).partition("point")
    value = _whole(whole.split())
    if value is None:
        return text
    digits = [_SMALL.index(word) if word in _SMALL[:10] else None for word in decimals.split()]
    if not digits:
        return str(value)
    return str(value + (0 if None in digits else float("0." + "".join(map(str, digits)))))


def _whole(words: list[str]) -> int | None:
    if len(words) <= 1:
        return _WORDS[words[0]] if words else 0
    scales = [word for word in words if word in _SCALES]
    if scales != [scale for scale in _SCALES if scale in scales]:
        return None
    total, groups = 0, [words]
    for scale in scales:
        at = groups[-1].index(scale)
        if at == 0:
            return None
        total += _below_thousand(groups[-1][:at]) * _SCALES[scale]
        groups.append(groups[-1][at + 1 :])
    # A slip of word2number: where a scale ends the text, what follows the scale before it is added once more.
    rest = groups[-1] or (groups[-2] if len(scales) > 1 else [])
    return total + (_below_thousand(rest) if rest else 0)


def _below_thousand(words: list[str]) -> int:
    values = [_WORDS[word] for word in words]
    if len(values) in (3, 4):
        return values[0] * values[1] + sum(values[2:])
    if len(values) == 2:
        return values[0] * values[1] if 100 in values else sum(values)
    return values[0]  # five or more make no sense; the original takes the first

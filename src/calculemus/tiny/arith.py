"""Small sums as rows of text, in two languages that share no sign: tasks for small language models.

    12+34=46        in language a, with digits
    mcpnoe:qg       the same in language b, with letters for digits and for signs

The rows of an operation are all the problems that it has, in an order that is the same in every process, and
are cut into rows to learn from, to choose by and to test with.
"""

from collections.abc import Callable, Mapping
from functools import cache

from calculemus.errors import InvalidParameterError
from calculemus.rng import Rng
from calculemus.tuning.text_task import Row

_N = 100
_SHARES = (0.8, 0.9)  # where the rows to choose by begin, and those to test with


def _add(a: int, b: int) -> tuple[str, str]:
    return f"{a}+{b}=", str(a + b)


def _sub(a: int, b: int) -> tuple[str, str]:
    return f"{a}-{b}=", str(a - b)


def _mul(a: int, b: int) -> tuple[str, str]:
    return f"{a}*{b % 10}=", str(a * (b % 10))


def _max(a: int, b: int) -> tuple[str, str]:
    return f"{a}?{b}=", str(max(a, b))


def _sort(a: int, b: int) -> tuple[str, str]:
    digits = f"{a:02}{b:02}"
    return f"#{digits}=", "".join(sorted(digits))


def _copy(a: int, b: int) -> tuple[str, str]:
    digits = f"{a:02}{b:02}"
    return f"@{digits}=", digits


def _reverse(a: int, b: int) -> tuple[str, str]:
    digits = f"{a:02}{b:02}"
    return f"!{digits}=", digits[::-1]


_OPERATIONS: Mapping[str, Callable[[int, int], tuple[str, str]]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "max": _max,
    "sort": _sort,
    "copy": _copy,
    "reverse": _reverse,
}
OPERATIONS = tuple(_OPERATIONS)
LANGUAGES = ("a", "b")
_IN_B = str.maketrans("0123456789+-*?#@!=", "klmnopqrstabcdefgh")


def say(text: str, language: str) -> str:
    """Return a text of language a in a language."""
    return text if language == "a" else text.translate(_IN_B)


@cache
def rows(operation: str, language: str = "a") -> Mapping[str, tuple[Row, ...]]:
    """Return all rows of an operation: ``train``, ``dev`` and ``test``.

    Raises:
        InvalidParameterError: There is no such operation, or no such language.
    """
    if operation not in _OPERATIONS or language not in LANGUAGES:
        raise InvalidParameterError(
            f"making rows of '{operation}' in language '{language}': expected one of "
            f"{', '.join(OPERATIONS)} and one of {', '.join(LANGUAGES)}"
        )
    pairs = {
        _OPERATIONS[operation](a, b) for a in range(_N) for b in range(_N) if operation != "sub" or a >= b
    }
    every = sorted(pairs)
    order = Rng(0, ("arith", operation)).generator().permutation(len(every)).tolist()
    shuffled = [Row(say(every[i][0], language), say(every[i][1], language)) for i in order]
    first, second = (int(share * len(shuffled)) for share in _SHARES)
    return {
        "train": tuple(shuffled[:first]),
        "dev": tuple(shuffled[first:second]),
        "test": tuple(shuffled[second:]),
    }

"""What came of a run."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

Tier = Literal["mini", "std", "sci", "none"]
Status = Literal[
    "ok", "raised", "timeout", "memory", "output_limit", "forbidden", "crashed", "unsupported", "suspended"
]

TIERS: tuple[Tier, ...] = ("mini", "std", "sci")


@dataclass(frozen=True, slots=True)
class Call:
    """A call that a program waits for.

    Attributes:
        name: The function's name.
        args: Its arguments by position, as data.
        kwargs: Its arguments by name.

    Example:
        >>> Call("is_red", ("apple",), {"when": [1, 2]}).source
        "is_red('apple', when=[1, 2])"
    """

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The call as Python writes it; equal calls are written alike."""
        named = [f"{name}={value!r}" for name, value in sorted(self.kwargs.items())]
        return f"{self.name}({', '.join([*map(repr, self.args), *named])})"


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one program. It is data to grade: a program can return anything it likes.

    Attributes:
        status: ``ok``; ``raised`` (it failed by itself); ``timeout``, ``memory``, ``output_limit`` (it met a
            limit); ``forbidden`` (it asked for what no program gets); ``crashed`` (its process died, or
            answered nonsense); ``unsupported`` (the tier asked for does not run such programs);
            ``suspended`` (it waits for the reply to a call).
        value: What it returned, in Python's own types; None unless ``ok``.
        stdout: What it printed; empty where its process was killed.
        error_kind: One word for the failure: the exception's name, or ``syntax``, ``no_function`` (nothing
            that could be the answer), ``no_return`` (the function returned None), ``not_data`` (the value is
            a function or an object), ``non_numeric`` (see ``require_number``), ``import_not_allowed``,
            ``system_call``, ``cpu``, ``wall``, ``memory``, ``output_limit``, ``value_too_large``,
            ``bad_call`` (it calls a function of its host's with what is no data), ``program_too_long``,
            ``killed``, ``no_reply``, ``bad_reply``; None if ``ok`` or ``suspended``.
        error: The last line of the traceback, or a sentence; None if ``ok``.
        seconds: From sending the program to having its answer.
        peak_bytes: Most memory its process held, the interpreter included; None where unknown.
        tier: Where it ran last.
        tried: All tiers that it was given to, in this order.
        pending: The call whose reply a suspended program waits for.
    """

    status: Status
    value: Any = None
    stdout: str = ""
    error_kind: str | None = None
    error: str | None = None
    seconds: float = 0.0
    peak_bytes: int | None = None
    tier: Tier = "mini"
    tried: tuple[Tier, ...] = field(default=())
    pending: Call | None = None

    @property
    def ok(self) -> bool:
        """Whether the program gave a value."""
        return self.status == "ok"

    def require_number(self) -> "Run":
        """Return the run, as a failure ``non_numeric`` where its value is not a real number."""
        if not self.ok or as_number(self.value) is not None:
            return self
        error = (
            f"the value is {_shorten(self.value)}, a {type(self.value).__name__}; expected a finite number"
        )
        return replace(self, status="raised", value=None, error_kind="non_numeric", error=error)


def _shorten(value: Any, length: int = 80) -> str:
    try:
        text = repr(value)
    except ValueError:  # a whole number with more digits than Python writes
        return "something with a very large number in it"
    return text if len(text) <= length else text[: length - 3] + "..."


_MOST_DIGITS = 10_000


def as_number(value: Any) -> Fraction | None:
    """Return a finite number exactly, a numeral's number too; None for everything else.

    True and False are no numbers here, and a decimal whose digits would fill the memory is none either.
    """
    if isinstance(value, str):
        value = read_numeral(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Fraction, Decimal)):
        return None
    if isinstance(value, Decimal) and abs(value.adjusted()) > _MOST_DIGITS:
        return None
    try:
        return Fraction(value)
    except (ValueError, OverflowError):  # infinite, or not a number
        return None


def read_numeral(text: str) -> Any:
    """Read a line as the number that Python would print like this; give the line back if it is none."""
    stripped = text.strip()
    for kind in (int, float):
        try:
            return kind(stripped)
        except ValueError:
            continue
    return stripped

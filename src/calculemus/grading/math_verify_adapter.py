r"""The grader of Hugging Face: math-verify 0.9 (``parse`` and ``verify``), called as it is.

The most complete of the public graders. It compares to 6 decimal places, so ``3.14159265`` is ``\pi``;
drops units on both sides and the subscript of a base; knows no number words; and is asymmetric on purpose:
an interval is right where the gold is an inequality, not the other way round.

Its time-outs use an alarm signal, which fails outside the main thread and does not stop C code; they are
turned off, and it runs in a worker that is killed instead.

It reads LaTeX only inside a math environment. A gold without one is put between dollar signs, and so is a
response that is nothing but an expression. Everything else goes in unchanged.

Differs: nothing in its verdicts but the time limit of 0.8 s for both steps, where it allows 5 s each. The
installed version of math-verify is part of ``how``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, ClassVar

from calculemus.grading.public import Judgement, call, is_expression, judge
from calculemus.problem import Problem
from calculemus.verdict import Verdict

_MATHEMATICS = re.compile(r"\$|\\\(|\\\[|\\boxed|\\fbox|\\begin\{(?:equation|align|gather|math|displaymath)")


@dataclass(frozen=True)
class MathVerify:
    r"""The library's own verdict.

    Example:
        >>> MathVerify().grade(Problem("p", "Half of 1?", "0.5"), r"It is $\frac{1}{2}$.").outcome
        'correct'
    """

    name: str = field(default="math_verify", init=False)
    version: int = field(default=1, init=False)
    expected_failures: ClassVar[Mapping[str, str]] = {
        "another_unit_is_wrong": "units are dropped, as the public grader does",
    }

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        return judge(self, problem, response, _judge)


def _judge(golds: tuple[str, ...], response: str) -> Judgement:
    found = call("calculemus.grading.math_verify_adapter:compare", golds, response)
    return found or Judgement("unparsed", None, "gave up")


def as_formula(text: str) -> str:
    """Return a text with its mathematics where the library looks for it."""
    return text if _MATHEMATICS.search(text) else f"${text}$"


def compare(golds: tuple[str, ...], response: str) -> Judgement:
    """Parse and compare without any limit: only for a worker."""
    from math_verify import parse, verify

    def read(text: str) -> list[Any]:
        return parse(text, parsing_timeout=None)  # pyright: ignore[reportArgumentType]  # None is allowed

    library = f"math-verify {version('math-verify')}"
    given = read(as_formula(response) if is_expression(response) else response)
    extracted = next((part for part in reversed(given) if isinstance(part, str)), None)
    if not given:
        return Judgement("unparsed", None, f"{library}: nothing to read")
    is_equal = any(verify(read(as_formula(gold)), given, timeout_seconds=None) for gold in golds)
    return Judgement("correct" if is_equal else "wrong", extracted, library)

r"""The ``minerva_math`` tasks of EleutherAI/lm-evaluation-harness, metric ``exact_match``, task version 3.0.

Established from ``lm_eval/tasks/minerva_math/utils.py`` as it stood before August 2026; the rewriting is that
of Lewkowycz et al. 2022 (arXiv:2206.14858), appendix D. Published figures rest on this version.

- The answer must stand on one line between ``Final Answer: The final answer is`` and
  ``I hope it is correct.``; anything else, a ``\boxed{}`` alone included, scores nothing. The harness appends
  the closing words itself, which helps only a response that ends in a full stop and a space.
- Both answers are rewritten: what follows the last ``=``, no units, no articles, no spaces. Units are cut
  out of the middle of LaTeX commands, too: ``\infty`` loses ``ft``, and ``\left`` becomes ``\le``.
- Then SymPy reads both and simplifies their difference. Its grammar reads no tuple, interval, set or text,
  so such an answer scores nothing even where it equals the gold letter for letter, and it ignores what
  follows a readable beginning.

Differs: what SymPy cannot read or decide is ``unparsed`` here, and ``0`` there, which scores the same. The
time limit is 0.8 s instead of 5 s. The harness reports math-verify beside it; that is a grader of its own
here. Task version 3.1 of August 2026 mends the rewriting and accepts equal strings; it is not reproduced.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from calculemus.grading.public import Judgement, compare_in_worker, judge
from calculemus.grading.sympy_latex import parse_latex
from calculemus.problem import Problem
from calculemus.verdict import Outcome, Verdict

_OPENING = "Final Answer: The final answer is"
_CLOSING_WORDS = "I hope it is correct."
_CLOSING = re.compile(r". I hope it is correct.")

# The paper's tables, in its order: the order matters.
_REPLACED = (
    ("an ", ""), ("a ", ""), (".$", "$"), (r"\$", ""), (r"\ ", ""), (" ", ""), ("mbox", "text"),
    (r",\text{and}", ","), (r"\text{and}", ","), (r"\text{m}", r"\text{}"),
)  # fmt: skip
_REMOVED = (
    "square", "ways", "integers", "dollars", "mph", "inches", "ft", "hours", "km", "units", r"\ldots", "sue",
    "points", "feet", "minutes", "digits", "cents", "degrees", "cm", "gm", "pounds", "meters", "meals",
    "edges", "students", "childrentickets", "multiples", r"\text{s}", r"\text{.}", "\\text{\ns}",
    r"\text{}^2", r"\text{}^3", "\\text{\n}", r"\text{}", r"\mathrm{th}", r"^\circ", r"^{\circ}", r"\;",
    r",\!", "{,}", '"', r"\dots",
)  # fmt: skip
_REWRITTEN = (
    (re.compile(r".*?\$(.*?)\$.*"), r"$\1$"),  # the first formula of a line, where there is one
    (re.compile(r"\\text\{(.*?)\}"), r"\1"),
    (re.compile(r"\\textbf\{(.*?)\}"), r"\1"),
    (re.compile(r"\\overline\{(.*?)\}"), r"\1"),
    (re.compile(r"\\boxed\{(.*)\}"), r"\1"),
    (re.compile(r"frac([^{])(.)"), r"frac{\1}{\2}"),  # \frac12
    (re.compile(r"sqrt([^{])"), r"sqrt{\1}"),
)


@dataclass(frozen=True)
class MinervaMath:
    """The sentence ``Final Answer: The final answer is X. I hope it is correct.``, compared by SymPy.

    Example:
        >>> said = "Final Answer: The final answer is $1/2$. I hope it is correct."
        >>> MinervaMath().grade(Problem("p", "Half of 1?", "0.5"), said).outcome
        'correct'
    """

    name: str = field(default="minerva_math", init=False)
    version: int = field(default=1, init=False)
    expected_failures: ClassVar[Mapping[str, str]] = {
        "another_unit_is_wrong": "units are dropped, as the public grader does",
    }

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        return judge(self, problem, response, _judge)


def _judge(golds: tuple[str, ...], response: str) -> Judgement:
    answer = extract(response)
    if answer is None:
        return Judgement("unparsed", None, "no final-answer sentence")
    return compare_in_worker(
        "calculemus.grading.minerva_math:compare", golds, answer, "final-answer sentence"
    )


def extract(response: str) -> str | None:
    """Return what stands between opening and closing words on the first line that has both."""
    for line in (response + _CLOSING_WORDS).split("\n"):
        _, found, rest = line.partition(_OPENING)
        closing = _CLOSING.search(rest) if found else None
        if closing:
            return rest[: closing.start()].strip()
    return None


def normalise(answer: str) -> str:
    """Rewrite a final answer as the paper's appendix does."""
    answer = answer.rpartition("=")[2]
    for before, after in _REPLACED:
        answer = answer.replace(before, after)
    for expression in _REMOVED:
        answer = answer.replace(expression, "")
    for pattern, replacement in _REWRITTEN:
        answer = pattern.sub(replacement, answer)
    answer = answer.replace("$", "")
    without_commas = answer.replace(",", "")
    return without_commas if without_commas.isdigit() else answer


def compare(gold: str, answer: str) -> tuple[Outcome, str]:
    """Compare by simplifying the difference, without any limit: only for a worker."""
    from sympy import simplify

    try:
        given, wanted = parse_latex(normalise(answer)), parse_latex(normalise(gold))
        is_equal = simplify(given - wanted) == 0
    except ImportError:
        raise
    except Exception:  # the public code, too, counts whatever SymPy raises on
        return "unparsed", "SymPy cannot read it"
    return ("correct" if is_equal else "wrong"), "SymPy"

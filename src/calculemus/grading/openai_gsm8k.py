r"""The grader that came with GSM8K: openai/grade-school-math, ``grade_school_math/dataset.py``, 2021.

Established by reading its code. The answer is the first match of ``#### (\-?[0-9\.\,]+)``; commas are
removed and the strings must be equal. So ``18.0``, ``$18`` and ``18.`` are not ``18``, and of several
answers the first counts.

Differs: the original takes the gold from the worked solution and fails on one without ``####``; here a gold
without it counts as given.
"""

import re
from dataclasses import dataclass, field

from calculemus.grading.public import Judgement, judge
from calculemus.problem import Problem
from calculemus.verdict import Verdict

_ANSWER = re.compile(r"#### (\-?[0-9\.\,]+)")


@dataclass(frozen=True)
class OpenaiGsm8k:
    """The first ``#### number``, compared as text.

    Example:
        >>> OpenaiGsm8k().grade(Problem("p", "2 + 2?", "4"), "2 + 2 = 4 #### 4").outcome
        'correct'
    """

    name: str = field(default="gsm8k_strict", init=False)
    version: int = field(default=1, init=False)

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        return judge(self, problem, response, _judge)


def _judge(golds: tuple[str, ...], response: str) -> Judgement:
    answer = extract(response)
    if answer is None:
        return Judgement("unparsed", None, "no #### number")
    is_equal = answer in [extract(gold) or gold.replace(",", "") for gold in golds]
    return Judgement("correct" if is_equal else "wrong", answer, "first ####/text")


def extract(text: str) -> str | None:
    """Return the number after the first hashes, without commas."""
    match = _ANSWER.search(text)
    return match[1].replace(",", "") if match else None

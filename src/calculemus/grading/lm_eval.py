r"""The two figures of EleutherAI/lm-evaluation-harness for GSM8K, task version 3.0.

Established from ``lm_eval/tasks/gsm8k/gsm8k.yaml``, ``lm_eval/filters/extraction.py`` and the metric
``exact_match`` of ``lm_eval/api/metrics.py``, unchanged from release 0.4.2 to 0.4.13.

- ``strict-match`` takes the first match of ``#### (\-?[0-9\.\,]+)``. A model that recites its few-shot
  examples is graded on the first recited answer.
- ``flexible-extract`` takes the last match of ``(-?[$0-9.,]{2,})|(-?[0-9]+)``: it keeps a dollar sign, a full
  stop and even a lone ellipsis.

From both sides are then removed: commas, dollar signs, all up to the last ``#### ``, and one full stop at
the end. What is left must be the same text but for case, so ``18.0`` is not ``18``.

Differs: none known. Stop sequences belong to generation; a recorded response is taken as it stands.
"""

import re
from dataclasses import dataclass, field

from calculemus.grading.public import Judgement, judge
from calculemus.problem import Problem
from calculemus.verdict import Verdict

_STRICT = re.compile(r"#### (\-?[0-9\.\,]+)")
_FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
_LAST_STOP = re.compile(r"\.$")


@dataclass(frozen=True)
class LmEvalStrict:
    """The harness's ``strict-match``.

    Example:
        >>> LmEvalStrict().grade(Problem("p", "2 + 2?", "4"), "#### 4.").outcome
        'correct'
    """

    name: str = field(default="lm_eval_strict", init=False)
    version: int = field(default=1, init=False)

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        return judge(self, problem, response, _judge_strict)


@dataclass(frozen=True)
class LmEvalFlexible:
    """The harness's ``flexible-extract``.

    Example:
        >>> LmEvalFlexible().grade(Problem("p", "2 + 2?", "4"), "That makes $4.").outcome
        'correct'
    """

    name: str = field(default="lm_eval_flexible", init=False)
    version: int = field(default=1, init=False)

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        return judge(self, problem, response, _judge_flexible)


def _judge_strict(golds: tuple[str, ...], response: str) -> Judgement:
    match = _STRICT.search(response)
    return _exact_match(golds, match[1] if match else None, "first ####")


def _judge_flexible(golds: tuple[str, ...], response: str) -> Judgement:
    last = None
    for match in _FLEXIBLE.finditer(response):
        last = match
    return _exact_match(golds, last[0] if last else None, "last number")


def _exact_match(golds: tuple[str, ...], answer: str | None, how: str) -> Judgement:
    if answer is None:
        return Judgement("unparsed", None, f"no match of {how}")
    is_equal = _normalise(answer) in [_normalise(gold) for gold in golds]
    return Judgement("correct" if is_equal else "wrong", answer, f"{how}/text")


def _normalise(text: str) -> str:
    # rpartition does what "(?s).*#### " does there, without its quadratic time on text that has no hashes.
    kept = text.replace(",", "").replace("$", "").rpartition("#### ")[2]
    return _LAST_STOP.sub("", kept).lower()

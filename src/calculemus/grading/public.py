"""What the reproductions of public graders share: killable comparison, and one verdict at the end."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from calculemus.errors import GradingError, WorkerFailedError, WorkerTimeoutError
from calculemus.grading import workers
from calculemus.grading.base import Grader, grader_id
from calculemus.grading.nursery import resolve
from calculemus.problem import Problem
from calculemus.verdict import Outcome, Verdict

# For one comparison. The public graders allow 3 s, 5 s or no end of time; nothing right was seen to need it.
SECONDS = 0.8

_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_TEXT_GROUP = re.compile(r"\\(?:text|mathrm|mbox)\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Judgement:
    """Outcome, extracted text and rule of a verdict."""

    outcome: Outcome
    extracted: str | None
    how: str


def judge(
    grader: Grader,
    problem: Problem,
    response: str | None,
    rule: Callable[[tuple[str, ...], str], Judgement],
) -> Verdict:
    """Return the verdict of ``rule``, which gets all accepted golds and the response.

    Raises:
        TypeError: The response is neither text nor None.
    """
    if response is None:
        return Verdict("error", None, "no response", grader_id(grader), 0.0)
    if not isinstance(response, str):
        raise TypeError(
            f"{grader.name}: cannot grade the response to problem {problem.id!r}: it is "
            f"{type(response).__name__}; expected text, or None where the system failed"
        )
    start = time.perf_counter()
    found = rule(problem.golds, response)
    seconds = time.perf_counter() - start
    return Verdict(found.outcome, found.extracted, found.how, grader_id(grader), seconds)


def call(function: str, *args: Any, seconds: float = SECONDS) -> Any:
    """Call a function of a grader in a worker.

    Returns:
        What it returns; None where it ran out of time or memory.

    Raises:
        GradingError: A library is missing.
    """
    workers.warm(wait=True)
    try:
        return workers.call(function, *args, seconds=seconds)
    except WorkerTimeoutError:
        return None
    except WorkerFailedError as error:
        if error.cause.startswith(("ImportError", "ModuleNotFoundError")):
            raise GradingError(f"grading with {function}: {error.cause}") from error
        return None


def compare_in_worker(function: str, golds: tuple[str, ...], answer: str, how: str) -> Judgement:
    """Judge an extracted answer by ``function(gold, answer)``, which returns an outcome and a rule."""
    found = call("calculemus.grading.public:first_match", function, golds, answer)
    outcome, rule = found or ("unparsed", "gave up")
    return Judgement(outcome, answer, f"{how}/{rule}")


def first_match(function: str, golds: tuple[str, ...], answer: str) -> tuple[Outcome, str]:
    """Return the finding for the first gold that matches, or else one that says why none did."""
    findings = []
    for gold in golds:
        findings.append(resolve(function)(gold, answer))
        if findings[-1][0] == "correct":
            return findings[-1]
    undecided = [finding for finding in findings if finding[0] == "unparsed"]
    return (undecided or findings)[0]


def after_last_box(text: str) -> str | None:
    r"""Return what follows the last ``\boxed``, or ``\fbox`` where there is none; None without either."""
    for command in (r"\boxed", r"\fbox"):
        _, found, rest = text.rpartition(command)
        if found:
            return rest
    return None


def balanced(text: str) -> tuple[str, bool]:
    """Return the inside of the group that ``text`` opens with, and whether the group is closed.

    Args:
        text: Starts with an opening brace.
    """
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[1:index], True
    return text[1:], False


def is_expression(text: str) -> bool:
    """Return whether a text is an answer, not a solution: one line with no word, or one word and no digit."""
    line = text.strip()
    words = _WORD.findall(_TEXT_GROUP.sub("", line))
    return "\n" not in line and len(words) <= (0 if any(c.isdigit() for c in line) else 1)

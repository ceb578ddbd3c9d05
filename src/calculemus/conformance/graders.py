"""Checks of graders: every text gets a verdict, right is right, near is wrong, and nothing takes for ever."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from calculemus.conformance.chance import known_states
from calculemus.conformance.quiet import kept_quiet, time_limit
from calculemus.conformance.registry import check
from calculemus.conformance.subject import Subject
from calculemus.errors import NotConformingError
from calculemus.grading.base import grader_id
from calculemus.problem import Problem
from calculemus.verdict import OUTCOMES, Verdict

FORMS = (
    "The answer is {}.",
    "#### {}",
    "\\boxed{{{}}}",
    "Final Answer: The final answer is ${}$. I hope it is correct.",
    "{}",
)
"""How responses state an answer; a grader is checked in the first form that it reads."""

GOLDS = ("18", "-7", "0", "3.25", "1234567", "9" * 40)

NEAR = (
    ("18", "-18"),
    ("18", "17"),
    ("18", "19"),
    ("18", "180"),
    ("-7", "7"),
    ("3.25", "3.26"),
    ("9" * 40, "9" * 39 + "8"),
)
"""Golds and answers that are near them: another sign, off by one, a digit more or less."""

UNITS = (("18 m", "18 km"), ("18 kg", "18 g"), ("18 hours", "18 minutes"))

NO_ANSWER = "I have thought about it.\nI would rather not say."

ODD_TEXTS = {
    "nothing": "",
    "blanks": " \n\t\r\n ",
    "a zero byte and half a character": "\0\ud800",
    "another script": "答案是十八 ۱۸ １８ Ⅷ ½",
    "right-to-left marks": "\u202e81 si rewsna ehT\u202c",
    "open braces": "{" * 5000 + "\\boxed{" * 500,
    "parentheses": "(" * 3000 + "1" + ")" * 3000,
    "code": "__import__('os').system('true')",
    "markup": "<think>18</think> <b>18</b> $$\\frac{}{}$$ #### ",
    "signs": "#### - . , e + \\boxed{} = ^ _ %",
}

LONG_TEXTS = {
    "10,000 digits": "7" * 10_000,
    "a power tower": "9^{9^{9^{9}}}",
    "factorials of factorials": "9!!!!!!!!",
    "ten thousand fractions": "\\frac1" * 10_000,
    "many words": "answer " * 20_000,
}

LIMIT_SECONDS = 20.0
"""Of one verdict, on a machine that is busy; graders themselves allow one or two."""


def _grade(subject: Subject, gold: str, response: Any) -> Verdict:
    doing = f"{subject.name} grading {response!r:.60} against {gold!r:.60}"
    with kept_quiet(), time_limit(min(LIMIT_SECONDS, subject.patience), doing):
        try:
            verdict = subject.method.grade(Problem("trial", "How many?", gold), response)
        except Exception as error:  # whatever it raises, a verdict was wanted
            raise NotConformingError(
                f"{doing}: it raised {type(error).__name__}: {error!s:.200}; expected a verdict. Catch what "
                "it can raise, and say unparsed"
            ) from error
    if not isinstance(verdict, Verdict) or verdict.outcome not in OUTCOMES:
        raise NotConformingError(
            f"{doing}: found {verdict!r:.200}; expected a Verdict with an outcome of {', '.join(OUTCOMES)}"
        )
    return verdict


def read_form(subject: Subject) -> str:
    """Return the first form of a response that a grader reads; ask by ``subject.once``."""
    for form in FORMS:
        if _grade(subject, "18", form.format("18")).correct:
            return form
    raise NotConformingError(
        f"{subject.name}: none of the responses {', '.join(repr(form.format('18')) for form in FORMS)} is "
        "correct for the gold '18'; expected one of them to be. Read one of these forms"
    )


@check("Grader")
def a_gold_against_itself_is_correct(subject: Subject) -> None:
    """A response that states the gold scores."""
    form = subject.once(read_form)
    for gold in GOLDS:
        verdict = _grade(subject, gold, form.format(gold))
        if not verdict.correct:
            raise NotConformingError(
                f"{subject.name} grading {form.format(gold)!r} against {gold!r}: it said {verdict.outcome} "
                f"({verdict.how}); expected correct. Compare as numbers, or as the same text"
            )


@check("Grader")
def a_near_miss_is_wrong(subject: Subject) -> None:
    """Another sign, one more or less, and another number of digits do not score."""
    form = subject.once(read_form)
    _require_wrong(subject, [(gold, form.format(answer)) for gold, answer in NEAR])


@check("Grader")
def another_unit_is_wrong(subject: Subject) -> None:
    """Metres are not kilometres."""
    form = subject.once(read_form)
    _require_wrong(subject, [(gold, form.format(answer)) for gold, answer in UNITS])


def _require_wrong(subject: Subject, pairs: list[tuple[str, str]]) -> None:
    for gold, response in pairs:
        verdict = _grade(subject, gold, response)
        if verdict.correct:
            raise NotConformingError(
                f"{subject.name} grading {response!r} against {gold!r}: it said correct ({verdict.how}); "
                "expected wrong or unparsed. Compare exactly"
            )


@check("Grader")
def unparsed_is_told_apart_from_wrong(subject: Subject) -> None:
    """Who states no answer is unparsed, who states another one is wrong."""
    form = subject.once(read_form)
    for response, expected in ((NO_ANSWER, "unparsed"), (form.format("19"), "wrong")):
        outcome = _grade(subject, "18", response).outcome
        if outcome != expected:
            raise NotConformingError(
                f"{subject.name} grading {response!r} against '18': it said {outcome}; expected {expected}. "
                "Say unparsed where no answer is found, and wrong where one is"
            )


@check("Grader")
def every_text_gets_a_verdict(subject: Subject) -> None:
    """No text, bare or in the form of an answer, raises anything or scores."""
    form = subject.once(read_form)
    for text in ODD_TEXTS.values():
        for response in (text, form.format(text)):
            if _grade(subject, "1/2 + 1", response).correct:
                raise NotConformingError(
                    f"{subject.name} grading {response!r:.100} against '1/2 + 1': it said correct; expected "
                    "wrong or unparsed. Compare exactly"
                )


@check("Grader")
def long_input_ends_within_its_limit(subject: Subject) -> None:
    """Digits by the thousand, towers and repetitions get a verdict soon."""
    form = subject.once(read_form)
    for text in LONG_TEXTS.values():
        _grade(subject, "18", form.format(text))
    _grade(subject, "7" * 10_000, form.format("7" * 10_000))


@check("Grader")
def a_failed_system_is_an_error(subject: Subject) -> None:
    """Without a response the verdict is ``error``, and what is no text at all is refused."""
    verdict = _grade(subject, "18", None)
    if (verdict.outcome, verdict.extracted) != ("error", None):
        raise NotConformingError(
            f"{subject.name} grading None: it said {verdict.outcome}, extracted {verdict.extracted!r}; "
            "expected the outcome error and nothing extracted"
        )
    try:
        subject.method.grade(Problem("trial", "How many?", "18"), b"18")
    except TypeError:
        return
    raise NotConformingError(
        f"{subject.name} grading bytes: it gave a verdict; expected a TypeError. Check that the response is "
        "text"
    )


@check("Grader")
def a_verdict_names_its_grader(subject: Subject) -> None:
    """Results are stored under ``name@version``, a whole number from 1."""
    grader = subject.method
    if not isinstance(grader.version, int) or grader.version < 1 or not grader.name:
        raise NotConformingError(
            f"{subject.name}: its name is {grader.name!r} and its version {grader.version!r}; expected a "
            "text and a whole number from 1"
        )
    for response in ("#### 18", NO_ANSWER, None):
        verdict = _grade(subject, "18", response)
        if verdict.grader != grader_id(grader):
            raise NotConformingError(
                f"{subject.name} grading {response!r}: the verdict is of {verdict.grader!r}; expected "
                f"{grader_id(grader)!r}. Use grader_id(self)"
            )


@contextmanager
def _left_alone(subject: Subject, problem: Problem) -> Iterator[None]:
    before, states = pickle.dumps(problem), known_states()
    yield
    if pickle.dumps(problem) != before:
        raise NotConformingError(
            f"{subject.name}: it changed the problem to {problem!r:.200}; expected it as it was"
        )
    changed = [name for name, state in known_states().items() if states.get(name, state) != state]
    if changed:
        raise NotConformingError(
            f"{subject.name}: it changed the global random state of {', '.join(changed)}; expected no draw "
            "at all"
        )


@check("Grader")
def grading_changes_nothing(subject: Subject) -> None:
    """The same pair gets the same verdict again, and problem and global generators are as they were."""
    problem = Problem("trial", "How many?", "18", meta={"answers": ["18.0"], "rel_tol": "0"})
    with _left_alone(subject, problem), kept_quiet():
        verdicts = [subject.method.grade(problem, "The answer is 18.\n#### 18") for _ in range(3)]
    if any(verdict != verdicts[0] for verdict in verdicts):
        raise NotConformingError(
            f"{subject.name}: one pair got the verdicts {verdicts}; expected the same every time"
        )

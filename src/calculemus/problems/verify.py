"""Count what a problem set holds, and say what is wrong with it."""

import math
import re
import statistics
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from calculemus.events import track
from calculemus.exact import parse_number
from calculemus.problem import Problem
from calculemus.problems import gsm8k
from calculemus.problems.arithmetic import evaluate
from calculemus.problems.corrections import Correction, known, rejected
from calculemus.problems.problemset import ProblemSet

ROUNDING = Fraction(1, 1_000_000)  # a number this near to an integer may be a rounded one

_FORMS = (  # the first that fits
    ("negative", re.compile(r"-.*")),
    ("commas", re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")),
    ("decimal", re.compile(r"\d*\.\d+")),
    ("plain", re.compile(r"\d+")),
)
_SIGN = re.compile(r"//?|[-+*]")
_NUMERAL = re.compile(r"\d+(?:[.,]\d+)*")
_SPACE = re.compile(r"\s+")
_LATIN_WORD = re.compile(r"[a-z]+")  # the published count of GSM8K's words is by this definition
_WORD = re.compile(r"[^\W\d_]+")

Facts = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with one problem."""

    id: str
    what: str


@dataclass(frozen=True, slots=True)
class Report:
    """What ``verify`` found.

    Attributes:
        name: The set's name.
        source: Where it was read from.
        digest: Names its content.
        rows: Number of problems.
        facts: Counts by topic and name; see the function of each topic. A topic that the set has nothing
            for is not there.
        wrong: What is wrong, in the set's order; a wrong label that a correction record knows is not listed.
        corrections: The records of labels known to be wrong.
        rejected: The records of corrections that others apply wrongly.
    """

    name: str
    source: str
    digest: str
    rows: int
    facts: Facts
    wrong: tuple[Finding, ...]
    corrections: tuple[Correction, ...] = ()
    rejected: tuple[Correction, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dictionaries."""
        return {**asdict(self), "is_sound": self.is_sound}


@dataclass(frozen=True, slots=True)
class Worked:
    """A problem whose solution has a ``####`` line, with the parsed solution and its untrue annotations."""

    problem: Problem
    solution: gsm8k.AnnotatedSolution
    untrue: tuple[gsm8k.Annotation, ...]


def verify(problems: ProblemSet) -> Report:
    """Count what a set holds and check what can be checked."""
    tracked = track(problems, f"verifying {problems.name}", total=len(problems))
    worked = [item for problem in tracked if (item := _work(problem))]
    facts: Facts = {"answers": answer_facts(problems), "questions": question_facts(problems)}
    if worked:
        facts |= {"steps": step_facts(worked), "annotations": annotation_facts(worked)}
    return Report(
        name=problems.name,
        source=problems.source,
        digest=problems.digest,
        rows=len(problems),
        facts=facts,
        wrong=(*_wrong_solutions(worked), *_contradictions(problems), *_stale_records(problems)),
        corrections=known(problems.name),
        rejected=rejected(problems.name),
    )


def answer_facts(problems: Iterable[Problem]) -> dict[str, Any]:
    """Count the answers by form, as the source spells them, and place their values.

    ``p95`` is the smallest value that at least 95 % do not exceed. ``not_integer`` is exact;
    ``not_integer_beyond_rounding`` leaves out what is within 1e-6 of an integer.
    """
    labels = [str(problem.meta.get("label", problem.answer)) for problem in problems]
    forms = Counter(_form(label) for label in labels)
    facts: dict[str, Any] = {form: forms[form] for form in (*(name for name, _ in _FORMS), "other")}
    values = sorted(value for label in labels if (value := parse_number(label)) is not None)
    if values:
        facts |= {
            "median": _figure(statistics.median(values)),
            "median_magnitude": _figure(statistics.median(map(abs, values))),
            "p95": _figure(values[-(-95 * len(values) // 100) - 1]),
            "min": _figure(values[0]),
            "max": _figure(values[-1]),
            "not_integer": sum(value.denominator != 1 for value in values),
            "not_integer_beyond_rounding": sum(_is_off(value) for value in values),
        }
    return facts


def question_facts(problems: Sequence[Problem] | ProblemSet) -> dict[str, Any]:
    """Measure the questions in characters and distinct lower-case words, and count repetitions.

    ``distinct_words`` are runs of a-z, ``distinct_words_any_script`` runs of letters of any alphabet.
    ``repeated`` are questions equal to an earlier one but for case, spaces and Unicode form,
    ``repeated_but_for_numbers`` those that differ from an earlier one in numbers alone.
    """
    questions = [problem.question for problem in problems]
    plain = [_SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip() for text in questions]
    lower = [text.lower() for text in questions]
    different = set(plain)
    return {
        "mean_characters": statistics.fmean(map(len, questions)),
        "max_characters": max(map(len, questions)),
        "distinct_words": len({word for text in lower for word in _LATIN_WORD.findall(text)}),
        "distinct_words_any_script": len({word for text in lower for word in _WORD.findall(text)}),
        "repeated": len(plain) - len(different),
        "repeated_but_for_numbers": len(different) - len({_NUMERAL.sub("#", text) for text in different}),
    }


def step_facts(worked: Sequence[Worked]) -> dict[str, Any]:
    """Count the lines that are not blank, all and a problem, and those without annotation."""
    steps = [item.solution.written_steps for item in worked]
    counts = [len(lines) for lines in steps]
    return {
        "total": sum(counts),
        "without_annotation": sum(not step.annotations for lines in steps for step in lines),
        "min": min(counts),
        "mean": statistics.fmean(counts),
        "max": max(counts),
    }


def annotation_facts(worked: Sequence[Worked]) -> dict[str, Any]:
    """Count annotations, how many are right, and how they relate to the text and to the answer.

    ``value_follows`` counts those after which the text goes on with the value, commas apart.
    ``last_is_not_the_answer`` counts problems whose last annotation has another value than the answer.
    ``share_of_*`` are the operators of all expressions.
    """
    all_of_them = [annotation for item in worked for annotation in item.solution.annotations]
    counts = [len(item.solution.annotations) for item in worked]
    signs = Counter(sign[0] for annotation in all_of_them for sign in _SIGN.findall(annotation.expression))
    return {
        "total": len(all_of_them),
        "right": len(all_of_them) - sum(len(item.untrue) for item in worked),
        "value_follows": sum(
            _value_follows(step, annotation)
            for item in worked
            for step in item.solution.steps
            for annotation in step.annotations
        ),
        "mean": statistics.fmean(counts),
        "max": max(counts),
        "problems_without": counts.count(0),
        "last_is_not_the_answer": sum(_last_is_another(item.solution) for item in worked),
        **{
            f"share_of_{name}": signs[sign] / max(1, signs.total())
            for name, sign in (("times", "*"), ("plus", "+"), ("divide", "/"), ("minus", "-"))
        },
    }


def _work(problem: Problem) -> Worked | None:
    """Parse and check the solution of a problem; None where it has no ``####`` line."""
    solution = gsm8k.parse(problem.solution or "", markers=("####",))
    if not solution.answer:
        return None
    untrue = tuple(item for item in solution.annotations if not gsm8k.check_annotation(item))
    return Worked(problem, solution, untrue)


def _form(label: str) -> str:
    return next((form for form, pattern in _FORMS if pattern.fullmatch(label)), "other")


def _is_off(value: Fraction) -> bool:
    """Say whether a number is no integer, rounded or not."""
    return value.denominator != 1 and abs(value - round(value)) > ROUNDING


def _figure(value: Fraction) -> int | float | str:
    """Return a number that JSON and people can read; the order of magnitude of one beyond floats."""
    if abs(value) > sys.float_info.max:
        return f"about {'-' if value < 0 else ''}1e{int(math.log10(int(abs(value))))}"
    return int(value) if value.denominator == 1 else float(value)


def _value_follows(step: gsm8k.Step, annotation: gsm8k.Annotation) -> bool:
    """Say whether the text after ``>>`` begins with the value, perhaps spelt otherwise (.5 for 0.5)."""
    text = step.text[annotation.position :].replace(",", "").lstrip()
    if not annotation.value:
        return False
    begins = re.match(r"-?(\d+\.?\d*|\.\d+)", text)
    return text.startswith(annotation.value) or (
        begins is not None and parse_number(begins[0]) == parse_number(annotation.value)
    )


def _last_is_another(solution: gsm8k.AnnotatedSolution) -> bool:
    """Say whether there is a last annotation and its value is not the final answer."""
    if not solution.annotations:
        return False
    value = solution.annotations[-1].value
    return value is None or evaluate(value) != parse_number(solution.answer or "")


def _wrong_solutions(worked: Iterable[Worked]) -> Iterable[Finding]:
    """Yield annotations that do not hold, and final answers that are not the problem's."""
    for item in worked:
        for annotation in item.untrue:
            yield Finding(item.problem.id, f"the annotation <<{annotation.source}>> does not hold")
        label = item.problem.meta.get("label", item.problem.answer)
        if parse_number(str(label)) != parse_number(item.solution.answer or ""):
            found = f"the solution ends in {item.solution.answer!r}, the answer is {label!r}"
            yield Finding(item.problem.id, found)


def _contradictions(problems: Iterable[Problem]) -> Iterable[Finding]:
    """Yield problems that repeat an earlier question word for word with another answer."""
    earlier: dict[str, Problem] = {}
    for problem in problems:
        first = earlier.setdefault(problem.question, problem)
        if first.answer != problem.answer:
            found = (
                f"the same question as '{first.id}', with the answer {problem.answer!r}, not {first.answer!r}"
            )
            yield Finding(problem.id, found)


def _stale_records(problems: ProblemSet) -> Iterable[Finding]:
    """Yield correction records that speak of another question or label than the set has."""
    for record in (*known(problems.name), *rejected(problems.name)):
        problem = problems.by_id.get(record.id)
        if problem is not None and not record.fits(problem):
            yield Finding(record.id, "a correction record names another question or label")

"""The project's own grader: extraction, then equality, from cheap to dear.

Stages: the same text; the same exact number; the same structure with equal parts; the same expression at
exact points or to 100 digits; last, for what our parser does not read, SymPy in a worker process that can
be killed. No binary float decides; tolerance only where the problem asks for it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from calculemus.errors import GradingError, UndecidableError
from calculemus.exact import parse_number
from calculemus.grading import extract
from calculemus.grading.answers import Answer, Choice, Group, Relation, Scalar, Text, Union, Unreadable
from calculemus.grading.base import Finding, graded
from calculemus.grading.expression import number
from calculemus.grading.extract import Candidate
from calculemus.grading.matching import match
from calculemus.grading.structure import clean, parse_answer
from calculemus.grading.symbolic import match_symbolically
from calculemus.grading.tolerance import Tolerance
from calculemus.problem import Problem
from calculemus.verdict import Outcome, Verdict

MAX_WHOLE = 300  # characters of a line that may be an answer as it stands
MAX_SYMBOLIC = 1_000  # characters of an answer that SymPy is asked about
_PLAIN = re.compile(r"\s*-?\d{1,18}\s*\Z", re.A)
_SHORT_ANSWERS = ("yes", "no", "no solution", "does not exist", "undefined")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+\Z")
_GROUPED_INSIDE = re.compile(r"[(\[{]\s*[-+]?\d{1,3}(?:,\d{3})+\s*[)\]}]\Z")


@dataclass(frozen=True, slots=True)
class Gold:
    """A gold answer, read once.

    Attributes:
        text: Its cleaned text.
        value: Its exact value where it is a plain number without unit or percent sign.
        answer: Its shape.
    """

    text: str
    value: Fraction | None
    answer: Answer


@lru_cache(maxsize=65536)
def read_gold(text: str) -> Gold:
    r"""Read a gold answer; one written as a solution is reduced to its ``\boxed{}`` or ``####`` answer.

    Raises:
        GradingError: It is empty.
    """
    inner = extract.boxed(text) or extract.after_hashes(text) or text
    value = parse_number(inner)
    if value is not None:
        return Gold(inner.strip(), value, Scalar(number(value), value))
    answer = parse_answer(inner)
    if answer == Text(""):
        raise GradingError(f"reading a gold answer: found {text[:80]!r}, which is empty; expected an answer")
    plain = isinstance(answer, Scalar) and not (answer.unit or answer.percent)
    value = answer.value if plain and isinstance(answer, Scalar) else None
    return Gold(clean(inner) if len(inner) <= MAX_SYMBOLIC else inner.strip(), value, answer)


@dataclass(frozen=True)
class Cascade:
    """A grader that may use some of the extraction rules.

    Attributes:
        name: The profile's name.
        rules: Extraction rules allowed, a subset of ``extract.RULES`` in their order of priority.
        version: See ``Grader``.
    """

    name: str = "default"
    rules: tuple[str, ...] = extract.RULES
    version: int = 1

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response; see ``Grader``."""
        return graded(self, problem, response, self._find)

    def _find(self, problem: Problem, response: str) -> Finding:
        gold = read_gold(problem.answer)
        if gold.value is not None and not problem.meta and "whole" in self.rules and _PLAIN.match(response):
            same = int(response) == gold.value
            return "correct" if same else "wrong", response.strip(), "whole/number"
        candidate = self.candidate(response, gold)
        if candidate is None:
            return "unparsed", None, "no answer found"
        tolerance = Tolerance.of(problem)
        findings = [compare(read_gold(each), candidate.text, tolerance) for each in problem.golds]
        verdict, rule = findings[0] if len(findings) == 1 else max(findings, key=_rank)
        outcome: Outcome = "unparsed" if verdict is None else ("correct" if verdict else "wrong")
        return outcome, candidate.text, f"{candidate.rule}/{rule}"

    def candidate(self, response: str, gold: Gold) -> Candidate | None:
        """Return the answer's text by the first rule that finds one; the gold says what answers look like."""
        text = extract.without_reasoning(response)
        if text is None:
            return None
        text = extract.without_next_question(text)
        for rule in self.rules:
            for found in _RULES[rule](text, gold):
                if found and found.strip():
                    return Candidate(rule, found.strip())
        return None


def _rank(finding: tuple[bool | None, str]) -> int:
    """Order findings: equal, undecided, different."""
    return {True: 2, None: 1, False: 0}[finding[0]]


def _boxed(text: str, gold: Gold) -> Iterator[str | None]:
    """Take the last box; a sentence in it is read as a sentence."""
    box = extract.boxed(text)
    if box and "answer" in box:
        yield from _phrase(clean(box), gold)
    yield box


def _phrase(text: str, gold: Gold) -> Iterator[str | None]:
    """Take the first reading that has the shape of an answer; words only where the gold is words."""
    readings: list[str] = []
    for reading in extract.phrases(text):
        readings.append(reading)
        if reading.startswith("not "):
            yield reading
        if parse_number(reading) is not None or _fits(parse_answer(reading), gold):
            yield reading
    if readings and isinstance(gold.answer, (Text, Choice)):
        yield readings[0]


def _whole(text: str, gold: Gold) -> Iterator[str | None]:
    """Take the response itself, or its last line, where that is nothing but an answer."""
    stripped = text.strip()
    line = stripped.rsplit("\n", 1)[-1]
    if len(line) <= MAX_WHOLE:
        answer = parse_answer(line)
        if _fits(answer, gold) or (line == stripped and isinstance(answer, Unreadable)):
            yield line
    elif line == stripped and not any(map(str.isspace, line)):
        yield line  # no prose: one long formula or numeral


def _last_clause(text: str, gold: Gold) -> Iterator[str | None]:
    """Take what the last sentence says that something is, where that has the shape of an answer."""
    clause = extract.last_clause(text)
    if (
        clause
        and len(clause) <= MAX_WHOLE
        and not extract.refuses(text)
        and _fits(parse_answer(clause), gold)
    ):
        yield clause


_RULES: dict[str, Callable[[str, Gold], Iterator[str | None]]] = {
    "boxed": _boxed,
    "hashes": lambda text, gold: iter([extract.after_hashes(text)]),
    "phrase": _phrase,
    "whole": _whole,
    "formula": lambda text, gold: iter([extract.last_formula(text)]),
    "last_clause": _last_clause,
    "last_number": lambda text, gold: iter([None if extract.refuses(text) else extract.last_number(text)]),
}


def _fits(answer: Answer, gold: Gold) -> bool:
    """Say whether a reading is an answer rather than prose."""
    if isinstance(answer, Unreadable):
        return False
    if isinstance(answer, Text):
        return isinstance(gold.answer, (Text, Choice)) or answer.words in _SHORT_ANSWERS
    if isinstance(answer, Relation):
        return all(_fits(side, gold) for side in answer.sides[answer.name is not None :])
    if isinstance(answer, Group):
        return all(_fits(item, gold) for item in answer.items) or isinstance(gold.answer, Group)
    if isinstance(answer, Union):
        return all(_fits(part, gold) for part in answer.parts)
    return True


def compare(gold: Gold, given: str, tolerance: Tolerance | None) -> tuple[bool | None, str]:
    """Return the verdict on an extracted answer (None: undecided) and the rule that settled it."""
    value = parse_number(given)
    if value is not None and gold.value is not None and tolerance is None:
        return value == gold.value, "number"
    if gold.text == given:
        return True, "text"
    answer = parse_answer(given)
    if tolerance is not None:
        near = tolerance.accepts(gold.answer, answer)
        if near is not None:
            return near, "tolerance"
    try:
        verdict = _structural(gold.answer, answer, given)
    except UndecidableError:
        return None, "too large"
    if verdict is None and max(len(given), len(gold.text)) <= MAX_SYMBOLIC:
        return match_symbolically(gold.text, clean(given)), "symbolic"
    both = (gold.answer, answer)
    numbers = all(isinstance(each, Scalar) and each.value is not None for each in both)
    return verdict, "number" if numbers else type(answer).__name__.lower()


def _structural(gold: Answer, answer: Answer, given: str) -> bool | None:
    """Compare shapes, under every reading of an ambiguous comma.

    Raises:
        UndecidableError: Too large to compare; SymPy could do no better.
    """
    verdict: bool | None = False
    for reading in _readings(answer, given):
        verdict = match(gold, reading)
        if verdict is not False:
            break
    return verdict


def _readings(answer: Answer, text: str) -> Iterator[Answer]:
    """Yield the answer, then what a comma in it may mean besides: ``3,14`` and ``(1,234)``."""
    yield answer
    text = text.strip("$ ")
    if _DECIMAL_COMMA.match(text) and not isinstance(answer, Scalar):
        yield parse_answer(text.replace(",", "."))
    elif _GROUPED_INSIDE.match(text):
        yield parse_answer(text[1:-1].replace(",", ""))

"""Graders that are broken on purpose: each is caught, and for the right reason."""

import random
from dataclasses import dataclass
from typing import Any

import pytest

from calculemus.conformance import check_method
from calculemus.grading.profiles import default
from calculemus.problem import Problem
from calculemus.verdict import Verdict


@dataclass(frozen=True)
class Leaning:
    """A grader that leaves everything to the default one; the broken ones derive from it."""

    name: str = "leaning"
    version: int = 1

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        return self._as_mine(default().grade(problem, response))

    def _as_mine(self, verdict: Verdict, **changes: Any) -> Verdict:
        known = {"outcome": verdict.outcome, "extracted": verdict.extracted, "how": verdict.how, **changes}
        return Verdict(**known, grader=f"{self.name}@{self.version}")


@dataclass(frozen=True)
class Unsigned(Leaning):
    """Loses signs."""

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        bare = Problem(problem.id, problem.question, problem.answer.replace("-", ""))
        return super().grade(bare, response.replace("-", "") if isinstance(response, str) else response)


@dataclass(frozen=True)
class Whole(Leaning):
    """Knows whole numbers alone."""

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        verdict = super().grade(problem, response)
        is_beyond_me = "." in problem.answer and verdict.correct
        return self._as_mine(verdict, outcome="wrong") if is_beyond_me else verdict


@dataclass(frozen=True)
class Unitless(Leaning):
    """Drops units."""

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        number, _, unit = problem.answer.partition(" ")
        gold = number if unit.isalpha() else problem.answer
        return super().grade(Problem(problem.id, problem.question, gold), response)


@dataclass(frozen=True)
class Blunt(Leaning):
    """Calls silence wrong."""

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        verdict = super().grade(problem, response)
        return self._as_mine(verdict, outcome="wrong") if verdict.outcome == "unparsed" else verdict


@dataclass(frozen=True)
class Fragile(Leaning):
    """Cannot write what it reads as UTF-8."""

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        if isinstance(response, str):
            response.encode()
        return super().grade(problem, response)


@dataclass(frozen=True)
class Impatient(Leaning):
    """Reads whole numbers as Python does, which refuses long ones."""

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        if isinstance(response, str):
            digits = "".join(char for char in response if char in "0123456789")
            int(digits or "0")
        return super().grade(problem, response)


@dataclass(frozen=True)
class Nameless(Leaning):
    """Signs with another grader's name."""

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        return default().grade(problem, response)


@dataclass(frozen=True)
class Forgiving(Leaning):
    """Grades the silence of a system that failed."""

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        return super().grade(problem, "" if response is None else response)


@dataclass(frozen=True)
class Moody(Leaning):
    """Tosses a coin about its reasons."""

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        return self._as_mine(super().grade(problem, response), how=str(random.random()))


@dataclass(frozen=True)
class Slow(Leaning):
    """Never comes to an end with long answers."""

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        """Grade one response."""
        while response is not None and len(response) > 9000 and "777" in response:
            pass
        return super().grade(problem, response)


CAUGHT = {
    Whole: ("a_gold_against_itself_is_correct", "against '3.25': it said wrong"),
    Unsigned: ("a_near_miss_is_wrong", "'The answer is -18.' against '18': it said correct"),
    Unitless: ("another_unit_is_wrong", "'18 m'"),
    Blunt: ("unparsed_is_told_apart_from_wrong", "it said wrong; expected unparsed"),
    Fragile: ("every_text_gets_a_verdict", "UnicodeEncodeError"),
    Impatient: ("long_input_ends_within_its_limit", "ValueError"),
    Nameless: ("a_verdict_names_its_grader", "expected 'leaning@1'"),
    Forgiving: ("a_failed_system_is_an_error", "it said unparsed"),
    Moody: ("grading_changes_nothing", "global random state of random"),
    Slow: ("long_input_ends_within_its_limit", "still at work after 3 s"),
}


def test_a_grader_that_leans_on_the_default_one_conforms() -> None:
    report = check_method(Leaning())
    assert [fault.message for fault in report.faults] == []
    assert report.interface == "Grader"


@pytest.mark.slow
@pytest.mark.parametrize("broken", CAUGHT)
def test_a_broken_grader_is_caught_for_the_right_reason_and_no_other(broken: type[Leaning]) -> None:
    check, words = CAUGHT[broken]
    report = check_method(broken(), patience=3.0 if broken is Slow else 60.0)
    assert [fault.check for fault in report.faults] == [check]
    assert words in report.faults[0].message

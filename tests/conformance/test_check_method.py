"""The door: what may be checked, what a report says, what a card may declare."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from calculemus.catalog import read_catalog
from calculemus.conformance import Report, Result, Subject, check, check_method, registry, voice, voices
from calculemus.conformance.registry import all_checks
from calculemus.engine.requests import Sample, Sampling
from calculemus.errors import CardError, NotConformingError
from calculemus.grading import get_grader
from calculemus.params import AtLeast, Configured
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps, get_solver
from calculemus.solving.direct import Direct


@dataclass(frozen=True)
class Asking(Solver):
    """Ask, at the top of a test module, which another process can find.

    Source: made up for a test.
    """

    temperature: Annotated[float, AtLeast(0)] = 0.0

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Sample once."""
        (completion,) = yield Sample(problem.question, Sampling(self.temperature))
        return ctx.solution(completion)


def outcomes(report: Report) -> dict[str, str]:
    return {result.check: result.outcome for result in report.results}


def result_of(report: Report, name: str) -> Result:
    return next(result for result in report.results if result.check == name)


@pytest.mark.slow
def test_a_method_is_found_by_id_card_class_instance_and_file() -> None:
    (card,) = (card for card in read_catalog() if card.id == "direct")
    found = ["direct", card, card.path, card.path.with_suffix(".py"), Direct, Direct(shots=1)]
    reports = [check_method(each) for each in found]
    assert [report.ok for report in reports] == [True] * len(found)
    assert [report.name for report in reports] == ["direct"] * 4 + ["Direct"] * 2
    assert outcomes(reports[0]) == outcomes(reports[1]) == outcomes(reports[2]) == outcomes(reports[3])


def test_a_grader_is_found_by_the_name_of_its_profile_and_as_an_instance() -> None:
    reports = [check_method("gsm8k_strict"), check_method(get_grader("gsm8k_strict"))]
    assert [(report.name, report.interface, report.ok) for report in reports] == [
        ("gsm8k_strict", "Grader", True)
    ] * 2
    assert "it_is_a_solver" not in outcomes(reports[0])


def test_an_instance_is_checked_with_its_own_parameters_in_the_other_process_too() -> None:
    stochastic = check_method(get_solver("cot:temperature=0.9"))
    assert stochastic.ok
    check_name = "the_same_seed_gives_the_same_bits_in_another_process"
    assert outcomes(stochastic)[check_name] == "passed"


def test_a_class_in_a_test_module_is_found_by_another_process() -> None:
    assert outcomes(check_method(Asking))["it_prints_nothing"] == "passed"


def test_a_class_in_a_function_is_checked_here_alone() -> None:
    @dataclass(frozen=True)
    class Hidden(Asking):
        """Hide. Source: made up for a test."""

    report = check_method(Hidden)
    skipped = result_of(report, "it_writes_no_file")
    assert (skipped.outcome, "another process cannot find the class" in skipped.message) == ("skipped", True)
    assert [fault.check for fault in report.faults] == ["its_repr_reads_back", "it_can_be_pickled_and_copied"]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("vtoe", "there is no id, no grader profile and no path of that name; did you mean vote"),
        ("gsm8k_stric", "did you mean gsm8k_strict"),
        (Path("nowhere.toml"), "found nothing at nowhere.toml"),
        (Path(__file__).parent, "has 0 cards and none of them has an entry"),
        (Path(__file__), "found Asking, HalfDone"),
        (Configured, "derives from no interface and is no grader"),
        (Path(voices.__file__), "found none; expected one class"),
    ],
)
def test_what_cannot_be_checked_is_refused_by_name(wanted: object, said: str) -> None:
    with pytest.raises(CardError, match=said):
        check_method(wanted)


def test_a_planned_method_cannot_be_checked() -> None:
    planned = next(card.id for card in read_catalog() if not card.entry)
    with pytest.raises(CardError, match="it is planned, there is no code yet"):
        check_method(planned)


@pytest.mark.slow
def test_a_strangers_method_conforms_wherever_it_lies(stranger: Path) -> None:
    for where in (stranger, stranger / "halves.toml", stranger / "halves.py"):
        report = check_method(where)
        assert [fault.message for fault in report.faults] == []
        assert outcomes(report)["its_claim_imports_and_has_a_control"] == "passed"
        assert outcomes(report)["it_starts_no_process"] == "passed"
    assert check_method("halves", folders=[stranger]).ok


def test_a_folder_with_two_methods_wants_to_know_which(stranger: Path) -> None:
    card = (stranger / "halves.toml").read_text("utf-8").replace('"halves"', '"quarters"', 1)
    (stranger / "quarters.toml").write_text(card, "utf-8")
    with pytest.raises(CardError, match="has the cards of halves, quarters; expected one"):
        check_method(stranger)


def test_a_report_counts_and_writes_itself_as_json() -> None:
    results = (Result("a", "passed"), Result("b", "skipped", "why"), Result("c", "expected failure", "known"))
    good = Report("m", "Solver", results)
    faults = (Result("d", "failed", "found"), Result("e", "stale expectation", "x"))
    bad = Report("m", "Solver", (*results, *faults))
    assert (good.ok, bad.ok) == (True, False)
    assert [fault.check for fault in bad.faults] == ["d", "e"]
    assert bad.count("passed") == 1
    record = json.loads(json.dumps(bad.record()))
    assert record["results"][1] == {"check": "b", "outcome": "skipped", "message": "why"}
    assert record["ok"] is False


@pytest.fixture
def own_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test add checks and voices that are gone afterwards."""
    all_checks()
    monkeypatch.setattr(registry, "_CHECKS", dict(registry._CHECKS))
    monkeypatch.setattr(voices, "VOICES", voices.VOICES)
    for name in list(voices.VOICES):
        monkeypatch.setitem(voices.VOICES, name, voices.VOICES[name])


@pytest.mark.slow
@pytest.mark.usefixtures("own_checks")
def test_a_check_is_added_by_defining_it_and_applies_by_interface_and_tags() -> None:
    @check("Solver", if_tags=["stochastic"])
    def it_is_lucky(subject: Subject) -> None:
        raise NotConformingError(f"{subject.name}: found no luck; expected some. Try again")

    @check("Solver", after=["it_is_lucky"])
    def it_is_lucky_twice(subject: Subject) -> None:
        raise AssertionError("never asked where the first fails")

    @check("Grader")
    def it_is_for_graders(subject: Subject) -> None:
        raise AssertionError("never asked of a solver")

    @check("Solver", unless_tags=["stochastic"])
    def it_explodes(subject: Subject) -> str:
        raise ZeroDivisionError("a check may meet anything")

    report = check_method("vote")
    assert result_of(report, "it_is_lucky").message == "vote: found no luck; expected some. Try again"
    assert result_of(report, "it_is_lucky_twice").message == "it_is_lucky fails"
    assert "it_is_for_graders" not in outcomes(report)
    report = check_method("direct")
    assert result_of(report, "it_is_lucky").message == "it is not tagged stochastic"
    assert result_of(report, "it_explodes").message == "direct: ZeroDivisionError: a check may meet anything"


@dataclass(frozen=True)
class HalfDone(Solver):
    """Read moves of a game, a form that no voice speaks. Source: made up for a test."""

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Sample once and read the move."""
        (completion,) = yield Sample(problem.question)
        found = completion.text.partition("MOVE ")[2]
        return ctx.solution(found or None, failure=None if found else "no move")


@pytest.mark.slow
@pytest.mark.usefixtures("own_checks")
def test_a_method_with_a_form_of_its_own_brings_a_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    (fault,) = check_method(HalfDone()).faults
    assert fault.check == "its_answer_comes_from_the_engine"
    assert "failed: no move" in fault.message
    monkeypatch.setitem(voices.VOICES, "move", lambda number: f"MOVE {number}")
    named: Sequence[str] = [result.check for result in check_method(HalfDone(), patience=30).faults]
    # Another process has no such voice: the method's own module has to bring it.
    assert "its_answer_comes_from_the_engine" not in named


@pytest.mark.usefixtures("own_checks")
def test_a_voice_is_named_by_its_function() -> None:
    @voice
    def shouting(number: int) -> str:
        return f"{number}!"

    assert voices.VOICES.pop("shouting") is shouting
    assert shouting(7) == "7!"

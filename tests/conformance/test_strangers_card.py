"""A stranger's card, claim and code: what they say of each other is held together."""

from pathlib import Path

import pytest

from calculemus.conformance import Report, Result, check_method, solver_basics
from calculemus.conformance.registry import all_checks
from calculemus.engine import budget
from calculemus.errors import ReplayError
from calculemus.solution import Solution


def result_of(report: Report, name: str) -> Result:
    return next(result for result in report.results if result.check == name)


def edit(path: Path, *changes: tuple[str, str]) -> Path:
    """Replace texts that must be in a file."""
    text = path.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, "utf-8")
    return path


def test_an_entry_that_does_not_import_is_one_failure_and_the_rest_is_skipped(stranger: Path) -> None:
    edit(stranger / "halves.py", ("from calculemus.params", "from calculemus.parms"))
    report = check_method(stranger)
    assert [fault.check for fault in report.faults] == ["its_entry_imports_and_is_a_class"]
    assert "ModuleNotFoundError" in report.faults[0].message
    assert result_of(report, "it_is_a_solver").message == "the method cannot be built"


def test_an_entry_that_is_no_class_is_caught(stranger: Path) -> None:
    edit(stranger / "halves.toml", ("halves:Halves", "halves:dataclass"))
    assert check_method(stranger).faults[0].check == "its_entry_imports_and_is_a_class"


def test_a_parameter_without_a_default_is_caught(stranger: Path) -> None:
    edit(stranger / "halves.py", ("AtLeast(1)] = 64", "AtLeast(1)]"))
    (fault,) = check_method(stranger).faults
    assert fault.check == "it_builds_from_its_defaults"
    assert "expected a default for every parameter" in fault.message


@pytest.mark.parametrize(
    ("file", "change", "fails", "said"),
    [
        ("halves.py", ("(frozen=True)", ""), "its_entry_imports_and_is_a_class", "inherit non-frozen"),
        ("halves.py", ("Source: made up for a test.", ""), "its_docstring_names_a_source", "names no source"),
        ("halves.toml", ('"Whether it runs."', '""'), "its_card_is_complete", "nothing under scope.shows"),
        (
            "halves.toml",
            ("tags = []", 'tags = []\naliases = ["tir"]'),
            "its_card_is_complete",
            "has the name tir",
        ),
        (
            "halves.toml",
            ("tags = []", 'tags = ["stochastic"]'),
            "another_seed_gives_another_result",
            "three seeds",
        ),
        (
            "halves_claim.py",
            ("TWICE.without_treatment()", "None"),
            "its_claim_imports_and_has_a_control",
            "control",
        ),
        (
            "halves_claim.py",
            ("TWICE.without_treatment()", "TWICE"),
            "its_claim_imports_and_has_a_control",
            "itself",
        ),
        ("halves_claim.py", ("CLAIM = ", "OTHER = "), "its_claim_imports_and_has_a_control", "CLAIM None"),
        (
            "halves.py",
            ("Sampling(max_tokens=self.max_tokens)", "Sampling(0.7, max_tokens=self.max_tokens)"),
            "every_seed_gives_the_same_result",
            "Tag it stochastic",
        ),
        (
            "halves.py",
            (
                "        return ctx.solution(second)",
                "        yield Run('1')\n        return ctx.solution(second)",
            ),
            "its_tags_name_what_it_asks_for",
            "expected 'runs-code' among them",
        ),
        (
            "halves.py",
            (
                "return ctx.solution(second)",
                "return ctx.solution(second if second.logprobs else None, failure='?')",
            ),
            "an_engine_that_only_samples_is_enough",
            "with an engine that only samples: ?",
        ),
        (
            "halves.py",
            ("    def solve", "    prompts = ('nothing',)\n\n    def solve"),
            "its_prompts_are_there",
            "'prompts' name nothing",
        ),
    ],
)
def test_what_card_claim_and_code_say_of_each_other_is_held_together(
    stranger: Path, file: str, change: tuple[str, str], fails: str, said: str
) -> None:
    edit(stranger / "halves.py", ("import Sample, Sampling", "import Run, Sample, Sampling"))
    edit(stranger / file, change)
    faults = {fault.check: fault.message for fault in check_method(stranger).faults}
    assert fails in faults
    assert said in faults[fails]


def test_a_class_that_is_no_frozen_dataclass_of_its_own_is_caught(stranger: Path) -> None:
    edit(stranger / "halves.py", ("@dataclass(frozen=True)\n", ""))
    assert check_method(stranger).faults[0].check == "it_is_a_frozen_dataclass_of_parameters"


def test_a_failure_that_the_card_declares_is_expected(stranger: Path) -> None:
    edit(stranger / "halves.py", ("Source: made up for a test.", ""))
    reason = "it has no source"
    with (stranger / "halves.toml").open("a") as card:
        card.write(f'\n[expected_failures]\nits_docstring_names_a_source = "{reason}"\n')
    report = check_method(stranger)
    expected = Result("its_docstring_names_a_source", "expected failure", reason)
    assert report.ok
    assert expected in report.results


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("its_docstring_names_a_source", "and it passes: take it off the card"),
        ("its_docstring_names_no_source", "no check of a Solver is called so"),
        ("a_near_miss_is_wrong", "no check of a Solver is called so"),
    ],
)
def test_an_expectation_that_is_stale_is_a_fault(stranger: Path, name: str, said: str) -> None:
    with (stranger / "halves.toml").open("a") as card:
        card.write(f'\n[expected_failures]\n{name} = "it did once"\n')
    (fault,) = check_method(stranger).faults
    assert (fault.check, fault.outcome) == (name, "stale expectation")
    assert said in fault.message


def test_a_class_that_is_no_solver_is_caught_where_the_card_says_so(stranger: Path) -> None:
    edit(
        stranger / "halves.py",
        ("class Halves(Solver)", "class Halves(Configured)"),
        ("import AtLeast", "import AtLeast, Configured"),
    )
    report = check_method(stranger)
    assert [fault.check for fault in report.faults] == ["it_is_a_solver"]
    assert result_of(report, "it_prints_nothing").message == "it_is_a_solver fails"


def test_a_parameter_that_json_cannot_hold_is_caught(stranger: Path) -> None:
    edit(
        stranger / "halves.py",
        ("    def solve", "    words: frozenset = frozenset({'eggs'})\n\n    def solve"),
    )
    faults = {fault.check: fault.message for fault in check_method(stranger).faults}
    assert "do not come back from JSON" in faults["its_parameters_go_through_json"]


def test_a_budget_that_nobody_holds_to_is_seen_to_be_exceeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget.Account, "refusal", lambda account, worst: None)
    (fault,) = check_method("direct").faults
    assert fault.check == "it_stays_within_its_budget"
    assert "with a budget of 1 tokens: it spent" in fault.message


def test_a_replay_that_goes_another_way_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose_the_way(*_: object) -> Solution:
        raise ReplayError("replaying Direct on trial/0: in step 1 it has ended")

    ways = {"found another 'answer'": lambda *_: Solution("another"), "in step 1 it has ended": lose_the_way}
    for said, way in ways.items():
        monkeypatch.setattr(solver_basics, "replay", way)
        (fault,) = check_method("direct").faults
        assert fault.check == "a_replay_gives_the_same_answer"
        assert said in fault.message


RESTS_ON_THE_EXECUTOR = {
    # No method can break these by itself: the plan and the executor keep them, with tests in tests/merging.
    "a_misfit_is_named_before_any_work",
    "it_has_the_tensors_and_configuration_of_its_table",
    "names_dtypes_and_configuration_are_kept",
    "the_order_of_models_changes_nothing",
    "what_is_copied_is_copied_to_the_bit",
}


def test_every_check_is_made_to_fail_by_a_test() -> None:
    tests = "".join(path.read_text("utf-8") for path in sorted(Path(__file__).parent.glob("test_*.py")))
    names = [check.name for check in all_checks() if check.name not in tests]
    assert names == []

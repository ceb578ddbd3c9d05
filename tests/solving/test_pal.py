"""PAL: stored programs give the stored values on every tier, and every failure has its kind."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.engine.requests import Run, Sample, Sampling
from calculemus.engine.sandbox import TIERS, Sandbox
from calculemus.engine.sandbox import Run as RunRecord
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import InvalidParameterError, SandboxUnavailableError
from calculemus.problem import Problem
from calculemus.solving.pal import Pal
from calculemus.solving.preludes import PRELUDES
from calculemus.solving.programs import find_program, value_text
from calculemus.solving.templates import read_template

LINES = Path(__file__).with_name("pal_programs.jsonl").read_text("utf-8").splitlines()
STORED = [json.loads(line) for line in LINES]
QUESTION = Problem("eggs", "A hen lays 3 eggs a day. How many eggs in 6 days?", "18")
RIGHT = "def solution():\n    eggs_per_day = 3\n    return eggs_per_day * 6"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=2) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def run_with(sandbox: Sandbox, completion) -> Any:
    """Return what answers samples with texts, in their order, and runs programs in the sandbox."""

    def with_texts(*texts: str) -> Any:
        left = iter(texts)

        def answer(request: Any) -> Any:
            if isinstance(request, Run):
                return sandbox.run(request.program, entry=request.entry)
            return tuple(completion(next(left)) for _ in range(request.n))

        return answer

    return with_texts


@pytest.mark.parametrize("stored", STORED, ids=lambda stored: stored["name"])
def test_a_stored_program_gives_its_stored_answer(drive, run_with, stored) -> None:
    try:
        solution = drive(Pal(variant=stored["variant"]), QUESTION, run_with(stored["program"])).solution
    except SandboxUnavailableError as missing:
        pytest.skip(str(missing))
    assert (solution.answer, solution.failure) == (stored["answer"], None)


@pytest.mark.slow
@pytest.mark.parametrize("tier", TIERS)
def test_stored_programs_give_the_same_on_every_tier_that_takes_them(sandbox, tier) -> None:
    accepted = 0
    for stored in STORED:
        program = PRELUDES.get(stored["variant"], "") + stored["program"]
        try:
            run = sandbox.run(program, tier=tier)
        except SandboxUnavailableError as missing:
            pytest.skip(str(missing))
        if run.status != "unsupported":
            accepted += 1
            assert value_text(run.value) == stored["answer"], stored["name"]
    assert len(STORED) >= 60
    assert accepted >= (35 if tier == "mini" else len(STORED))


def test_the_prompt_pairs_questions_with_programs(drive, run_with) -> None:
    sample, runs = drive(Pal(), QUESTION, run_with(RIGHT)).asked
    examples = read_template("pal").examples
    turns = "".join(f"Q: {e['question']}\n\n# solution in Python:\n\n{e['program']}\n\n\n" for e in examples)
    assert sample == Sample(
        f"{turns}Q: {QUESTION.question}\n\n# solution in Python:\n\n",
        Sampling(0.0, max_tokens=512, stop=("\n\n\n", "\nQ:")),
    )
    assert runs == [Run(RIGHT, "solution")]
    assert len(examples) == 8


def test_no_program_of_the_examples_is_cut_by_its_own_stop_texts() -> None:
    stops = read_template("pal").plain.stop
    assert not any(stop in example["program"] for stop in stops for example in read_template("pal").examples)


def test_a_model_with_a_program_mode_is_asked_in_it(drive, able, run_with) -> None:
    can = replace(able, facts={"prompts": "tiny"})
    driven = drive(Pal(), QUESTION, run_with(f"\n{RIGHT}"), can)
    assert driven.asked[0].prompt == f"Q: {QUESTION.question}\nP:"
    assert driven.solution.answer == "18"


@pytest.mark.parametrize(
    "text",
    [
        f"```python\n{RIGHT}\n```",
        f"Here is the program:\n\n```python\n{RIGHT}\n```\n\nIt multiplies.",
        f"```\n{RIGHT}\n",
        f"{RIGHT}\n\nThis returns 18.",
    ],
)
def test_fences_and_talk_around_a_program_are_taken_off(drive, run_with, text) -> None:
    driven = drive(Pal(), QUESTION, run_with(text))
    assert driven.solution.answer == "18"
    assert driven.solution.trace.nodes[0].text.strip() == RIGHT


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("x = 3", "no_function"),
        ("", "no_function"),
        ("def solution(:\n    return 1", "syntax"),
        ("def solution():\n    eggs = 18", "no_return"),
        ("def solution():\n    return 'a cat'", "non_numeric"),
        ("def solution():\n    return float('nan')", "non_numeric"),
        ("def solution():\n    return True", "non_numeric"),
        ("def solution():\n    return [1, 2]", "non_numeric"),
        ("def solution():\n    return solution", "not_data"),
        ("def solution():\n    return 1 / 0", "ZeroDivisionError"),
        ("def solution():\n    return 'x' * 10 ** 10", "memory"),
        ("import requests\ndef solution():\n    return 1", "import_not_allowed"),
    ],
)
def test_each_way_to_fail_is_a_kind_of_its_own(drive, run_with, text, kind) -> None:
    try:
        solution = drive(Pal(), QUESTION, run_with(text)).solution
    except SandboxUnavailableError as missing:
        pytest.skip(str(missing))
    assert solution.answer is None
    assert (solution.failure or "").startswith(f"{kind}: ")
    assert "\n" not in (solution.failure or "")
    assert solution.trace.nodes[-1].kind == "output"
    assert solution.trace.nodes[-1].text == solution.failure


@pytest.mark.parametrize(
    ("status", "kind"), [("timeout", "wall"), ("memory", "memory"), ("crashed", "killed")]
)
def test_a_program_that_meets_a_limit_is_a_failure_of_that_kind(drive, completion, status, kind) -> None:
    def reply(request: Any) -> Any:
        if isinstance(request, Run):
            return RunRecord(status, error_kind=kind, error="the program ran\ntoo long")
        return (completion(RIGHT),)

    assert drive(Pal(), QUESTION, reply).solution.failure == f"{kind}: the program ran too long"


def test_nothing_printed_is_no_answer_of_a_program_that_prints_its_answer(drive, run_with) -> None:
    quiet = drive(Pal(variant="stdout"), QUESTION, run_with("x = 3")).solution
    assert (quiet.answer, (quiet.failure or "").partition(":")[0]) == (None, "no_function")
    broken = drive(Pal(variant="stdout"), QUESTION, run_with("print(3)\n1 / 0")).solution
    assert (broken.answer, (broken.failure or "").partition(":")[0]) == (None, "ZeroDivisionError")


def test_several_programs_vote_and_those_that_fail_do_not(drive, run_with) -> None:
    programs = [f"def solution():\n    return {value}" for value in ("1 / 0", "6 * 3", "7", "1 / 0", "18.0")]
    driven = drive(Pal(n=5), QUESTION, run_with(*programs))
    assert driven.asked[0].n == 5
    assert driven.asked[0].sampling.temperature == 0.7
    assert (driven.solution.answer, driven.solution.candidates) == ("18", ("7",))
    outputs = [node.meta["error_kind"] for node in driven.solution.trace.nodes if node.kind == "output"]
    assert outputs == ["ZeroDivisionError", None, None, "ZeroDivisionError", None]


def test_when_all_programs_fail_the_kinds_are_counted(drive, run_with) -> None:
    bodies = ("1 / 0", "None", "1 / 0", "'a cat'")
    solution = drive(Pal(n=4), QUESTION, run_with(*(f"def solution(): return {b}" for b in bodies))).solution
    counted = "no program gave an answer: 2 ZeroDivisionError, 1 no_return, 1 non_numeric"
    assert (solution.answer, solution.failure) == (None, counted)


def test_several_programs_at_temperature_zero_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="'temperature' is 0 with n=4"):
        Pal(n=4, temperature=0)
    assert Pal(n=1, temperature=0).n == 1


def test_through_the_scheduler_the_seconds_of_the_sandbox_are_charged(sandbox) -> None:
    scheduler = Scheduler(ScriptedEngine(RIGHT), sandbox)
    ((_, _, solution),) = scheduler.solve_all(Pal(), [(QUESTION, 0)])
    assert solution.answer == "18"
    assert (solution.cost.seconds_sandbox or 0) > 0


@given(st.integers() | st.fractions() | st.decimals(allow_nan=False, allow_infinity=False, places=5))
def test_exact_values_are_written_exactly(value) -> None:
    assert Fraction(value_text(value)) == Fraction(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_twelve_digits_and_no_exponent(value) -> None:
    text = value_text(value)
    assert "e" not in text.lower()
    assert float(text) == pytest.approx(value, rel=1e-11)
    assert not text.endswith((".", ".0"))
    assert value != int(value) or Fraction(text) == int(value)


def test_long_numbers_and_other_values_are_written_too() -> None:
    assert value_text(10**9000 + 7) == f"1{'0' * 8999}7"
    assert value_text(-(10**8000)) == f"-1{'0' * 8000}"
    assert [value_text(v) for v in (True, " yes ", [3], Decimal("1.50"))] == ["True", "yes", "[3]", "1.5"]


def test_a_text_without_a_program_is_left_for_the_sandbox_to_refuse() -> None:
    assert find_program("I cannot.") == "I cannot."
    assert find_program("(" * 10_000) == "(" * 10_000

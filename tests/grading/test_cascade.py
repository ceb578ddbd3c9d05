"""The default grader: right on adversarial pairs, total on hostile text, the same from every thread."""

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus.errors import GradingError
from calculemus.grading import get_grader, workers
from calculemus.problem import Problem

ADVERSARIAL = Path(__file__).with_name("adversarial.jsonl").read_text(encoding="utf-8")
PAIRS = [json.loads(line) for line in ADVERSARIAL.splitlines()]
GRADER = get_grader("default")


def grade(gold, response, **meta):
    return GRADER.grade(Problem("q", "?", gold, meta=meta), response)


@pytest.mark.parametrize("pair", PAIRS, ids=[f"{n}-{pair['why']}" for n, pair in enumerate(PAIRS, 1)])
def test_an_adversarial_pair_gets_its_verdict(pair):
    assert grade(pair["gold"], pair["pred"]).correct == pair["equal"]


# Twenty ways of writing one integer that change nothing.
REWRITES = {
    "as is": "{}",
    "spaces": "  {}  ",
    "dollar signs": "${}$",
    "double dollars": "$${}$$",
    "full stop": "{}.",
    "parentheses math": r"\({}\)",
    "brackets math": r"\[{}\]",
    "boxed": r"\boxed{{{}}}",
    "assigned": "x={}",
    "assigned, spaced": "x = {}",
    "point zero": "{}.0",
    "many zeros": "{}.000",
    "text": r"\text{{{}}}",
    "bold": "**{}**",
    "hashes": "#### {}",
    "sentence": "The answer is {}.",
    "label": "Answer: {}",
    "currency": "${}",
    "unit": "{} apples",
    "over one": r"\frac{{{}}}{{1}}",
}


@pytest.mark.parametrize("rewrite", REWRITES)
@given(value=st.integers(-(10**12), 10**12))
@settings(max_examples=20, deadline=None)
def test_a_surface_rewrite_of_an_integer_stays_correct(rewrite, value):
    if rewrite == "currency" and value < 0:
        value = -value
    assert grade(str(value), REWRITES[rewrite].format(value)).correct


@given(st.integers(1, 40).flatmap(lambda digits: st.integers(-(10**digits), 10**digits)))
@settings(max_examples=500, deadline=None)
def test_off_by_one_times_ten_and_the_negative_are_wrong(value):
    others = [value + 1, value - 1, *([value * 10, -value] if value else [])]
    for other in others:
        assert grade(str(value), f"The answer is {other}.").outcome == "wrong"
        assert grade(str(value), str(other)).outcome == "wrong"


@given(st.fractions(), st.fractions())
@settings(max_examples=300, deadline=None)
def test_fractions_are_equal_exactly_when_they_are_equal(a, b):
    latex = rf"\frac{{{b.numerator}}}{{{b.denominator}}}"
    assert grade(str(a), latex).correct == (a == b)
    assert grade(str(b), latex).correct


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_gets_a_verdict(text):
    for gold in ("42", "x^2+1", "(1, 2]", "Tuesday"):
        verdict = grade(gold, text)
        assert verdict.outcome in ("correct", "wrong", "unparsed")
        assert verdict.grader == "default@1"


@given(st.text(alphabet="0123456789.,/+-*^()[]{}<>=xyn \\$%!|&_abcdefgqrst", max_size=60))
@settings(max_examples=300, deadline=None)
def test_equality_is_reflexive_and_symmetric_on_what_is_readable(text):
    try:
        there = grade(text, r"\boxed{1/3}")
    except GradingError:
        return
    back = grade("1/3", text) if "####" not in text else there
    if there.correct:
        assert back.outcome != "wrong" or back.how.startswith(("phrase", "formula", "last_number"))


HOSTILE = {
    "power tower": r"9^{9^{9^{9}}}",
    "flat tower": "9^" * 50 + "9",
    "10,000 digits": "7" * 10_000,
    "a million digits": "7" * 1_000_000,
    "braces": "{" * 100_000,
    "parentheses": "(" * 50_000 + "1" + ")" * 50_000,
    "boxes": r"\boxed{" * 100_000,
    "a megabyte of words": "word " * 200_000,
    "a megabyte of numbers": "12 " * 333_333,
    "answers": "answer " * 150_000,
    "dollars": "$" * 500_000,
    "open thoughts": "<think>" * 100_000,
    "nested factorials": "(" * 100 + "5!" + ")!" * 100,
    "fractions": r"\frac{1}{" * 300 + "2" + "}" * 300,
    "code": '__import__("os").system("exit")',
    "control characters": "\0" * 1000,
    "labels": "\na:" * 200_000,
    "commas": "," * 300_000,
    "items": "1," * 300_000,
    "roots": r"\sqrt" * 100_000,
    "slashes": "1/" * 100_000,
    "an integral": r"\int_0^1 x^{x^{x^x}} dx",
    "a sum": r"\sum_{k=1}^{10^{10}} \frac{1}{k!}",
    "equals": "=" * 200_000,
    "a big factorial": "100000000!",
    "a big binomial": r"\binom{10^9}{5\cdot10^8}",
    "chains": "x<" * 1000,
    "alternatives": "1 or " * 60_000,
    "exponentials": r"e^{e^{e^{e^{e}}}}",
    "emphasis": "**a" * 30_000,
    "spaces": " " * 1_000_000 + "x",
    "lines": "\n" * 1_000_000,
    "styles": r"\text{" * 50_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_ends_within_a_second_and_is_not_correct(name):
    workers.warm(wait=True)
    for gold in ("42", "x^2+1", r"\{1, 2\}", "Tuesday"):
        start = time.process_time()  # of this process: the workers have a wall-clock limit of their own
        verdict = grade(gold, HOSTILE[name])
        assert not verdict.correct
        assert time.process_time() - start < 1


def test_an_undecidable_equality_is_unparsed_and_not_wrong():
    assert grade(r"9^{9^{9^9}}", r"9^{9^{9^8}}").outcome == "unparsed"


def test_an_answer_that_is_missing_is_told_apart_from_a_wrong_one():
    assert grade("42", "I do not know.").outcome == "unparsed"
    assert grade("42", "I think 41.").outcome == "wrong"
    assert grade("42", None).outcome == "error"


def test_the_verdict_says_which_rules_fired():
    assert grade("1/2", r"so \boxed{\frac{2}{4}}").how == "boxed/scalar"
    assert grade("18", "x\n#### 18").how == "hashes/number"
    assert grade("18", "it makes 18").how == "last_number/number"


def test_a_response_that_is_not_text_is_a_type_error():
    with pytest.raises(TypeError, match="'q': the response is bytes"):
        grade("42", b"42")


def test_an_empty_gold_is_refused_when_it_is_read():
    with pytest.raises(GradingError, match="empty"):
        grade("  ", "42")


def test_every_gold_of_a_problem_counts():
    assert grade("7:30 pm", "19:30", answers=["half past seven"]).correct
    assert grade("color", "colour", answers=["colour"]).correct
    assert not grade("color", "couleur", answers=["colour"]).correct


def test_tolerance_applies_only_where_the_problem_asks():
    assert not grade("3.14159", "3.1416").correct
    assert grade("3.14159", "3.1416", abs_tol="0.0001").correct
    assert not grade("3.14159", "3.1418", abs_tol="0.0001").correct
    assert grade("1000", "1009", rel_tol=0.01).correct
    assert not grade("1000", "1011", rel_tol=0.01).correct
    assert grade("3.14159", "3.142", figures=4).correct
    assert not grade("3.14159", "3.141", figures=4).correct


def test_a_tolerance_that_is_no_number_is_refused_by_name():
    with pytest.raises(GradingError, match="abs_tol is 'near'"):
        grade("3", "3.1", abs_tol="near")


def test_threads_give_the_verdicts_of_one_thread():
    rng = random.Random(5)
    pairs = rng.sample(PAIRS, 60) + [{"gold": r"\int_0^1 x dx", "pred": "1/2"}] * 4
    alone = [grade(pair["gold"], pair["pred"]) for pair in pairs]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda pair: grade(pair["gold"], pair["pred"]), pairs))
    assert together == alone


def test_profiles_read_only_where_they_may():
    text = r"I get \boxed{41}. #### 42. The answer is 43, or perhaps 44"
    problem = Problem("q", "?", "44")
    found = {name: get_grader(name).grade(problem, text).extracted for name in ("boxed", "gsm8k_flexible")}
    assert found == {"boxed": "41", "gsm8k_flexible": "44"}
    assert get_grader("boxed").grade(problem, "The answer is 44").outcome == "unparsed"


def test_an_unknown_profile_names_near_ones():
    with pytest.raises(GradingError, match="did you mean gsm8k_strict"):
        get_grader("gsm8k_strickt")


def test_the_four_systems_of_gsm8k_get_their_authors_flags(data_dir):
    golds = [
        json.loads(line)["answer"].rsplit("#### ", 1)[1]
        for line in (data_dir / "gsm8k/test.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    rows = [
        json.loads(line)
        for line in (data_dir / "gsm8k/example_model_solutions.jsonl")
        .read_text(encoding="utf-8")
        .splitlines()
    ]
    counts = {}
    for gold, row in zip(golds, rows, strict=True):
        for name in list(row)[2:]:
            correct = grade(gold, row[name]["solution"]).correct
            assert correct == row[name]["is_correct"]
            counts[name] = counts.get(name, 0) + correct
    assert counts == {
        "6b_finetuning": 286,
        "6b_verification": 515,
        "175b_finetuning": 458,
        "175b_verification": 742,
    }


def test_every_real_gold_is_correct_against_itself(data_dir):
    golds = {
        json.loads(line)["answer"].rsplit("#### ", 1)[1]
        for line in (data_dir / "gsm8k/train.jsonl").read_text(encoding="utf-8").splitlines()
    }
    golds |= {
        str(json.loads(line)["target"])
        for line in (data_dir / "gsm_hard/gsmhardv2.jsonl").read_text(encoding="utf-8").splitlines()
    }
    assert [gold for gold in golds if not grade(gold, gold).correct] == []

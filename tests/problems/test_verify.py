"""The facts of a set: published counts of the real ones, and small sets that are counted by hand."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.events import Progress, listening
from calculemus.problem import Problem
from calculemus.problems import ProblemSet, load
from calculemus.problems.corrections import known
from calculemus.problems.verify import answer_facts, question_facts, verify


def problem(index, question="How many?", answer="5", solution=None, **meta):
    return Problem(f"p/{index}", f"{question} {index}" if index else question, answer, solution, meta=meta)


def report_of(*problems):
    return verify(ProblemSet("p", problems))


@pytest.fixture(scope="module")
def reports(data_dir):
    return {name: verify(load(name, data_dir)) for name in ("gsm8k:train", "gsm8k:test", "gsm_hard")}


# What the data set's own papers and an independent count of its files say.
PUBLISHED = [
    ("gsm8k:train", "annotations", "total", 23_716),
    ("gsm8k:train", "annotations", "right", 23_716),
    ("gsm8k:train", "annotations", "value_follows", 23_716),
    ("gsm8k:train", "annotations", "problems_without", 95),
    ("gsm8k:train", "annotations", "last_is_not_the_answer", 377),
    ("gsm8k:train", "annotations", "max", 9),
    ("gsm8k:train", "steps", "total", 26_720),
    ("gsm8k:train", "steps", "without_annotation", 3_004),
    ("gsm8k:train", "steps", "min", 2),
    ("gsm8k:train", "steps", "max", 9),
    ("gsm8k:train", "answers", "plain", 7_391),
    ("gsm8k:train", "answers", "commas", 79),
    ("gsm8k:train", "answers", "negative", 3),
    ("gsm8k:train", "answers", "decimal", 0),
    ("gsm8k:train", "answers", "median", 44),
    ("gsm8k:train", "answers", "p95", 4_000),
    ("gsm8k:train", "answers", "max", 192_000_000),
    ("gsm8k:train", "questions", "max_characters", 985),
    ("gsm8k:train", "questions", "distinct_words", 11_299),
    ("gsm8k:train", "questions", "repeated", 0),
    ("gsm8k:train", "questions", "repeated_but_for_numbers", 1),
    ("gsm8k:test", "annotations", "total", 4_282),
    ("gsm8k:test", "annotations", "right", 4_282),
    ("gsm8k:test", "annotations", "value_follows", 4_282),
    ("gsm8k:test", "annotations", "problems_without", 18),
    ("gsm8k:test", "annotations", "last_is_not_the_answer", 93),
    ("gsm8k:test", "steps", "min", 2),
    ("gsm8k:test", "steps", "max", 11),
    ("gsm8k:test", "answers", "plain", 1_303),
    ("gsm8k:test", "answers", "commas", 14),
    ("gsm8k:test", "answers", "negative", 2),
    ("gsm8k:test", "answers", "median", 42),
    ("gsm8k:test", "answers", "p95", 5_600),
    ("gsm_hard", "answers", "negative", 146),
    ("gsm_hard", "answers", "not_integer_beyond_rounding", 297),
]
ROUNDED = [
    ("gsm8k:train", "steps", "mean", 3.6, 1),
    ("gsm8k:train", "annotations", "mean", 3.2, 1),
    ("gsm8k:train", "annotations", "share_of_times", 0.37, 2),
    ("gsm8k:train", "annotations", "share_of_plus", 0.29, 2),
    ("gsm8k:train", "annotations", "share_of_divide", 0.17, 2),
    ("gsm8k:train", "annotations", "share_of_minus", 0.16, 2),
    ("gsm8k:train", "questions", "mean_characters", 235, 0),
    ("gsm_hard", "answers", "median_magnitude", 2.9e6, -5),
]


@pytest.mark.parametrize(("name", "topic", "fact", "value"), PUBLISHED)
def test_published_counts_are_reproduced(reports, name, topic, fact, value):
    assert reports[name].facts[topic][fact] == value


@pytest.mark.parametrize(("name", "topic", "fact", "value", "digits"), ROUNDED)
def test_published_means_and_shares_are_reproduced(reports, name, topic, fact, value, digits):
    assert round(reports[name].facts[topic][fact], digits) == value


def test_the_real_sets_are_sound_and_say_what_is_known_to_be_wrong(reports):
    assert [(r.rows, r.is_sound) for r in reports.values()] == [(7473, True), (1319, True), (1319, True)]
    assert reports["gsm8k:train"].corrections == known("gsm8k:train")
    assert len(reports["gsm8k:train"].rejected) == 3
    assert "annotations" not in reports["gsm_hard"].facts


def test_a_corrected_set_is_sound_too(data_dir):
    assert verify(load("gsm8k:train", data_dir, limit=400, corrected=True)).is_sound


def test_a_small_set_is_counted_by_hand():
    report = report_of(
        problem(0, "Two cats", "4", "a <<2+2=4>>4\n\nb <<8/2=4>>4.0\n#### 4"),
        problem(1, "Three dogs", "1000", "c\n#### 1,000", label="1,000"),
        problem(2, "Three  DOGS", "-5", "d <<2*2=4>>5 <<.5-1=-.5>> -0.50\n#### -5"),
        problem(12, "three dogs", "x", None),
    )
    assert report.facts["steps"] == {"total": 4, "without_annotation": 1, "min": 1, "mean": 4 / 3, "max": 2}
    annotations = report.facts["annotations"]
    assert annotations == {
        "total": 4,
        "right": 4,
        "value_follows": 3,
        "mean": 4 / 3,
        "max": 2,
        "problems_without": 1,
        "last_is_not_the_answer": 1,
        "share_of_times": 0.25,
        "share_of_plus": 0.25,
        "share_of_divide": 0.25,
        "share_of_minus": 0.25,
    }
    forms = {
        form: report.facts["answers"][form] for form in ("plain", "commas", "negative", "decimal", "other")
    }
    assert forms == {"plain": 1, "commas": 1, "negative": 1, "decimal": 0, "other": 1}
    assert report.facts["questions"]["repeated_but_for_numbers"] == 2
    assert report.is_sound


def test_annotations_without_a_value_are_wrong_and_followed_by_none():
    report = report_of(problem(0, solution="a <<5>>5\n#### 5"))
    annotations = report.facts["annotations"]
    assert (annotations["right"], annotations["value_follows"], annotations["last_is_not_the_answer"]) == (
        0,
        0,
        1,
    )


def test_repetitions_are_told_apart_from_new_numbers():
    facts = question_facts(
        [problem(0, text) for text in ("It costs 5.", "it  COSTS 5.", "It costs 1,234.5.", "He costs 5.")]
    )
    assert (facts["repeated"], facts["repeated_but_for_numbers"]) == (1, 1)
    assert facts["distinct_words"] == 3


def test_words_of_other_scripts_are_counted_apart():
    facts = question_facts([problem(0, "Straße und Katze, кот кот 7")])
    assert (facts["distinct_words"], facts["distinct_words_any_script"]) == (4, 4)


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=60))
def test_places_of_the_values_are_those_of_numpy(values):
    facts = answer_facts([problem(0, answer=str(value)) for value in values])
    assert facts["p95"] == np.quantile(values, 0.95, method="inverted_cdf")
    assert math.isclose(facts["median"], np.median(values))
    assert math.isclose(facts["median_magnitude"], np.median(np.abs(values)))
    assert (facts["min"], facts["max"]) == (min(values), max(values))


@pytest.mark.parametrize(
    ("label", "form"),
    [
        ("12", "plain"),
        ("1,200", "commas"),
        ("1,200.5", "commas"),
        ("-1,200", "negative"),
        ("0.5", "decimal"),
        (".5", "decimal"),
        ("12,00", "other"),
        ("x", "other"),
        ("", "other"),
    ],
)
def test_answers_have_a_form(label, form):
    facts = answer_facts([problem(0, answer=label)])
    assert [name for name in ("plain", "commas", "negative", "decimal", "other") if facts[name]] == [form]


def test_numbers_beyond_floats_are_placed_by_their_magnitude():
    facts = answer_facts(
        [problem(0, answer="-" + "7" * 10_000), problem(0, answer="5"), problem(0, answer="6e5000")]
    )
    assert (facts["min"], facts["median"], facts["max"]) == ("about -1e9999", 5, "about 1e5000")


def test_numbers_near_integers_are_counted_apart():
    facts = answer_facts([problem(0, answer=text) for text in ("7", "7.0", "6.9999999999", "7.5", "-0.5")])
    assert (facts["not_integer"], facts["not_integer_beyond_rounding"]) == (3, 2)


def test_wrong_annotations_are_found():
    report = report_of(problem(0, solution="a <<2+2=5>>5 and <<x=5>>5\n#### 5"))
    assert report.facts["annotations"]["right"] == 0
    assert [(f.id, "<<2+2=5>>" in f.what or "<<x=5>>" in f.what) for f in report.wrong] == [("p/0", True)] * 2


def test_an_answer_other_than_the_end_of_its_solution_is_found():
    report = report_of(
        problem(0, answer="6", solution="a\n#### 5"), problem(1, answer="6", solution="a\n#### 6")
    )
    assert [finding.id for finding in report.wrong] == ["p/0"]


def test_one_question_with_two_answers_is_found():
    same = [Problem(f"p/{i}", "How many?", answer) for i, answer in enumerate(("5", "5", "6"))]
    (finding,) = verify(ProblemSet("p", tuple(same))).wrong
    assert finding.id == "p/2"
    assert "p/0" in finding.what


def test_a_correction_record_that_meets_another_row_is_found():
    record = known("gsm8k:train")[0]
    problems = ProblemSet("gsm8k:train", (Problem(record.id, "another question", record.label),))
    assert [finding.id for finding in verify(problems).wrong] == [record.id]


def test_a_report_is_plain_json():
    report = report_of(problem(0, solution="a <<2+2=5>>5\n#### 5"))
    value = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert value["facts"] == report.facts
    assert value["is_sound"] is False
    assert value["wrong"] == [{"id": "p/0", "what": report.wrong[0].what}]


def test_progress_is_told():
    heard = []
    with listening(heard.append):
        report_of(problem(0), problem(1))
    assert [event.done for event in heard if isinstance(event, Progress)] == [0, 1, 2, 2]

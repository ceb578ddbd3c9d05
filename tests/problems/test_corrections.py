"""Correction records: their evidence, the rows that they meet, and that they are never applied unasked."""

import pytest

from calculemus.events import listening
from calculemus.exact import parse_number
from calculemus.problem import Problem
from calculemus.problems import ProblemSet, load
from calculemus.problems.arithmetic import evaluate, holds
from calculemus.problems.corrections import apply, known, rejected

TRAIN = "gsm8k:train"
# Row, label, value; computed by hand from the questions.
BY_HAND = {
    167: ("1920", "19200"),
    356: ("66", "64"),
    657: ("730", "730"),
    1081: ("2460", "1060"),
    2770: ("106", "108"),
    3529: ("3", "13"),
    4795: ("4", "6"),
    7182: ("4", "10"),
    7401: ("10850", "10750"),
}
WRONG_PATCHES = {1081: "2740", 1342: "531000", 6670: "15"}


def last_value(evidence):
    return evaluate(evidence.rpartition("=")[2])


def test_the_records_are_the_known_ones():
    assert {record.row: (record.label, record.corrected) for record in known(TRAIN)} == BY_HAND
    assert {record.row: record.corrected for record in rejected(TRAIN)} == WRONG_PATCHES
    assert known("gsm8k:test") == ()


@pytest.mark.parametrize("record", known(TRAIN), ids=lambda record: str(record.row))
def test_the_evidence_computes_the_corrected_value(record):
    assert holds(record.evidence) is True
    if record.also:  # a time of day: minutes after midnight
        hours, minutes = record.also[0].split(":")
        assert last_value(record.evidence) == 60 * int(hours) + int(minutes)
    else:
        assert last_value(record.evidence) == parse_number(record.corrected) != parse_number(record.label)
    assert record.why


@pytest.mark.parametrize("record", rejected(TRAIN), ids=lambda record: str(record.row))
def test_the_evidence_speaks_against_the_rejected_value(record):
    assert holds(record.evidence) is True
    assert last_value(record.evidence) != parse_number(record.corrected)
    right = {r.row: r.corrected for r in known(TRAIN)}.get(record.row, record.label)
    assert last_value(record.evidence) == parse_number(right)


def test_every_record_meets_its_row_in_the_real_file(data_dir):
    train = load(TRAIN, data_dir)
    for record in (*known(TRAIN), *rejected(TRAIN)):
        assert record.fits(train[record.row]), record.row


def test_corrections_are_applied_only_when_asked_for(data_dir):
    train, corrected = load(TRAIN, data_dir), load(TRAIN, data_dir, corrected=True)
    changed = {i: (a, b) for i, (a, b) in enumerate(zip(train, corrected, strict=True)) if a != b}
    assert {i: (a.answer, b.answer) for i, (a, b) in changed.items()} == BY_HAND
    for before, after in changed.values():
        assert after.meta["label"] == before.answer
        assert after.meta["correction"]
        assert (after.id, after.question, after.solution) == (before.id, before.question, before.solution)
    assert corrected.digest != train.digest


def test_a_time_of_day_is_accepted_in_its_other_spellings(data_dir):
    problem = load(TRAIN, data_dir, limit=658, corrected=True)[657]
    assert problem.golds == ("730", "7:30", "07:30", "0730")


def test_a_row_with_another_question_or_label_is_left_alone_with_a_note():
    record = known(TRAIN)[0]
    problems = ProblemSet(TRAIN, (Problem(record.id, "another question", record.label),))
    heard = []
    with listening(heard.append):
        assert apply(problems).problems == problems.problems
    (event,) = heard
    assert record.id in event.message
    cured = Problem(record.id, record.question, record.corrected)
    assert apply(ProblemSet(TRAIN, (cured,))).problems == (cured,)


def test_further_golds_of_a_problem_are_kept():
    record = next(record for record in known(TRAIN) if record.also)
    problem = Problem(record.id, record.question, record.label, meta={"answers": ["half past seven"]})
    (corrected,) = apply(ProblemSet(TRAIN, (problem,)))
    assert corrected.golds == (record.corrected, "half past seven", *record.also)

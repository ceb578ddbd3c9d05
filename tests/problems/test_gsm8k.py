"""The codec of annotated solutions: byte for byte on any text, and on the real files."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.exact import parse_number
from calculemus.problems.gsm8k import (
    AnnotatedSolution,
    Annotation,
    Step,
    check_annotation,
    parse,
    strip_annotations,
    write,
)

JANET = (
    "Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 duck eggs a day.\n"
    "She makes 9 * 2 = $<<9*2=18>>18 every day at the farmer’s market.\n"
    "#### 18"
)
PIECES = st.sampled_from(
    ["<<", ">>", "<", ">", "=", "1+1", "2", "\n", "\r\n", "#### ", "####", "A:", "A: 7", " ", "é"]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=25).map("".join))


@given(TEXTS)
def test_any_text_is_written_back_byte_for_byte(text):
    assert write(parse(text)) == text


@given(TEXTS)
def test_steps_are_the_lines_without_annotations(text):
    solution = parse(text)
    lines = strip_annotations(text).split("\n")
    assert [step.text for step in solution.steps] == lines[: len(solution.steps)]


def test_a_solution_is_taken_apart():
    assert parse(JANET) == AnnotatedSolution(
        steps=(
            Step("Janet sells 16 - 3 - 4 = 9 duck eggs a day.", (Annotation(25, "16-3-4", "9"),)),
            Step("She makes 9 * 2 = $18 every day at the farmer’s market.", (Annotation(19, "9*2", "18"),)),
        ),
        answer="18",
        marker="#### ",
    )


def test_every_position_is_where_the_value_begins():
    for step in parse(JANET).steps:
        for annotation in step.annotations:
            assert step.text[annotation.position :].startswith(annotation.value)


def test_the_answer_is_never_that_of_the_last_annotation():
    assert parse("Half of 9 is <<9/2=4.5>>4.5, so he needs 5.\n#### 5").answer == "5"
    assert parse("Half of 9 is <<9/2=4.5>>4.5.").answer is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("one\nA: 18", "18"),
        ("one\nA:18 dollars \nmore", "18 dollars"),
        ("#### 1\n#### 2", "2"),
        ("#### 885,000\r\n", "885,000"),
        ("A: 10+John's age", "10+John's age"),
        ("####", ""),
        ("it says A: 5", None),
        ("", None),
    ],
)
def test_final_answers_of_model_text_are_read_leniently(text, answer):
    assert parse(text).answer == answer


def test_markers_can_be_restricted_to_those_of_the_data_set():
    assert parse("A: 5", markers=("####",)).answer is None


def test_blank_lines_are_kept_and_are_no_written_steps():
    solution = parse("one\n\n two\n#### 3")
    assert (len(solution.steps), len(solution.written_steps)) == (3, 2)


@pytest.mark.parametrize(
    ("source", "right"),
    [
        ("16-3-4=9", True),
        ("10/3=3.3333333", True),
        ("10/3=3.33", False),
        (".5*4=2.00", True),
        ("3/4=3/4", True),
        ("560//10=56", True),
        ("16-3-4=10", False),
        ("3*A=9", False),
        ("5", False),
        ("", False),
    ],
)
def test_annotations_are_checked_exactly(source, right):
    (annotation,) = parse(f"<<{source}>>").annotations
    assert annotation.source == source
    assert check_annotation(annotation) is right


def read(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("split", ["train", "test"])
def test_real_solutions_survive_the_codec_byte_for_byte(data_dir, split):
    for row in read(data_dir / "gsm8k" / f"{split}.jsonl"):
        text = row["answer"]
        assert write(parse(text)) == text
        assert strip_annotations(text) == re.sub("<<[^<>]*>>", "", text)


def test_answers_of_real_models_are_right_exactly_where_their_authors_say_so(data_dir):
    count = 0
    for row in read(data_dir / "gsm8k" / "example_model_solutions.jsonl"):
        gold = parse_number(parse(row["ground_truth"]).answer or "")
        assert gold is not None
        for system in (value for value in row.values() if isinstance(value, dict)):
            solution = parse(system["solution"])
            assert write(solution) == system["solution"]
            assert (parse_number(solution.answer or "") == gold) is system["is_correct"]
            count += 1
    assert count == 4 * 1319

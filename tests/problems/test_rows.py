"""From a row of any file to a problem: columns, numbers, annotated answers, and rows that cannot be used."""

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import ProblemError
from calculemus.problems import load

Q = "How many?"


def jsonl(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8"
    )
    return str(path)


def refused(name):
    with pytest.raises(ProblemError) as info:
        load(name)
    return str(info.value)


@pytest.mark.parametrize("question", ["question", "problem", "input", "prompt"])
@pytest.mark.parametrize("answer", ["answer", "target", "gold"])
@pytest.mark.parametrize("program", ["program", "code"])
def test_columns_have_several_names(tmp_path, question, answer, program):
    (problem,) = load(jsonl(tmp_path / "p.jsonl", {question: Q, answer: "5", program: "x = 5"}))
    assert (problem.id, problem.question, problem.answer, problem.program) == ("p/0", Q, "5", "x = 5")
    assert problem.meta == {}


def test_the_first_name_counts_and_the_others_become_meta(tmp_path):
    (problem,) = load(jsonl(tmp_path / "p.jsonl", {"prompt": "x", "question": Q, "gold": 2, "answer": 1}))
    assert (problem.question, problem.answer, problem.meta) == (Q, "1", {"prompt": "x", "gold": 2})


def test_unknown_columns_and_the_object_meta_become_meta(tmp_path):
    row = {
        "question": Q,
        "answer": "5",
        "level": 3,
        "share": 0.25,
        "tags": ["a", {"b": float("inf")}],
        "nothing": None,
        "meta": {"level": 4, "rel_tol": 1e-3},
    }
    problems = load(jsonl(tmp_path / "p.jsonl", row))
    assert problems[0].meta == {"level": 4, "share": 0.25, "tags": ["a", {"b": "Infinity"}], "rel_tol": 1e-3}
    assert len(problems.digest) == 32


def test_a_meta_column_that_is_no_object_is_kept_as_it_is(tmp_path):
    assert load(jsonl(tmp_path / "p.jsonl", {"question": Q, "answer": "5", "meta": "m"}))[0].meta == {
        "meta": "m"
    }


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"text": Q, "answer": "5"}, "no column for the question; its columns are 'text', 'answer'"),
        (
            {"question": Q, "response": "5"},
            "no column for the answer; its columns are 'question', 'response'",
        ),
        ({}, "its columns are none"),
        ({"question": Q, "answer": None}, "'answer' is empty"),
        ({"question": Q, "answer": ""}, "'answer' is empty"),
        ({"question": "", "answer": "5"}, "'question' is empty"),
        ({"question": 5, "answer": "5"}, "'question' is '5'"),
        ({"question": Q, "answer": True}, "'answer' is 'True'"),
        ({"question": Q, "answer": [5]}, "'answer' is"),
        ({"question": Q, "answer": "5", "id": [1]}, "the id is"),
        ({"question": Q, "answer": "5", "id": True}, "the id is"),
        ({"question": Q, "answer": "5", "solution": 7}, "'solution' is"),
        ('{"question": "How many?", "answer": NaN}', "'answer' is NaN"),
        ('{"question": "How many?", "answer": -Infinity}', "'answer' is -Infinity"),
        ({"question": Q, "answer": " nan "}, "'answer' is nan"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_with_their_line(tmp_path, row, found):
    message = refused(jsonl(tmp_path / "p.jsonl", {"question": Q, "answer": "5"}, row))
    assert "line 2" in message
    assert found in message


def test_ids_are_unique(tmp_path):
    rows = [{"id": name, "question": Q, "answer": "5"} for name in ("a", "b", "a")]
    message = refused(jsonl(tmp_path / "p.jsonl", *rows))
    assert all(part in message for part in ("records 1 and 3", "'a'"))


def test_whole_numbers_are_ids_too(tmp_path):
    assert load(jsonl(tmp_path / "p.jsonl", {"id": 7, "question": Q, "answer": "5"}))[0].id == "7"


@given(st.decimals(allow_nan=False, allow_infinity=False).filter(lambda d: abs(d.adjusted()) < 300))
def test_json_numbers_are_exact_and_in_plain_decimal_spelling(tmp_path_factory, number):
    path = tmp_path_factory.mktemp("numbers") / "p.jsonl"
    text = str(number).replace("E+", "e").replace("E", "e")
    (problem,) = load(jsonl(path, f'{{"question": "q", "answer": {text}}}'))
    assert Fraction(problem.answer) == Fraction(number)
    assert "e" not in problem.answer
    assert not problem.answer.endswith(".")
    assert problem.answer != "-0"


def test_numbers_of_any_length_are_read(tmp_path):
    digits = "7" * 10_000
    huge = ["1e999999999", "1e-9999999999999999999999", "-2.5E+99999"]
    problems = load(
        jsonl(
            tmp_path / "p.jsonl",
            f'{{"question": "q", "answer": {digits}, "n": {digits}}}',
            *(f'{{"question": "q", "answer": {text}}}' for text in huge),
        )
    )
    assert problems[0].answer == problems[0].meta["n"] == digits
    assert [problem.answer for problem in problems][1:] == huge


def test_text_answers_keep_their_spelling(tmp_path):
    texts = ["1,234", "18.0", r"\frac{1}{2}", "(1,234)", "None"]
    problems = load(jsonl(tmp_path / "p.jsonl", *({"question": Q, "answer": text} for text in texts)))
    assert [problem.answer for problem in problems] == texts


def test_annotated_answers_of_any_file_become_answer_and_solution(tmp_path):
    text = "Two and two: <<2+2=4>>4\n\nTwice: 8\n#### 1,008"
    (problem,) = load(jsonl(tmp_path / "p.jsonl", {"question": Q, "answer": text}))
    assert (problem.answer, problem.solution) == ("1,008", text)
    assert problem.meta == {"steps": 2, "annotations": 1}


def test_a_solution_of_its_own_is_kept_beside_an_annotated_answer(tmp_path):
    row = {"question": Q, "answer": "one\n#### 4", "solution": "mine"}
    assert load(jsonl(tmp_path / "p.jsonl", row))[0].solution == "mine"

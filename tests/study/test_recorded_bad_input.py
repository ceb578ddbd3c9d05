"""Recorded solutions that cannot be used: each says where, what was found, and what to do."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from calculemus import Problem
from calculemus.errors import InvalidParameterError, RecordError, UnknownProblemsError
from calculemus.problems.problemset import ProblemSet
from calculemus.study.recorded import open_recorded
from calculemus.study.records import read_records
from calculemus.study.systems import open_systems

QUESTIONS = ["How much is 1 + 1?", "How much is 2 + 2?"]
SUMS = ProblemSet("sums", tuple(Problem(f"sums/{i}", q, str(2 * i + 2)) for i, q in enumerate(QUESTIONS)))


def write(path: Path, rows: Iterable[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return f"recorded:{path}"


def read(spec: str) -> dict[tuple[str, int], str | None]:
    (system,) = open_recorded(spec)
    return {(a.problem_id, a.sample): a.solution.answer for a in system.answers(SUMS, set())}


def sample(**fields: Any) -> dict[str, Any]:
    return {"doc_id": 0, "doc": {"question": QUESTIONS[0]}, "arguments": [], "resps": [["2"]], **fields}


BAD_LINES = {
    '{"id": "sums/1", "pred": 3,}\n': "line 2: wrong JSON .* at column",
    '{"id": "sums/1", "pred": "3': "line 2: the last line is torn: the file ends inside a record",
    "[1]\n": "line 2: the line holds a list; expected a JSON object",
    '{"id": "sums/1", "pred": {"a": 1}}\n': "line 2: the response is an object; expected text",
    '{"id": "sums/1", "pred": true}\n': "line 2: the response is true or false; expected text",
    '{"id": "sums/1", "answer": "3"}\n': "line 2: the record has no 'pred', only 'id', 'answer'",
    '{"id": ["x"], "pred": "3"}\n': "line 2: 'id' is a list; expected text",
    '{"id": "", "pred": "3"}\n': "line 2: 'id' is empty; expected text",
    '{"id": "sums/1", "pred": "3", "sample": -1}\n': "line 2: 'sample' is the number -1; expected a whole",
    '{"id": "sums/1", "pred": "3", "tokens_out": -1}\n': "line 2: 'tokens_out' is the number -1",
    '{"id": "sums/1", "pred": "3", "tokens_out": 1.5}\n': "line 2: 'tokens_out' is the number 1.5",
    '{"id": "sums/1", "pred": "3", "flops": 1e999}\n': "line 2: 'flops' is the number 1e999",
    '{"id": "sums/1", "pred": ["3"], "seconds": [1, 2]}\n': "line 2: 'seconds' has 2 figures; expected 1",
    '{"id": "sums/0", "pred": "3"}\n': "line 2: problem 'sums/0' is answered again: line 1 .* field 'sample'",
    "[" * 100_000 + "\n": "line 2: the record is nested too deeply",
}


@pytest.mark.parametrize("line", BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_bad_line_is_named_with_what_is_wrong(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "sums/0", "pred": "2"}\n' + line)
    with pytest.raises(RecordError, match=BAD_LINES[line]):
        read(f"recorded:{path}")


@pytest.mark.parametrize(
    ("value", "found"), [("2", "'x' is text"), ({"text": "2"}, "'x' has 'text'"), ({}, "'x' has no fields")]
)
def test_a_named_system_without_a_solution_is_refused(tmp_path: Path, value: Any, found: str) -> None:
    rows = [{"question": QUESTIONS[0], "x": {"solution": "2"}}, {"question": QUESTIONS[1], "x": value}]
    spec = write(tmp_path / "a.jsonl", rows)
    with pytest.raises(RecordError, match=f"line 2: {found}; expected an object with a 'solution'"):
        read(spec)


def test_a_line_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": "sums/0", "pred": "2"}\n{"id": "\xff"}\n')
    with pytest.raises(RecordError, match=r"line 2: byte 9 of the line \(0xff\) is not UTF-8"):
        open_recorded(f"recorded:{path}")


@pytest.mark.parametrize("text", ["", "\n\n  \n"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(RecordError, match="': the file is empty; expected one JSON object a line"):
        open_recorded(f"recorded:{path}")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="there is no such file"):
        open_recorded(f"recorded:{tmp_path / 'none.jsonl'}")
    with pytest.raises(RecordError, match="there is no such file"):
        next(read_records(tmp_path / "none.jsonl"))
    with pytest.raises(RecordError, match="it is a folder"):
        open_recorded(f"recorded:{tmp_path}")


@pytest.mark.parametrize("spec", ["recorded:", "a.jsonl", "Recorded:a.jsonl"])
def test_a_text_of_another_form_is_refused(spec: str) -> None:
    with pytest.raises(
        InvalidParameterError, match="is not of the form recorded:FILE or recorded:FILE#FIELD"
    ):
        open_recorded(spec)


def test_one_json_document_is_told_from_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"version": 2, "samples": []}, indent=2))
    with pytest.raises(
        RecordError, match=r"line 1: the line is just '\{': this looks like one JSON document"
    ):
        open_recorded(f"recorded:{path}")


def test_other_records_are_refused_with_their_fields_and_what_is_read(tmp_path: Path) -> None:
    spec = write(tmp_path / "log.json", [{"version": 2, "eval": {}, "samples": []}])
    with pytest.raises(
        RecordError, match=r"fields 'version', 'eval', 'samples'; expected rows with .* lm-eval"
    ):
        open_recorded(spec)


def test_log_likelihoods_are_refused(tmp_path: Path) -> None:
    for resps in ([[[-1.5, False]], [[-2.0, True]]], [[["-1.5", "False"]]], [[-1.5, False]]):
        spec = write(tmp_path / "a.jsonl", [sample(resps=resps)])
        with pytest.raises(RecordError, match="'resps' holds log-likelihoods"):
            read(spec)


def test_other_answers_under_one_doc_id_are_duplicates(tmp_path: Path) -> None:
    rows = [sample(), sample(resps=[["something else"]])]
    spec = write(tmp_path / "a.jsonl", rows)
    with pytest.raises(RecordError, match="line 2: problem 'sums/0' is answered again"):
        read(spec)


def test_duplicates_of_one_named_system_are_refused_by_its_name(tmp_path: Path) -> None:
    rows = [{"question": QUESTIONS[0], "x": {"solution": "2"}}] * 2
    spec = write(tmp_path / "a.jsonl", rows)
    with pytest.raises(RecordError, match="line 2: problem 'sums/0' is answered again of 'x'"):
        read(spec)


def test_an_unknown_field_is_refused_with_the_near_one(tmp_path: Path) -> None:
    rows = [{"question": QUESTIONS[0], "6b_verification": {"solution": "2"}}]
    spec = write(tmp_path / "a.jsonl", rows)
    with pytest.raises(
        RecordError, match=r"no '6b_verif' in it; .* '6b_verification'. Did you mean '#6b_ver"
    ):
        open_recorded(spec + "#6b_verif")
    plain = write(tmp_path / "b.jsonl", [{"id": "sums/0", "pred": "2"}])
    with pytest.raises(
        RecordError, match="there is no 'x' in it; expected no '#FIELD', or the name of the field"
    ):
        open_recorded(plain + "#x")


def test_a_hash_sign_may_be_part_of_a_file_or_of_a_field(tmp_path: Path) -> None:
    spec = write(tmp_path / "a#b.jsonl", [{"id": "sums/0", "pred": "2", "c#d": "3"}])
    assert read(spec) == {("sums/0", 0): "2"}
    assert read(spec + "#c#d") == {("sums/0", 0): "3"}
    with pytest.raises(RecordError, match="'none': there is no such file"):
        open_recorded("recorded:none#a#b")


def test_unknown_problems_are_counted_shown_and_compared_with_near_ones(tmp_path: Path) -> None:
    rows = [{"id": name, "pred": "2"} for name in ("sums/0", "sum/1", "q", "r", "s")]
    spec = write(tmp_path / "a.jsonl", rows)
    message = (
        r"4 of 5 records name no problem of the set: 'sum/1' on line 2 \(near: 'sums/1'\), 'q' on line 3, "
        r"'r' on line 4, \.\.\.; expected an id such as 'sums/0'"
    )
    with pytest.raises(UnknownProblemsError, match=message):
        read(spec)


def test_unknown_problems_can_be_left_out_with_a_remark(tmp_path: Path) -> None:
    rows = [{"id": name, "pred": "2"} for name in ("q", "sums/0", "r")]
    (system,) = open_recorded(write(tmp_path / "a.jsonl", rows), unknown="skip")
    assert [answer.problem_id for answer in system.answers(SUMS, set())] == ["sums/0"]
    (remark,) = system.remarks(SUMS)
    assert "2 of 3 records name no problem of sums and were left out, for example 'q' on line 1" in remark


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("record:a.jsonl#x", "Did you mean 'recorded:a.jsonl#x'?"),
        ("Recorded:a.jsonl", "Did you mean 'recorded:a.jsonl'?"),
        ("gpt@http://localhost", "or recorded:FILE#FIELD$"),
    ],
)
def test_a_system_of_an_unknown_form_is_refused_with_the_forms_that_exist(text: str, near: str) -> None:
    with pytest.raises(InvalidParameterError, match=near.replace("?", r"\?")):
        open_systems([text])


def test_a_bare_file_name_is_answered_with_the_form_it_lacks(tmp_path: Path) -> None:
    spec = write(tmp_path / "a.jsonl", [{"id": "sums/0", "pred": "2"}])
    bare = spec.removeprefix("recorded:")
    with pytest.raises(InvalidParameterError, match=f"Did you mean '{spec}#x'"):
        open_systems([f"{bare}#x"])


def test_no_system_at_all_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match=r"none is named; expected SOLVER@MODEL .* recorded:FILE"):
        open_systems([])

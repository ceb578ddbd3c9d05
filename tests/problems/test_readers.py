"""Readers of every format, and what they say of files that are missing, torn or malformed."""

import csv
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import MissingExtraError, ProblemError
from calculemus.problems import load

ROWS = [
    {"id": "a", "question": "How many é?", "answer": "1,5", "solution": 'say "one"', "level": "easy"},
    {"id": "b", "question": "And now, then?", "answer": "-7", "solution": "no", "level": "hard"},
    {"id": "c", "question": "日本?", "answer": "x+1", "solution": "maybe", "level": "hard"},
]
LINES = [json.dumps(row, ensure_ascii=False) for row in ROWS]


def write_jsonl(path):
    path.write_text("\n".join(LINES) + "\n", "utf-8")


def write_json(path):
    path.write_text(json.dumps(ROWS, indent=1), "utf-8")


def write_csv(path):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(ROWS[0]))
        writer.writeheader()
        writer.writerows(ROWS)


def write_tsv(path):
    lines = ["\t".join(ROWS[0]), *("\t".join(row.values()) for row in ROWS)]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def write_parquet(path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)


WRITERS = {
    "p.jsonl": write_jsonl,
    "p.json": write_json,
    "p.csv": write_csv,
    "p.tsv": write_tsv,
    "p.parquet": write_parquet,
}


def refused(path):
    with pytest.raises(ProblemError) as info:
        load(str(path))
    return str(info.value)


def file(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_problems(tmp_path, name):
    WRITERS[name](tmp_path / name)
    problems = load(str(tmp_path / name))
    assert [(p.id, p.question, p.answer, p.solution) for p in problems] == [
        (row["id"], row["question"], row["answer"], row["solution"]) for row in ROWS
    ]
    assert [p.meta for p in problems] == [{"level": row["level"]} for row in ROWS]


@pytest.mark.parametrize("name", [*WRITERS, "p.txt"])
def test_a_missing_file_is_named(tmp_path, name):
    assert name in refused(tmp_path / name)


def test_a_missing_file_without_folder_is_a_missing_file_too():
    assert "no such file" in refused("nowhere.jsonl")


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "p.jsonl").mkdir()
    assert "is a folder" in refused(tmp_path / "p.jsonl")


def test_other_suffixes_are_refused_with_those_that_are_read(tmp_path):
    message = refused(file(tmp_path, "p.txt", "hello"))
    assert all(suffix in message for suffix in ("'.txt'", ".jsonl", ".json", ".tsv", ".csv", ".parquet"))


@pytest.mark.parametrize("name", ["p.jsonl", "p.json", "p.csv", "p.tsv"])
@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_file_is_an_empty_set(tmp_path, name, content):
    if name.endswith("sv") and content:
        content = b"question\tanswer\n" if name == "p.tsv" else b"question,answer\n"
    assert "empty" in refused(file(tmp_path, name, content))


def test_an_empty_parquet_file_is_torn(tmp_path):
    pytest.importorskip("pyarrow")
    assert "Parquet" in refused(file(tmp_path, "p.parquet", b""))


def test_a_parquet_file_cut_short_is_refused(tmp_path):
    write_parquet(tmp_path / "whole.parquet")
    content = (tmp_path / "whole.parquet").read_bytes()
    assert "Parquet" in refused(file(tmp_path, "p.parquet", content[:-20]))


def test_wrong_json_is_refused_with_the_number_of_the_line(tmp_path):
    message = refused(file(tmp_path, "p.jsonl", f"{LINES[0]}\n\n{LINES[1][:-1]}\n{LINES[2]}\n"))
    assert "line 3" in message
    assert "wrong JSON" in message


def test_a_torn_last_line_is_told_apart_from_a_wrong_one(tmp_path):
    message = refused(file(tmp_path, "p.jsonl", f"{LINES[0]}\n{LINES[1][:30]}"))
    assert "line 2" in message
    assert "torn" in message


@given(st.data())
def test_a_jsonl_file_cut_anywhere_loses_only_its_last_line(tmp_path_factory, data):
    content = ("\n".join(LINES) + "\n").encode()
    end = data.draw(st.integers(0, len(content)))
    path = tmp_path_factory.mktemp("cut") / "p.jsonl"
    path.write_bytes(content[:end])
    ends = [len(("\n".join(LINES[:n])).encode()) for n in range(1, len(LINES) + 1)]
    whole = sum(end >= e for e in ends)
    if end and (end in ends or content[end - 1 : end] == b"\n"):
        assert [p.id for p in load(str(path))] == [row["id"] for row in ROWS[:whole]]
    else:
        assert ("empty" if end == 0 else f"line {whole + 1}: the last line is torn") in refused(path)


def test_a_byte_that_is_no_utf8_is_refused_with_the_number_of_the_line(tmp_path):
    path = file(tmp_path, "p.jsonl", LINES[0].encode() + b'\n{"question": "caf\xe9", "answer": "1"}\n')
    message = refused(path)
    assert "line 2" in message
    assert "0xe9" in message


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('["question", "answer"]\n', "a list"),
        ("17\n", "the number 17"),
        ("null\n", "null"),
        ('{"question": "q", "answer": "\\ud83d"}\n', "surrogate"),
        ("[" * 100_000 + "\n", "nested too deeply"),
    ],
)
def test_lines_that_are_no_usable_object_are_refused(tmp_path, content, found):
    message = refused(file(tmp_path, "p.jsonl", content))
    assert "line 1" in message
    assert found in message


def test_surrogate_pairs_are_characters(tmp_path):
    path = file(tmp_path, "p.jsonl", '{"question": "\\ud83d\\ude00?", "answer": "1"}\n')
    assert load(str(path))[0].question == "😀?"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"question": "q", "answer": "1"}', "an object"),
        ("\n".join(LINES), "line 2"),
        ("[1]", "record 1"),
        ('[{"question": "q"', "line 1"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_json_files_hold_a_list_of_objects(tmp_path, content, found):
    assert found in refused(file(tmp_path, "p.json", content))


def test_the_json_refusal_of_json_lines_says_what_to_do(tmp_path):
    assert ".jsonl" in refused(file(tmp_path, "p.json", "\n".join(LINES)))


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("p.csv", 'question,answer\n"open,1\nmore,2\n', "line 2"),
        ("p.csv", "question,answer\nq,1\nq\n", "line 3"),
        ("p.csv", 'question,answer\n"two\nlines",1\nq\n', "line 4"),
        ("p.csv", "question,question\nq,1\n", "one name"),
        ("p.tsv", "question\tanswer\nq\t1\nq\t1\t2\n", "line 3"),
        ("p.tsv", "first\tsecond\nq\t1\n", "'first', 'second'"),
    ],
)
def test_malformed_tables_are_refused(tmp_path, name, content, found):
    assert found in refused(file(tmp_path, name, content))


def test_a_byte_order_mark_and_windows_line_ends_mean_nothing(tmp_path):
    for name, content in (
        ("a.jsonl", LINES[0] + "\r\n" + LINES[1] + "\r\n"),
        ("b.csv", "question,answer\r\nHow many é?,1\r\nAnd now, then?,2\r\n".replace("now,", "now")),
        ("c.tsv", "How many é?\t1\r\nAnd now?\t2\r\n"),
    ):
        problems = load(str(file(tmp_path, name, b"\xef\xbb\xbf" + content.encode())))
        assert len(problems) == 2
        assert problems[0].question == "How many é?"
        assert "\r" not in problems[1].answer


def test_a_tsv_file_of_two_columns_needs_no_header_and_knows_no_quotes(tmp_path):
    problems = load(str(file(tmp_path, "m.tsv", 'Say "hi" and "\t3\nAgain\t2,125\n')))
    assert [(p.id, p.question, p.answer) for p in problems] == [
        ("m/0", 'Say "hi" and "', "3"),
        ("m/1", "Again", "2,125"),
    ]


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = file(tmp_path, "p.parquet", b"")
    with pytest.raises(MissingExtraError, match=r"calculemus\[parquet\]"):
        load(str(path))

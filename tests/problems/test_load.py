"""The door: names, folders, limits, progress, and the real files behind it."""

import json
import time
import tracemalloc
from decimal import Decimal
from fractions import Fraction

import pytest

from calculemus.errors import InvalidParameterError, ProblemError
from calculemus.events import Progress, listening
from calculemus.exact import parse_number
from calculemus.problems import load
from calculemus.problems.sources import LANGUAGES, NAMED

Q = "How many?"


def jsonl(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8"
    )
    return str(path)


def refused(name, data=None):
    with pytest.raises(ProblemError) as info:
        load(name, data)
    return str(info.value)


def test_limit_reads_no_further(tmp_path):
    path = jsonl(tmp_path / "p.jsonl", *[{"question": Q, "answer": "5"}] * 3, "broken")
    assert len(load(path, limit=3)) == 3
    with pytest.raises(ProblemError):
        load(path, limit=4)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit):
    with pytest.raises(InvalidParameterError, match="at least 1"):
        load("gsm8k:test", limit=limit)


def test_progress_is_told_row_by_row(tmp_path):
    heard = []
    with listening(heard.append):
        load(jsonl(tmp_path / "p.jsonl", *[{"question": Q, "answer": "5"}] * 4))
    assert [event.done for event in heard if isinstance(event, Progress)] == [0, 1, 2, 3, 4, 4]
    assert heard[-1].finished


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("gsm8k:tset", "gsm8k:test"),
        ("GSM8K", "gsm8k:test"),
        ("gsm8", "gsm8k:train"),
        ("gsmhard", "gsm_hard"),
        ("mgsm", "mgsm:sw"),
        ("mgsm:dd", "mgsm:de"),
        ("zzz", "gsm_hard"),
        ("", "gsm_hard"),
    ],
)
def test_unknown_names_are_refused_with_near_ones(name, near):
    message = refused(name)
    assert f"'{name}'" in message
    assert near in message


def test_named_sets_are_read_from_the_folder_given_or_that_of_the_environment(tmp_path, monkeypatch):
    for folder, value in (("a", "1"), ("b", "2")):
        jsonl(tmp_path / folder / "gsm8k" / "test.jsonl", {"question": Q, "answer": f"so\n#### {value}"})
    monkeypatch.setenv("CALCULEMUS_DATA", str(tmp_path / "a"))
    assert load("gsm8k:test")[0].answer == "1"
    assert load("gsm8k:test", tmp_path / "b")[0].answer == "2"
    assert load("gsm8k", str(tmp_path / "b")).name == "gsm8k:test"


@pytest.mark.parametrize("by_argument", [True, False])
def test_a_folder_that_does_not_exist_is_refused(tmp_path, monkeypatch, by_argument):
    monkeypatch.setenv("CALCULEMUS_DATA", str(tmp_path / "nowhere"))
    message = refused("gsm_hard", tmp_path / "nowhere" if by_argument else None)
    assert all(part in message for part in ("nowhere", "gsm_hard/gsmhardv2.jsonl"))
    assert ("CALCULEMUS_DATA" in message) is not by_argument


@pytest.mark.parametrize(
    ("answer", "found"),
    [("so it is 5", "so it is 5"), ("so\n#### twelve", "'twelve'"), ("so\n####", "####"), (5, "'5'")],
)
def test_gold_of_gsm8k_must_be_a_number_after_the_marker(tmp_path, answer, found):
    jsonl(tmp_path / "gsm8k" / "test.jsonl", {"question": Q, "answer": answer})
    message = refused("gsm8k:test", tmp_path)
    assert "line 1" in message
    assert found in message


def test_gold_of_numeric_sets_has_no_commas_and_its_label_is_kept(tmp_path):
    text = "so\n#### -1,234,567"
    jsonl(
        tmp_path / "gsm8k" / "test.jsonl",
        {"question": Q, "answer": text},
        {"question": Q, "answer": "#### 5"},
    )
    first, second = load("gsm8k:test", tmp_path)
    assert (first.answer, first.meta["label"]) == ("-1234567", "-1,234,567")
    assert (second.answer, "label" in second.meta) == ("5", False)


@pytest.mark.parametrize(("name", "n"), [("gsm8k:train", 7473), ("gsm8k:test", 1319), ("gsm_hard", 1319)])
def test_real_sets_have_their_published_size_and_ids(data_dir, name, n):
    problems = load(name, data_dir)
    assert [problem.id for problem in problems] == [f"{name}/{index}" for index in range(n)]
    assert all(parse_number(problem.answer) is not None for problem in problems)


def test_gsm8k_keeps_the_whole_solution_and_counts_its_steps(data_dir):
    for problem in load("gsm8k:test", data_dir):
        lines = [line for line in (problem.solution or "").split("\n") if line.strip()]
        assert lines[-1].replace(",", "") == f"#### {problem.answer}"
        assert problem.meta["steps"] == len(lines) - 1
        assert problem.meta["annotations"] == (problem.solution or "").count("<<")


@pytest.mark.parametrize("code", LANGUAGES)
def test_mgsm_has_250_problems_in_every_language_with_the_same_golds(data_dir, code):
    problems = load(f"mgsm:{code}", data_dir)
    assert [problem.id for problem in problems] == [f"mgsm:{code}/{index}" for index in range(250)]
    assert [problem.answer for problem in problems] == [p.answer for p in load("mgsm:en", data_dir)]
    assert {problem.meta["language"] for problem in problems} == {code}


def test_gsm_hard_targets_are_exact(data_dir):
    lines = (data_dir / "gsm_hard" / "gsmhardv2.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line, parse_float=Decimal) for line in lines]
    for problem, row in zip(load("gsm_hard", data_dir), rows, strict=True):
        assert Fraction(problem.answer) == Fraction(row["target"])
        assert (problem.program, problem.question) == (row["code"], row["input"])


def test_every_named_set_is_in_the_data_folder(data_dir):
    for known in NAMED.values():
        assert (data_dir / known.file).is_file()


@pytest.mark.slow
def test_a_file_of_many_rows_loads_in_bounded_time_and_memory(tmp_path):
    path = tmp_path / "p.jsonl"
    n = 100_000
    with path.open("w") as file:
        file.writelines(f'{{"question": "What is {i} and {i}?", "answer": {2 * i}}}\n' for i in range(n))
    started = time.process_time()
    assert len(load(str(path))) == n
    assert time.process_time() - started < 10
    tracemalloc.start()
    load(str(path), limit=1000)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()

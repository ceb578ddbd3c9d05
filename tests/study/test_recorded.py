"""Recorded solutions: every format, and every way to join them with a problem set."""

import json
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus import Cost, Problem
from calculemus.errors import RecordError, UnknownProblemsError
from calculemus.jsonl import Numeral
from calculemus.problems.problemset import ProblemSet
from calculemus.study.recorded import RecordedSystem, open_recorded
from calculemus.study.records import storable
from calculemus.study.system import Answer

QUESTIONS = ["How much is 1 + 1?", "How much is 2 + 2?", "How  much\nis 3 + 3?"]
SUMS = ProblemSet("sums", tuple(Problem(f"sums/{i}", q, str(2 * i + 2)) for i, q in enumerate(QUESTIONS)))


def write(path: Path, rows: Iterable[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return f"recorded:{path}"


def answers(system: RecordedSystem, problems: ProblemSet = SUMS) -> dict[tuple[str, int], str | None]:
    return {(a.problem_id, a.sample): a.solution.answer for a in system.answers(problems, set())}


def harness_row(place: int, **fields: Any) -> dict[str, Any]:
    return {
        "doc_id": place,
        "doc": {"question": QUESTIONS[place], "answer": "#### 2"},
        "target": "2",
        "arguments": {"gen_args_0": {"arg_0": f"Q: {QUESTIONS[place]}\nA:", "arg_1": {"until": ["Q:"]}}},
        "resps": [[f"it is {place}"]],
        "filtered_resps": [str(place)],
        **fields,
    }


@pytest.mark.parametrize(
    "column", ["response", "completion", "prediction", "pred", "output", "solution", "text"]
)
def test_plain_rows_are_read_under_every_usual_name(tmp_path: Path, column: str) -> None:
    spec = write(
        tmp_path / "mine.jsonl", [{"id": "sums/1", column: "4"}, {"problem_id": "sums/0", column: "2"}]
    )
    (system,) = open_recorded(spec)
    assert system.name == "mine"
    assert answers(system) == {("sums/1", 0): "4", ("sums/0", 0): "2"}


def test_rows_are_joined_by_question_whatever_its_white_space(tmp_path: Path) -> None:
    rows = [
        {"question": " How much is\t3 + 3? ", "response": "6"},
        {"problem": QUESTIONS[0], "response": "2"},
    ]
    (system,) = open_recorded(write(tmp_path / "a.jsonl", rows))
    assert answers(system) == {("sums/2", 0): "6", ("sums/0", 0): "2"}


def test_an_id_goes_before_a_question_and_a_different_question_is_remarked_on(tmp_path: Path) -> None:
    rows = [{"id": "sums/0", "question": QUESTIONS[1], "response": "2"}]
    (system,) = open_recorded(write(tmp_path / "a.jsonl", rows))
    assert answers(system) == {("sums/0", 0): "2"}
    (remark,) = system.remarks(SUMS)
    assert remark.startswith("a.jsonl: 1 records have an id of sums and another question")


def test_a_list_of_texts_is_several_samples(tmp_path: Path) -> None:
    rows = [{"id": "sums/0", "response": ["2", "3"]}, {"id": "sums/0", "response": ["4"], "sample": 2}]
    (system,) = open_recorded(write(tmp_path / "a.jsonl", rows))
    assert answers(system) == {("sums/0", 0): "2", ("sums/0", 1): "3", ("sums/0", 2): "4"}


def test_costs_stand_beside_the_response(tmp_path: Path) -> None:
    row = {"id": "sums/0", "response": "2", "tokens_in": 7, "tokens_out": 3, "seconds": 0.25, "flops": None}
    (system,) = open_recorded(write(tmp_path / "a.jsonl", [row]))
    (answer,) = system.answers(SUMS, set())
    assert answer.solution.cost == Cost(tokens_in=7, tokens_out=3, seconds_engine=0.25)


@given(total=st.integers(0, 10**6), n=st.integers(1, 9))
def test_a_cost_of_several_tries_is_shared_without_loss(
    tmp_path_factory: pytest.TempPathFactory, total: int, n: int
) -> None:
    row = {"id": "sums/0", "response": ["2"] * n, "tokens_out": total, "peak_bytes": total}
    (system,) = open_recorded(write(tmp_path_factory.mktemp("shares") / "a.jsonl", [row]))
    costs = [answer.solution.cost for answer in system.answers(SUMS, set())]
    shares = [cost.tokens_out or 0 for cost in costs]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1
    assert {cost.peak_bytes for cost in costs} == {total}


def test_costs_of_several_tries_may_be_said_one_by_one(tmp_path: Path) -> None:
    row = {"id": "sums/0", "response": ["2", "3"], "seconds": [1.5, None], "flops": 5}
    (system,) = open_recorded(write(tmp_path / "a.jsonl", [row]))
    costs = [answer.solution.cost for answer in system.answers(SUMS, set())]
    assert [(cost.seconds_engine, cost.flops) for cost in costs] == [(1.5, 2.5), (None, 2.5)]


def test_the_column_model_separates_systems(tmp_path: Path) -> None:
    rows = [{"id": f"sums/{i}", "model": model, "pred": model + str(i)} for i in range(3) for model in "ab"]
    spec = write(tmp_path / "a.jsonl", rows)
    assert [system.name for system in open_recorded(spec)] == ["a", "b"]
    (one,) = open_recorded(spec + "#b")
    assert answers(one) == {(f"sums/{i}", 0): f"b{i}" for i in range(3)}


def test_a_field_of_plain_rows_may_be_named_as_the_response(tmp_path: Path) -> None:
    rows = [{"id": "sums/0", "response": "2", "rewritten": "two"}]
    spec = write(tmp_path / "a.jsonl", rows)
    (plain,), (named,) = open_recorded(spec), open_recorded(spec + "#rewritten")
    assert (named.name, answers(named)) == ("rewritten", {("sums/0", 0): "two"})
    assert plain.spec() != named.spec()


def test_named_systems_are_read_each_and_with_their_flags(tmp_path: Path) -> None:
    rows = [
        {"question": QUESTIONS[0], "ground_truth": "2", "x": {"solution": "2", "is_correct": True}},
        {
            "question": QUESTIONS[1],
            "ground_truth": "4",
            "x": {"solution": "5", "is_correct": False},
            "y": None,
        },
        {"question": QUESTIONS[2], "ground_truth": "6", "y": {"solution": "6", "is_correct": True}},
    ]
    x, y = open_recorded(write(tmp_path / "a.jsonl", rows))
    assert answers(x) == {("sums/0", 0): "2", ("sums/1", 0): "5"}
    assert answers(y) == {("sums/1", 0): None, ("sums/2", 0): "6"}
    assert x.authors_flags(SUMS) == {"is_correct": {("sums/0", 0): True, ("sums/1", 0): False}}
    assert y.authors_flags(SUMS) == {"is_correct": {("sums/2", 0): True}}


def test_harness_samples_are_one_answer_however_many_filters_saw_them(tmp_path: Path) -> None:
    rows = [
        harness_row(place, filter=name, exact_match=float(place == right))
        for name, right in (("strict-match", 0), ("flexible-extract", 2))
        for place in range(3)
    ]
    folder = tmp_path / "my__model"
    folder.mkdir()
    (system,) = open_recorded(write(folder / "samples_gsm8k_2026-01-01T00-00-00.000001.jsonl", rows))
    assert system.name == "my__model"
    assert answers(system) == {(f"sums/{i}", 0): f"it is {i}" for i in range(3)}
    assert len(list(system.answers(SUMS, set()))) == 3
    assert system.authors_flags(SUMS) == {
        f"exact_match of the filter '{name}'": {(f"sums/{i}", 0): i == right for i in range(3)}
        for name, right in (("strict-match", 0), ("flexible-extract", 2))
    }


def test_harness_samples_without_filter_names_may_stand_twice(tmp_path: Path) -> None:
    rows = [harness_row(place, doc=json.dumps({"question": QUESTIONS[place]})) for place in (0, 1, 0, 1)]
    (system,) = open_recorded(write(tmp_path / "a.jsonl", rows))
    assert len(list(system.answers(SUMS, set()))) == 2


def test_harness_repeats_are_samples(tmp_path: Path) -> None:
    rows = [harness_row(0, resps=[["2", "3", None]], exact_match=1.0)]
    (system,) = open_recorded(write(tmp_path / "a.jsonl", rows))
    assert answers(system) == {("sums/0", 0): "2", ("sums/0", 1): "3", ("sums/0", 2): None}
    assert system.authors_flags(SUMS) == {}


@pytest.mark.parametrize(
    "evidence",
    [
        {"doc": {"query": QUESTIONS[1]}, "arguments": []},
        {"doc": {}, "arguments": [[f"Q: 9 + 9?\nA: 18\n\nQ: {QUESTIONS[1]}\nA:", {"until": []}]]},
        {"doc": f"[Q] {QUESTIONS[1]}", "arguments": []},
        {"doc": {}, "arguments": {"gen_args_0": {"arg_0": [json.dumps([{"content": QUESTIONS[1]}])]}}},
    ],
)
def test_harness_places_count_where_the_question_stands_in_the_record(
    tmp_path: Path, evidence: dict[str, Any]
) -> None:
    rows = [harness_row(1, **evidence)]
    (system,) = open_recorded(write(tmp_path / "a.jsonl", rows))
    assert answers(system) == {("sums/1", 0): "it is 1"}
    rows = [harness_row(2, **evidence)]
    (system,) = open_recorded(write(tmp_path / "b.jsonl", rows))
    with pytest.raises(UnknownProblemsError, match="'doc_id 2' on line 1"):
        answers(system)


def test_equal_questions_are_told_apart_by_place_or_refused(tmp_path: Path) -> None:
    twice = ProblemSet(
        "twice", (Problem("a", "Why?", "1"), Problem("b", "Why?", "2"), Problem("c", "How?", "3"))
    )
    in_order = [{"question": q, "response": r} for q, r in (("Why?", "1"), ("Why?", "2"), ("How?", "3"))]
    (system,) = open_recorded(write(tmp_path / "a.jsonl", in_order))
    assert answers(system, twice) == {("a", 0): "1", ("b", 0): "2", ("c", 0): "3"}
    (system,) = open_recorded(write(tmp_path / "b.jsonl", in_order[::-1]))
    with pytest.raises(RecordError, match="line 3: several problems of 'twice' have the question 'Why\\?'"):
        answers(system, twice)


def test_what_is_done_is_not_answered_again(tmp_path: Path) -> None:
    rows = [{"id": f"sums/{i}", "response": ["a", "b"]} for i in range(3)]
    (system,) = open_recorded(write(tmp_path / "a.jsonl", rows))
    done = {("sums/0", 0), ("sums/2", 1)}
    left = [(answer.problem_id, answer.sample) for answer in system.answers(SUMS, done)]
    assert left == [("sums/0", 1), ("sums/1", 0), ("sums/1", 1), ("sums/2", 0)]


def test_a_part_of_a_set_gets_its_part_of_the_answers(tmp_path: Path) -> None:
    rows = [{"id": f"sums/{i}", "response": "2", "is_correct": i == 0} for i in range(3)]
    (system,) = open_recorded(write(tmp_path / "a.jsonl", rows), among=SUMS)
    part = ProblemSet("part", SUMS.problems[:1])
    assert answers(system, part) == {("sums/0", 0): "2"}
    assert system.authors_flags(part) == {"is_correct": {("sums/0", 0): True}}
    assert system.remarks(part) == []


def test_null_and_nan_are_failures_of_the_system(tmp_path: Path) -> None:
    rows = [
        {"id": "sums/0", "pred": None},
        {"id": "sums/1", "pred": float("nan")},
        {"id": "sums/2", "pred": []},
    ]
    (system,) = open_recorded(write(tmp_path / "a.jsonl", rows))
    solutions = [answer.solution for answer in system.answers(SUMS, set())]
    assert [solution.answer for solution in solutions] == [None] * 3
    assert [solution.failure for solution in solutions] == [
        f"the recorded response is {what}" for what in ("null", "NaN", "null")
    ]


def test_numbers_are_answers_in_their_own_spelling(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    digits = "9" * 5000
    path.write_text(f'{{"id": "sums/0", "pred": 18.50}}\n{{"id": "sums/1", "pred": {digits}}}\n')
    (system,) = open_recorded(f"recorded:{path}")
    found = answers(system)
    assert list(found.values()) == ["18.50", digits]
    assert {type(text) for text in found.values()} == {str}


def test_whole_numbers_are_ids(tmp_path: Path) -> None:
    numbered = ProblemSet("n", (Problem("7", "Why?", "1"),))
    (system,) = open_recorded(write(tmp_path / "a.jsonl", [{"id": 7, "response": "1"}]))
    assert answers(system, numbered) == {("7", 0): "1"}


def test_the_spec_names_content_and_field_but_not_the_path(tmp_path: Path) -> None:
    rows = [{"question": QUESTIONS[0], "x": {"solution": "2"}, "y": {"solution": "2"}}]
    x, y = open_recorded(write(tmp_path / "a.jsonl", rows))
    moved, _ = open_recorded(write(tmp_path / "b.jsonl", rows))
    changed, _ = open_recorded(write(tmp_path / "c.jsonl", rows * 2))
    assert x.spec() == moved.spec()
    assert len({json.dumps(dict(system.spec())) for system in (x, y, changed)}) == 3


def test_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": "sums/0", "pred": "2"}\r\n\r\n{"id": "sums/1", "pred": "4"}')
    assert answers(open_recorded(f"recorded:{path}")[0]) == {("sums/0", 0): "2", ("sums/1", 0): "4"}


@given(st.text(st.characters(), max_size=20))
def test_whatever_json_holds_becomes_text_that_can_be_stored(text: str) -> None:
    kept = storable(json.loads(json.dumps(text)))
    assert kept.encode().decode() == kept
    assert kept == text or any("\ud800" <= letter <= "\udfff" for letter in text)


def test_halves_of_surrogate_pairs_are_replaced_and_whole_pairs_kept() -> None:
    assert storable("\ud83d\ude00 \ud83d x") == "\U0001f600 \ufffd x"
    assert storable(str(Numeral("18.50"))) == "18.50"


def test_a_large_file_is_never_held_in_memory(tmp_path: Path) -> None:
    n, size = 2000, 10_000
    many = ProblemSet("many", tuple(Problem(str(i), f"question {i}", "1") for i in range(n)))
    spec = write(tmp_path / "a.jsonl", ({"id": str(i), "response": "x" * size} for i in range(n)))
    tracemalloc.start()
    (system,) = open_recorded(spec)
    counted = sum(isinstance(answer, Answer) for answer in system.answers(many, set()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counted == n
    assert peak < n * size / 5

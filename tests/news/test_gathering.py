"""What is new: gathered once each, told newest first, known again."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import InvalidParameterError
from calculemus.news import clean, gather, gathering, parse_since, since
from calculemus.news.moments import read_span
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.store import Store

SUMS = ProblemSet("sums", (Problem("s1", "1 + 1?", "2"),))
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "store.db") as opened:
        yield opened


def add(store, *results) -> None:
    for each in results:
        store.add_claim(each["id"], each)


def test_a_result_says_what_came_out_and_on_what_it_was_measured(store, result) -> None:
    add(store, result())
    (item,) = gather([], store)
    assert (item.kind, item.title, item.system, item.when) == (
        "result",
        "Holds: About vote",
        "vote",
        "2026-11-01",
    )
    for part in (
        "Many are better than one.",
        "+0.125",
        "−0.5",
        "+0.75",
        "vote against cot",
        "n = 400",
        "tiny",
    ):
        assert part in item.text
    assert "first result" in item.text


def test_a_verdict_that_changed_says_from_what_to_what(store, result) -> None:
    add(store, result(), result(verdict="undecided", date="2026-11-09", model="other"))
    newest, oldest = gather([], store)
    assert (newest.kind, oldest.kind) == ("verdict", "result")
    assert newest.title == "From holds to undecided: About vote"
    assert "Before: holds, with size small, model tiny" in newest.text
    assert "on 2026-11-01" in newest.text


def test_the_same_verdict_again_is_a_result_and_no_change(store, result) -> None:
    add(store, result(), result(date="2026-11-09"))
    assert [item.kind for item in gather([], store)] == ["result", "result"]


def test_a_smoke_test_is_held_against_smoke_tests_alone(store, result) -> None:
    add(
        store,
        result(),
        result(verdict="undecided", size="smoke", date="2026-11-02"),
        result(verdict="undecided", size="real", date="2026-11-03"),
        result(verdict="holds", size="smoke", date="2026-11-04"),
    )
    kinds = {item.when[-2:]: item.kind for item in gather([], store)}
    assert kinds == {"01": "result", "02": "result", "03": "verdict", "04": "verdict"}


def test_verdicts_of_other_methods_do_not_count(store, result) -> None:
    add(store, result(), result("mbr", "undecided", date="2026-11-02"))
    assert {item.kind for item in gather([], store)} == {"result"}


def test_the_order_of_results_is_that_of_their_dates_and_not_of_the_store(store, result) -> None:
    add(store, result(verdict="undecided", date="2026-11-09"), result(date="2026-11-01"))
    assert [(item.when, item.kind) for item in gather([], store)] == [
        ("2026-11-09", "verdict"),
        ("2026-11-01", "result"),
    ]


def test_a_result_that_ships_and_is_in_the_store_too_is_told_once(store, result) -> None:
    add(store, result())
    alone = gather([], store)
    gathering.MEASURED.write_text(json.dumps([result(), result("mbr")], indent=1))
    assert [item.system for item in gather([], store)] == ["mbr", "vote"]
    assert alone[0] in gather([], store)


def test_ids_stay_when_a_store_is_copied_and_when_more_results_come(store, result, tmp_path) -> None:
    add(store, result(), result(verdict="undecided", date="2026-11-09"))
    before = gather([], store)
    store.close()
    shutil.copy(tmp_path / "store.db", tmp_path / "copy.db")
    with Store.open(tmp_path / "copy.db") as copy:
        assert gather([], copy) == before
        add(copy, result(verdict="undecided", date="2026-11-05"), result("mbr"))
        after = gather([], copy)
    assert {item.id for item in before} < {item.id for item in after}
    assert len({item.id for item in after}) == len(after) == 4


def test_equal_inputs_give_equal_lists_in_whatever_order_they_come(store, result, card) -> None:
    names = ("vote", "mbr", "pal")
    add(store, *(result(name) for name in names))
    cards = [card(name) for name in names]
    assert gather(cards, store) == gather(cards[::-1], store) == gather(cards, store)


def test_what_changed_stands_before_what_is_new_on_the_same_day(store, result, card) -> None:
    store.begin({"solver": "a"}, SUMS, "a")
    today = datetime.now(UTC).date().isoformat()
    add(store, result("zeta"), result("zeta", "undecided", date=today), result("alpha", date=today))
    kinds = [item.kind for item in gather([card(date=today)], store) if item.when == today]
    assert kinds == ["verdict", "result", "system", "runs"]


def test_a_system_is_as_old_as_its_paper(card) -> None:
    items = gather([card("a", date="2024"), card("b", date="2024-05"), card("c", feed=("gsm8k",))])
    assert [(item.system, item.when) for item in items] == [
        ("c", "2024-05-30"),
        ("b", "2024-05"),
        ("a", "2024"),
    ]
    assert [item.title.partition(":")[0] for item in items] == ["System", "Method", "Method"]
    assert "It votes." in items[0].text


def test_runs_are_told_by_day_and_problem_set(store) -> None:
    for number in range(5):
        store.begin({"solver": number}, SUMS, "one" if number < 3 else "two")
    store.begin({"solver": 0}, ProblemSet("others", (Problem("o", "2?", "2"),)), "one")
    items = gather([], store)
    assert sorted(item.title for item in items) == ["1 run on others", "5 runs on sums"]
    assert "2 systems" in next(item.text for item in items if "sums" in item.title)
    ids = {item.id for item in items}
    store.begin({"solver": 9}, SUMS, "three")
    assert {item.id for item in gather([], store)} == ids


def test_a_result_without_a_readable_date_is_left_out(store, result) -> None:
    add(store, result(), *(result(date=bad) for bad in ("yesterday", "", None, "2026-13-01", "0000-01-01")))
    assert len(gather([], store)) == 1


def test_results_that_lack_what_they_should_have_are_told_as_far_as_they_go(store) -> None:
    add(store, {"id": "odd", "date": "2026-11-01"}, {"id": "../x y", "date": "2026-11-02", "effects": [3]})
    first, second = gather([], store)
    assert (first.system, second.system) == ("---x-y", "odd")
    assert "tag:calculemus.github.io,2026:result/---x-y/" in first.id


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        ("7d", "2026-11-13T12:00:00+00:00"),
        ("36h", "2026-11-19T00:00:00+00:00"),
        ("2w", "2026-11-06T12:00:00+00:00"),
        (" 2026-11-01 ", "2026-11-01T00:00:00+00:00"),
        ("2026-11", "2026-11-01T00:00:00+00:00"),
        ("2026-11-01T10:00+02:00", "2026-11-01T08:00:00+00:00"),
        ("2026-11-01 10:00", "2026-11-01T10:00:00+00:00"),
        ("999999w", "0001-01-01T00:00:00+00:00"),
    ],
)
def test_a_moment_is_a_duration_or_a_date(text: str, begin: str) -> None:
    assert parse_since(text, NOW).isoformat() == begin


@pytest.mark.parametrize(
    "text", ["", "soon", "7", "d7", "-7d", "7 d", "2026-02-30", "٧d", "7d\n8d", "1" * 99]
)
def test_what_is_neither_is_refused_with_what_would_do(text: str) -> None:
    with pytest.raises(InvalidParameterError, match=r"neither a duration nor a date; expected .*7d or 2w"):
        parse_since(text, NOW)


def test_an_item_is_new_as_long_as_its_day_may_have_been_later(store, result) -> None:
    add(store, result(date="2026-11-19"), result("mbr", date="2026-11-18"), result("pal", date="2026-11-20"))
    kept = since(gather([], store), parse_since("36h", NOW))
    assert [item.system for item in kept] == ["pal", "vote"]
    noon = since(gather([], store), parse_since("2026-11-19T12:00", NOW))
    assert [item.system for item in noon] == ["pal", "vote"]


@given(st.text(max_size=60))
def test_any_text_is_a_span_or_none(text: str) -> None:
    span = read_span(text)
    assert span is None or span.begin <= span.end


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\x00b\x08c\x1bd", "abcd"),
        ("two\r\nlines\tand  blanks", "two lines and blanks"),
        ("evil\u202egnp\u2066", "evilgnp"),
        ("half \ud800 pair", "half pair"),
        ("\ufffe\uffffx", "x"),
        ("résumé 数学 🧮", "résumé 数学 🧮"),
        ("<script>&amp;", "<script>&amp;"),
        (None, "None"),
    ],
)
def test_clean_text_is_one_line_that_xml_allows(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_a_line_of_a_megabyte_is_cut() -> None:
    assert len(clean("x" * 1_000_000, 300)) == 300
    assert clean("x" * 1_000_000).endswith("…")


def test_without_a_store_or_results_only_cards_are_told(card, tmp_path: Path) -> None:
    assert [item.kind for item in gather([card()])] == ["system"]
    assert gather([]) == []

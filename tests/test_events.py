"""Events: what a listener hears, in which order, and that nobody has to listen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.events import Event, Note, Progress, emit, listening, note, track


def test_without_a_listener_nothing_happens() -> None:
    note("unheard")
    assert list(track([1, 2], "count")) == [1, 2]


def test_a_listener_hears_the_events_of_its_block_in_order() -> None:
    heard: list[Event] = []
    note("before")
    with listening(heard.append):
        note("within")
        emit(Progress("load", 1, 2))
    note("after")
    assert heard == [Note("within"), Progress("load", 1, 2)]


def test_an_inner_listener_hears_alone_and_then_gives_way() -> None:
    outer: list[Event] = []
    inner: list[Event] = []
    with listening(outer.append):
        with listening(inner.append):
            note("inner")
        note("outer")
    assert (inner, outer) == ([Note("inner")], [Note("outer")])


def test_a_block_that_fails_leaves_no_listener_behind() -> None:
    heard: list[Event] = []
    with pytest.raises(KeyError), listening(heard.append):
        raise KeyError
    note("after")
    assert heard == []


@given(st.lists(st.integers(), max_size=20), st.integers(0, 5))
def test_tracked_items_pass_unchanged_and_are_counted_one_by_one(items: list[int], start: int) -> None:
    heard: list[Event] = []
    total = start + len(items)
    with listening(heard.append):
        assert list(track(items, "read", total, start)) == items
    counted = [Progress("read", start + done, total) for done in range(len(items) + 1)]
    assert heard == [*counted, Progress("read", total, total, finished=True)]


def test_an_item_counts_as_done_only_when_the_next_is_asked_for() -> None:
    heard: list[Event] = []
    with listening(heard.append):
        items = track("ab", "grade", 2)
        next(items)
        assert heard[-1] == Progress("grade", 0, 2)
        next(items)
        assert heard[-1] == Progress("grade", 1, 2)


def test_tracking_reads_no_further_than_it_is_asked() -> None:
    source = iter(range(10))
    items = track(source, "read")
    assert [next(items), next(items)] == [0, 1]
    assert next(source) == 2


def test_a_loop_that_stops_early_still_reports_its_end() -> None:
    heard: list[Event] = []
    with listening(heard.append):
        items = track(range(5), "grade", 5)
        next(items)
        next(items)
        items.close()  # type: ignore[attr-defined]  # a generator, declared as the iterator it is used as
    assert heard[-1] == Progress("grade", 1, 5, finished=True)


def test_a_source_that_fails_still_reports_its_end() -> None:
    def torn() -> "list[int]":
        raise OSError("torn")

    heard: list[Event] = []
    with listening(heard.append), pytest.raises(OSError, match="torn"):
        list(track((torn() for _ in range(1)), "read", 1))
    assert heard[-1] == Progress("read", 0, 1, finished=True)


def test_a_total_may_be_unknown() -> None:
    heard: list[Event] = []
    with listening(heard.append):
        list(track([0], "stream"))
    assert {event.total for event in heard if isinstance(event, Progress)} == {None}

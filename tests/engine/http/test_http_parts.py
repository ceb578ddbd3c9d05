"""Addresses, keys, pauses, limits and endings, each by itself."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from calculemus.engine.http_engine import HttpEngine
from calculemus.engine.http_engine.address import read_address
from calculemus.engine.http_engine.ending import end, first_stop
from calculemus.engine.http_engine.faults import LONGEST_PAUSE, pause, read_retry_after
from calculemus.engine.http_engine.limits import Window
from calculemus.engine.http_engine.reading import Choice, read_reply
from calculemus.engine.requests import Sample, Sampling
from calculemus.errors import EngineError, InvalidParameterError
from calculemus.rng import Rng

FIELDS = ["choices", "text", "message", "content", "logprobs", "tokens", "token_logprobs", "usage", "index"]
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "base", "model"),
    [
        ("http://127.0.0.1:8000/v1#tiny", "http://127.0.0.1:8000/v1", "tiny"),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1", None),
        ("https://api.example.org/v1#org/model-7b", "https://api.example.org/v1", "org/model-7b"),
        ("http://[::1]:8000/v1#/folder/model#2", "http://[::1]:8000/v1", "/folder/model#2"),
    ],
)
def test_addresses_are_split_into_base_and_model(text, base, model) -> None:
    address = read_address(text)
    assert (address.base, address.model) == (base, model)
    assert address.is_loopback is (not base.startswith("https"))


@pytest.mark.parametrize(
    "text", ["", "tiny", "127.0.0.1:8000/v1", "ftp://a/v1", "http://", "http://a:b/v1#m"]
)
def test_what_is_no_address_is_refused(text) -> None:
    with pytest.raises(InvalidParameterError, match="expected an address such as"):
        read_address(text)


@pytest.mark.parametrize("text", ["http://me:s3cret@host/v1#m", "http://host/v1?key=s3cret#m"])
def test_an_address_with_a_secret_in_it_is_refused_and_not_repeated(text) -> None:
    with pytest.raises(InvalidParameterError, match="CALCULEMUS_API_KEY") as caught:
        read_address(text)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "s3cret\n", "s3 cret", "s3crét"])
def test_a_key_that_no_header_carries_is_refused_and_not_repeated(key) -> None:
    with pytest.raises(InvalidParameterError, match="expected one word") as caught:
        HttpEngine("http://127.0.0.1:1/v1#m", key=key)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    "settings", [{"concurrency": 0}, {"timeout": 0}, {"retries": -1}, {"requests_per_minute": 0}]
)
def test_settings_out_of_range_are_refused(settings) -> None:
    with pytest.raises(InvalidParameterError, match=next(iter(settings))):
        HttpEngine("http://127.0.0.1:1/v1#m", **settings)


def test_a_key_is_sent_and_shown_nowhere(serve, connect, run) -> None:
    key = "sk-very-s3cret"
    server = serve(key=key)
    engine = connect(server, key=key)
    (done,) = run(engine, (Sample("Q:"), (0,)))
    assert done.error is None
    server.api.habits.key = "sk-another"  # it was withdrawn: the server's message quotes it
    (failed,) = run(engine, (Sample("Q:"), (0,)))
    assert "Incorrect API key: Bearer [key]" in str(failed.error)
    shown = [repr(engine), engine.name, engine.digest, str(engine.capabilities), engine.report(), str(done)]
    chain: BaseException | None = failed.error
    while chain is not None:
        shown += [str(chain), repr(chain)]
        chain = chain.__cause__ or chain.__context__
    assert not [text for text in shown if "s3cret" in text]
    with pytest.raises(EngineError) as caught:
        connect(server, key=key)
    assert "s3cret" not in str(caught.value)


def test_the_digest_does_not_depend_on_the_key(serve, connect) -> None:
    server = serve()
    assert connect(server, key="one").digest == connect(server, key="two").digest


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("soon", None),
        ("nan", None),
        (None, None),
    ],
)
def test_retry_after_may_be_seconds_or_a_date(value, seconds) -> None:
    assert read_retry_after(value, NOW) == seconds


@given(st.integers(0, 400), st.floats(0, 60), st.none() | st.floats(0, 600), st.integers(0, 2**64))
def test_pauses_double_up_to_a_bound_and_never_undercut_the_server(attempt, first, asked, seed) -> None:
    seconds = pause(attempt, first, asked, Rng(seed))
    assert seconds == pause(attempt, first, asked, Rng(seed))
    whole = min(LONGEST_PAUSE, first * 2.0 ** min(attempt, 30))
    if asked is None:
        assert whole / 2 <= seconds <= whole
    else:
        assert asked <= seconds <= asked + whole / 2


def test_rows_that_failed_together_do_not_come_back_together() -> None:
    pauses = [pause(3, 0.5, None, Rng(0, ("row", row))) for row in range(100)]
    assert len(set(pauses)) == 100


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12), st.integers(0, 12)), max_size=30),
)
def test_no_window_of_time_holds_more_than_the_limit(limit, arrivals) -> None:
    window = Window(limit, span=60)
    passed: list[list[int]] = []
    now = 0
    for gap, amount, used in arrivals:
        now += gap
        while (seconds := window.wait(amount, now)) > 0:
            # As early as possible: one second earlier it would not have fitted.
            now += int(seconds)
            assert window.wait(amount, now) == 0 or amount > limit
        entry = window.add(amount, now)
        passed.append([now, amount])
        if used < amount:
            window.correct(entry, used)
            passed[-1][1] = used
        inside = [amount for time, amount in passed if time > now - 60]
        before = sum(inside[:-1])
        assert before + amount <= limit or (amount > limit and before == 0)


@pytest.mark.parametrize("limits", [{"requests_per_minute": 20}, {"tokens_per_minute": 1000}])
def test_requests_wait_for_their_minute(serve, connect, run, monkeypatch, limits) -> None:
    monkeypatch.setattr("calculemus.engine.http_engine.limits.MINUTE", 0.3)
    engine = connect(serve(chat=False, logprobs="none", extras=(), embeds=False), **limits)
    began = time.monotonic()
    asked = [(Sample(f"Q: {i}\nA:", Sampling(max_tokens=20, temperature=1.0)), (i,)) for i in range(65)]
    back = run(engine, *asked)
    seconds = time.monotonic() - began
    tokens = sum(done.cost.tokens_in + done.cost.tokens_out for done in back)
    amount, limit = (65, 20) if "requests_per_minute" in limits else (tokens, 1000)
    full_minutes = -(-amount // limit) - 1
    assert full_minutes >= 1
    assert seconds >= 0.3 * full_minutes


@given(st.text("ab\n", max_size=12), st.lists(st.text("ab\n", min_size=1, max_size=3), max_size=4))
@example("xaab", ["aab", "ab", "b"])
def test_the_first_stop_is_the_one_that_is_complete_first(text, stops) -> None:
    expected = None
    for place in range(len(text) + 1):
        done = [stop for stop in stops if text[:place].endswith(stop)]
        if done:
            stop = max(done, key=len)
            expected = place - len(stop), stop
            break
    assert first_stop(text, stops) == expected


@given(
    st.lists(st.sampled_from(["a", "b", "ab", "\n", "ba\n", ""]), min_size=1, max_size=10),
    st.lists(st.sampled_from(["a", "b\n", "ab", "\n"]), min_size=1, max_size=2, unique=True),
    st.booleans(),
    st.sampled_from(["whole", "cut", "named"]),
)
def test_tokens_of_a_completion_are_those_that_begin_in_its_text(pieces, stops, keep_stop, server) -> None:
    tokens = tuple((piece, -float(place)) for place, piece in enumerate(pieces))
    whole = "".join(pieces)
    found = first_stop(whole, stops)
    shown = whole if server == "whole" or found is None else whole[: found[0]]
    named = found[1] if found and server == "named" else None
    choice = Choice(shown, finish="stop", tokens=tokens, stopped_by=named)
    ending = end(choice, Sampling(stop=tuple(stops), keep_stop=keep_stop))
    if found is None:
        assert (ending.text, ending.stopped_by, ending.kept) == (whole, None, len(pieces))
        return
    start, stop = found
    assert (ending.text, ending.stopped_by) == (whole[:start] + (stop if keep_stop else ""), stop)
    begins = [len("".join(pieces[:place])) for place in range(len(pieces))]
    assert ending.kept == sum(begin < len(ending.text) for begin in begins)
    assert ending.needed == sum(begin < start + len(stop) for begin in begins)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=25,
)


@given(json_like)
@example({"choices": [{"text": "a", "logprobs": {"tokens": ["a"], "token_logprobs": ["x"]}}]})
@example({"choices": [{"message": {"content": 3}}]})
@example({"choices": [None]})
def test_any_reply_is_read_or_found_malformed(said) -> None:
    try:
        reply = read_reply(said)
    except ValueError:
        return
    for choice in reply.choices:
        assert isinstance(choice.text, str)
        assert all(value <= 0 or value != value for _, value in choice.tokens or ())

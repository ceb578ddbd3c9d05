"""Requests and replies come back from JSON as they went in."""

import datetime
import json
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus import Cost
from calculemus.engine.requests import (
    Chat,
    Completion,
    Embed,
    First,
    Prefix,
    Run,
    Sample,
    Sampling,
    Score,
    Scored,
    Value,
)
from calculemus.engine.sandbox import Call
from calculemus.engine.sandbox import Run as Ran
from calculemus.engine.wire import pack, unpack

texts = st.text(max_size=5)
ids = st.lists(st.integers(0, 2**40), max_size=4).map(tuple)
prefixes = st.builds(Prefix, texts, st.none() | ids)
chats = st.lists(st.tuples(st.sampled_from(["system", "user"]), texts), max_size=2).map(
    lambda messages: Chat(tuple(messages))
)
prompts = texts | prefixes | chats
samplings = st.builds(
    Sampling,
    temperature=st.floats(0, 2),
    stop=st.lists(texts, max_size=2).map(tuple),
    keep_stop=st.booleans(),
    pieces=st.booleans(),
)
data = st.recursive(
    st.none() | st.integers() | st.fractions() | texts | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(texts, inner, max_size=2)
    ),
    max_leaves=4,
)
requests = st.one_of(
    st.builds(Sample, prompts, samplings, st.integers(1, 9)),
    st.builds(Score, prompts, st.lists(texts | ids, max_size=2).map(tuple)),
    st.builds(Value, st.lists(prompts, max_size=2).map(tuple)),
    st.builds(Embed, st.lists(texts, max_size=2).map(tuple)),
    st.builds(Run, texts, st.none() | texts, st.none() | texts),
    st.builds(
        Run,
        texts,
        before=st.none() | st.lists(texts, max_size=2).map(tuple),
        replies=st.lists(data, max_size=3).map(tuple),
        hosts=st.none() | st.just(("f", "g")),
    ),
)
logprobs = st.lists(st.floats(max_value=0), max_size=3).map(tuple)
values = st.one_of(
    st.integers(),
    st.fractions(),
    st.decimals(allow_nan=False),
    st.dates(),
    st.datetimes().map(lambda moment: moment.replace(fold=0)),
    st.floats(allow_nan=False),
    st.tuples(texts, st.booleans()),
    st.dictionaries(texts, st.none() | st.integers(), max_size=2),
    st.sets(st.integers(), max_size=1),  # of more the order, and so the repr, may differ
)
replies = st.one_of(
    st.builds(
        Completion,
        texts,
        st.none() | ids,
        st.none() | logprobs,
        st.just("stop"),
        st.none() | texts,
        prefixes,
        st.none() | st.lists(texts, max_size=3).map(tuple),
        st.none() | prefixes,
    ).map(lambda completion: (completion,)),
    st.builds(Scored, st.none() | ids, logprobs).map(lambda scored: (scored, scored)),
    st.builds(Ran, st.just("ok"), values, seconds=st.floats(0, 9)),
    st.builds(
        Ran,
        st.just("suspended"),
        pending=st.builds(
            Call, texts, st.lists(data, max_size=2).map(tuple), st.dictionaries(texts, data, max_size=2)
        ),
    ),
    st.lists(st.none() | st.floats(allow_nan=False), max_size=3),
    st.builds(Cost, st.none() | st.integers(0), flops=st.none() | st.floats(0, 1e30)),
)


def back(value: Any) -> Any:
    return unpack(json.loads(json.dumps(pack(value))))


@given(
    requests | st.lists(requests, max_size=2) | st.lists(requests, max_size=2).map(lambda r: First(tuple(r)))
)
def test_every_request_comes_back_as_it_was(request: Any) -> None:
    assert back(request) == request
    assert type(back(request)) is type(request)


@settings(max_examples=50, deadline=None)
@given(replies)
def test_every_reply_comes_back_as_it_was(reply: Any) -> None:
    assert back(reply) == reply
    assert repr(back(reply)) == repr(reply)


@pytest.mark.parametrize(
    "value",
    [
        math.inf,
        -math.inf,
        10**400,
        Fraction(1, 3),
        Decimal("0.10"),
        datetime.timedelta(days=1, microseconds=1),
        b"\0",
    ],
)
def test_values_beyond_json_are_kept_exactly(value: Any) -> None:
    assert back(Ran("ok", value)).value == value


def test_nan_stays_nan() -> None:
    assert math.isnan(back(Scored(None, (math.nan,))).logprobs[0])


def test_a_program_and_what_came_of_it_are_told_apart() -> None:
    assert type(back(Run("1"))) is Run
    assert type(back(Ran("ok"))) is Ran


def test_what_was_written_before_there_were_chains_and_replies_is_read_and_still_written() -> None:
    asked = {"Run": {"program": "1", "entry": "solution", "session": None, "tier": None}}
    assert unpack(asked) == Run("1")
    assert pack(Run("1")) == asked
    assert pack(Run("1", replies=())) != asked
    assert pack(Run("1", before=())) != asked
    told = pack(Ran("ok", 3))
    assert "pending" not in told["Ran"]
    assert unpack(told) == Ran("ok", 3)

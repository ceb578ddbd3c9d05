"""Whatever a server does, every row is finished exactly once, and as it would have been on a good day."""

import json
import socket
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calculemus.engine.base import Job
from calculemus.engine.requests import Sample, Sampling, Score
from calculemus.errors import EngineError
from calculemus.events import listening

PASSING = [
    "drop", "429", "500", "502", "503", "truncated", "halved", "garbage", "html", "empty", "null", "deep",
    "no choices", "no text", "error in 200", "no logprobs", "slow", "drip",
]  # fmt: skip
HARMLESS = ["wrong usage", "no usage", "one choice"]
SAMPLING = Sampling(temperature=1.0, max_tokens=6, stop=("\n",))


def work(n: int) -> list[tuple[Sample | Score, tuple[int, ...]]]:
    """Requests of several kinds and widths."""
    rows = []
    for i in range(n):
        width = 1 + i % 3
        rows.append((Sample(f"Q: {i}\nA:", SAMPLING, width), tuple(range(100 * i, 100 * i + width))))
        rows.append((Score(f"Q: {i}\nA:", (" w1 w2", " 3")), ()))
    return rows


@pytest.fixture
def good_day(serve, connect, run):
    """The replies of a server that never fails."""
    return [done.reply for done in run(connect(serve()), *work(12))]


@pytest.mark.parametrize("fault", PASSING + HARMLESS)
def test_a_fault_of_every_second_request_changes_no_reply(serve, connect, run, good_day, fault) -> None:
    server = serve()
    server.slow = 1.0
    engine = connect(server, timeout=0.4 if fault in ("slow", "drip") else 10.0)
    turns = iter([fault, None] * 10_000)
    server.fault = lambda path, body: next(turns)
    back = run(engine, *(work(2) if fault in ("slow", "drip") else work(12)))
    assert [done.error for done in back] == [None] * len(back)
    assert [done.reply for done in back] == good_day[: len(back)]
    if fault in PASSING:
        assert "tried again after" in engine.report()


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_mixture_of_faults_loses_no_row_and_doubles_none(serve, connect, run, good_day, data) -> None:
    quick = [fault for fault in PASSING + HARMLESS if fault not in ("slow", "drip")]
    script = data.draw(st.lists(st.sampled_from([None, None, *quick]), max_size=60))
    server = serve()
    engine = connect(server, retries=60, concurrency=data.draw(st.integers(1, 20)))
    turns = iter(script)
    server.fault = lambda path, body: next(turns, None)
    back = run(engine, *work(8))  # which checks that each ticket comes back once
    assert [done.reply for done in back] == good_day[:16]


def test_a_server_is_tried_out_rightly_through_faults(serve, connect) -> None:
    healthy = connect(serve())
    server = serve()
    quick = [fault for fault in PASSING if fault not in ("slow", "drip", "500", "no logprobs")]
    turns = iter([turn for fault in quick * 20 for turn in (fault, None, None)])
    server.fault = lambda path, body: next(turns)
    engine = connect(server, retries=20)
    facts, expected = dict(engine.capabilities.facts), dict(healthy.capabilities.facts)
    assert facts.pop("probe") != expected.pop("probe")
    assert facts == expected
    assert engine.capabilities.kinds == healthy.capabilities.kinds
    assert engine.capabilities.deterministic


@pytest.mark.parametrize(
    ("fault", "advice"), [("400", "shorten the prompt"), ("401", "CALCULEMUS_API_KEY"), ("gone", "address")]
)
def test_a_refusal_is_final_and_tells_what_to_do(serve, connect, run, good_day, fault, advice) -> None:
    server = serve()
    engine = connect(server)
    server.seen.clear()
    if fault == "gone":
        server.api.habits.completions = False
    server.fault = lambda path, body: fault if body["prompt"] == "Q: 0\nA:" else None
    back = run(engine, (Sample("Q: 0\nA:", SAMPLING, 1), (0,)), *(work(3)[2:] if fault != "gone" else ()))
    said = str(back[0].error)
    assert isinstance(back[0].error, EngineError)
    assert advice in said
    assert ("status 404 (Not Found)" if fault == "gone" else f"status {fault} (scripted {fault})") in said
    assert sum(body["prompt"] == "Q: 0\nA:" for body in server.bodies()) == 1
    assert [done.reply for done in back[1:]] == good_day[2 : len(back) + 1]


def test_a_row_that_cannot_be_had_is_reported_with_every_cause(serve, connect, run) -> None:
    server = serve()
    engine = connect(server, retries=3)
    turns = iter(["500", "garbage", "500", "drop"])
    server.fault = lambda path, body: next(turns)
    (done,) = run(engine, (Sample("Q:"), (0,)))
    said = str(done.error)
    assert "4 tries" in said
    assert "2 x status 500 (scripted 500)" in said
    assert "1 x malformed reply (no JSON: '<<< not json', 12 bytes)" in said
    assert "1 x connection dropped" in said
    assert "finished rows are kept" in said
    heard = []
    with listening(heard.append):
        engine.close()
    assert "1 x gave up after connection dropped" in heard[0].message
    assert "2 x tried again after status 500" in heard[0].message


def test_retry_after_is_honoured_by_all_requests(serve, connect, run) -> None:
    server = serve()
    engine = connect(server, concurrency=1)
    server.retry_after = "0.4"
    times = []

    def fault(path: str, body: dict) -> str | None:
        times.append(time.monotonic())
        return "429" if len(times) == 1 else None

    server.fault = fault
    run(engine, *((Sample(f"Q: {i}", SAMPLING), (i,)) for i in range(4)))
    assert min(times[1:]) - times[0] >= 0.4


def test_a_wait_of_a_day_is_not_waited_for(serve, connect, run) -> None:
    server = serve()
    engine = connect(server)
    server.retry_after = "86400"
    server.fault = lambda path, body: "429"
    (done,) = run(engine, (Sample("Q:"), (0,)))
    assert "status 429 (scripted 429)" in str(done.error)


def test_a_server_that_dies_fails_all_rows_soon_and_not_each_in_turn(serve, connect, run) -> None:
    server = serve()
    engine = connect(server, retries=4, first_pause=0.02, concurrency=4)
    server.seen.clear()
    server.fault = lambda path, body: "drop"
    server.api.habits.models = 503
    (alone,) = run(engine, (Sample("Q:"), (0,)))
    assert "stopped answering" not in str(alone.error), "it still answers other requests"
    server.shutdown()
    server.server_close()
    began = time.monotonic()
    back = run(engine, *((Sample(f"Q: {i}", SAMPLING), (i,)) for i in range(200)))
    assert time.monotonic() - began < 5
    assert all(isinstance(done.error, EngineError) for done in back)
    assert sum("the endpoint has stopped answering" in str(done.error) for done in back) > 150


def test_an_address_without_a_server_is_reported_at_once(connect) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1#model"
    with pytest.raises(EngineError, match=r"asking /models: 4 tries .* no connection"):
        connect(address)


def test_an_unknown_model_is_reported_with_near_names(serve, connect) -> None:
    server = serve("llama-3-8b")
    with pytest.raises(EngineError, match=r"status 404 .*'lama-3-8b'.*did you mean 'llama-3-8b'\?"):
        connect(f"{server.base}#lama-3-8b")
    with pytest.raises(EngineError, match="offers no 'zzz', but 'llama-3-8b', 'another'"):
        connect(f"{server.base}#zzz")
    with pytest.raises(EngineError, match="names no model and the server offers 2: 'llama-3-8b', 'another'"):
        connect(server.base)


def test_a_server_that_dies_while_it_is_tried_out_is_no_server_without_abilities(serve, connect) -> None:
    server = serve()
    server.fault = lambda path, body: "drop" if "logprobs" in body else None
    with pytest.raises(EngineError, match="connection dropped"):
        connect(server, retries=2)


def test_cancelled_jobs_stop_and_say_what_is_known_of_their_cost(serve, connect) -> None:
    server = serve()
    engine = connect(server, concurrency=3)
    server.slow = 30.0
    server.fault = lambda path, body: "slow" if body["prompt"] == "slow" else None
    prompts = ["slow", "quick", "slow", "late"]
    began = time.monotonic()
    engine.submit([Job(i, Sample(prompt, SAMPLING), (i,)) for i, prompt in enumerate(prompts[:3])])
    (quick,) = engine.wait()
    assert quick.ticket == 1
    assert engine.free_rows() == 1
    assert engine.cancel([1]) == [], "what is finished cannot be stopped"
    stopped = engine.cancel([0, 2])
    assert [(done.ticket, done.reply, done.error) for done in stopped] == [(0, None, None), (2, None, None)]
    assert all(done.cost.tokens_out is None for done in stopped), "nobody knows what the server did"
    assert engine.wait() == []
    assert engine.free_rows() == 3
    engine.submit([Job(3, Sample(prompts[3], SAMPLING), (3,))])
    assert [done.ticket for done in engine.wait()] == [3]
    assert time.monotonic() - began < 10


def test_a_job_that_is_cancelled_before_it_was_sent_cost_nothing(serve, connect) -> None:
    server = serve()
    engine = connect(server, concurrency=1)
    server.slow = 30.0
    server.fault = lambda path, body: "slow"
    engine.submit([Job(i, Sample("slow", SAMPLING), (i,)) for i in range(2)])
    first, second = engine.cancel([0, 1])
    assert first.cost.tokens_out is None
    assert (second.cost.tokens_out, second.cost.seconds_engine) == (0, 0.0)


def test_no_more_requests_are_under_way_than_allowed(serve, connect, run) -> None:
    server = serve()
    engine = connect(server, concurrency=5)
    server.slow, server.most_under_way = 0.05, 0
    server.fault = lambda path, body: "slow"
    back = run(engine, *((Sample(f"Q: {i}", SAMPLING), (i,)) for i in range(40)))
    assert server.most_under_way == 5
    shared = sum(done.cost.seconds_engine for done in back)
    assert 8 * 0.05 <= shared < 40 * 0.05, "seconds are those of the wall, shared, not those of each request"


def test_closing_in_the_middle_of_work_leaves_no_thread(serve, connect) -> None:
    server = serve()
    engine = connect(server)
    server.slow = 30.0
    server.fault = lambda path, body: "slow"
    engine.submit([Job(i, Sample(f"Q: {i}", SAMPLING), (i,)) for i in range(5)])
    engine.close()
    engine.close()
    assert engine.wait() == []
    assert "http-engine" not in [thread.name for thread in threading.enumerate()]


def test_a_reply_without_end_is_cut_off(serve, connect, run, monkeypatch) -> None:
    server = serve()
    engine = connect(server, retries=1)
    monkeypatch.setattr("calculemus.engine.http_engine.caller.LARGEST_REPLY", 10_000)
    answer = server.api.answer
    server.api.answer = lambda path, body: answer(path, body) | {"more": "x" * 20_000}
    (done,) = run(engine, (Sample("Q:"), (0,)))
    assert "2 x malformed reply (more than 10000 bytes)" in str(done.error)


def test_a_reply_withheld_by_a_filter_is_an_error_of_its_row(serve, connect, run) -> None:
    server = serve()
    engine = connect(server)
    answer = server.api.answer
    server.api.answer = lambda path, body: json.loads(
        json.dumps(answer(path, body)).replace(
            '"finish_reason": "length"', '"finish_reason": "content_filter"'
        )
    )
    (done,) = run(engine, (Sample("Q:", Sampling(max_tokens=1)), (0,)))
    assert "content_filter" in str(done.error)
    assert done.cost.tokens_out == 1, "it was paid for"

"""What a request cost: counted where it can be, believed where it may be, unknown otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.engine.http_engine.reading import Choice, Reply, Usage
from calculemus.engine.http_engine.tally import SharedClock
from calculemus.engine.http_engine.usage import judge
from calculemus.engine.requests import Sample, Sampling, Score

PROMPT = "Q: 3 apples\nA:"
STOP = Sampling(max_tokens=20, stop=("\n", " 3", " w1"))


def sampled(model, prompt: str, sampling: Sampling) -> tuple[int, int]:
    """Prompt tokens, and sampled tokens up to the first stop text."""
    drawn = model.complete(
        prompt, {"max_tokens": sampling.max_tokens, "temperature": 0}, 0, list(sampling.stop)
    )
    return len(model.tokens(prompt)), len(drawn.pieces)


@pytest.mark.parametrize("usage", ["right", "wrong", "missing"])
def test_tokens_are_counted_in_the_reply_whatever_the_usage_block_says(serve, connect, run, usage) -> None:
    server = serve(usage=usage, ids=True)
    prompts = [f"Q: {i}\nA:" for i in range(9)]
    back = run(connect(server), *((Sample(prompt, STOP), (0,)) for prompt in prompts))
    for done, prompt in zip(back, prompts, strict=True):
        assert (done.cost.tokens_in, done.cost.tokens_out) == sampled(server.api.model, prompt, STOP)
        assert done.cost.tokens_discarded == 0
        assert done.cost.flops is None


@pytest.mark.parametrize(("usage", "is_known"), [("right", True), ("wrong", False), ("missing", False)])
def test_without_lists_of_tokens_only_a_usage_block_that_was_right_is_believed(
    serve, connect, run, usage, is_known
) -> None:
    server = serve(usage=usage, logprobs="none")
    (done,) = run(connect(server), (Sample(PROMPT, Sampling(max_tokens=9)), (0,)))
    expected = sampled(server.api.model, PROMPT, Sampling(max_tokens=9)) if is_known else (None, None)
    assert (done.cost.tokens_in, done.cost.tokens_out) == expected
    assert done.cost.tokens_discarded == (0 if is_known else None)


def test_a_usage_block_that_turns_wrong_is_noticed(serve, connect, run) -> None:
    server = serve(logprobs="none")
    engine = connect(server)
    server.fault = lambda path, body: "wrong usage"
    (done,) = run(engine, (Sample(PROMPT, Sampling(max_tokens=9)), (0,)))
    assert done.cost.tokens_out is None
    assert "the usage block contradicts the reply and was not believed" in engine.report()


def test_tokens_behind_a_stop_that_the_server_missed_are_discarded(serve, connect, run) -> None:
    server = serve(stop="ignored")
    (done,) = run(connect(server), (Sample(PROMPT, STOP), (0,)))
    _, needed = sampled(server.api.model, PROMPT, STOP)
    _, all_of_them = sampled(server.api.model, PROMPT, Sampling(max_tokens=20))
    assert (done.cost.tokens_out, done.cost.tokens_discarded) == (needed, all_of_them - needed)
    assert needed < all_of_them


def test_cached_tokens_are_counted_apart(serve, connect, run) -> None:
    server = serve(cached=2)
    (done,) = run(connect(server), (Sample(PROMPT, STOP), (0,)))
    assert done.cost.tokens_cached == 2
    assert done.cost.tokens_in == len(server.api.model.tokens(PROMPT)) - 2
    (unknown,) = run(connect(serve()), (Sample(PROMPT, STOP), (0,)))
    assert unknown.cost.tokens_cached is None


def test_a_prompt_that_is_read_once_for_many_samples_is_charged_once(serve, connect, run) -> None:
    server = serve(seed=False)
    (done,) = run(
        connect(server), (Sample(PROMPT, Sampling(temperature=1.0, max_tokens=4), 6), tuple(range(6)))
    )
    assert done.cost.tokens_in == len(server.api.model.tokens(PROMPT))
    assert done.cost.tokens_out == sum(len(c.logprobs) for c in done.reply)


def test_scored_tokens_are_read_and_the_one_sampled_is_discarded(serve, connect, run) -> None:
    server = serve()
    (done,) = run(connect(server), (Score(PROMPT, (" w1", " w2 w3")), ()))
    tokens = server.api.model.tokens
    read = len(tokens(PROMPT + " w1")) + len(tokens(PROMPT + " w2 w3"))
    # The server puts a mark before each text.
    assert done.cost.tokens_in == read + 2
    assert (done.cost.tokens_out, done.cost.tokens_discarded) == (0, 2)


TEXT = Choice("a b", finish="stop", tokens=((" a", -1.0), (" b", -1.0)))


@pytest.mark.parametrize(
    ("choices", "usage", "expected"),
    [
        ([TEXT], Usage(5, 2), "checked"),
        ([TEXT], Usage(5, 3), "checked"),  # the end of text is a token to this server
        ([TEXT], Usage(5, 4), "wrong"),
        ([TEXT, TEXT], Usage(5, 2), "checked"),
        ([TEXT, TEXT], Usage(5, 1), "wrong"),
        ([Choice("abc", finish="length")], Usage(5, 8), "checked"),
        ([Choice("abc", finish="length")], Usage(5, 3), "wrong"),
        ([Choice("abc", finish="stop")], Usage(5, 3), "unchecked"),
        ([Choice("abc", finish="stop")], Usage(5, 0), "wrong"),
        ([Choice("", finish="stop")], Usage(5, 0), "unchecked"),
        ([Choice("abc", finish="stop")], Usage(5, 10), "wrong"),
        ([Choice("abc", finish="stop")], Usage(5, 3, cached=6), "wrong"),
        ([Choice("abc", finish="stop")], Usage(None, 3), "missing"),
        ([Choice("a b", "long thoughts", "stop", tokens=TEXT.tokens)], Usage(5, 8), "unchecked"),
    ],
)
def test_a_usage_block_is_judged_by_what_can_be_counted(choices, usage, expected) -> None:
    assert judge(Reply(tuple(choices), usage), max_tokens=8) == expected


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 8)), max_size=40))
def test_shared_seconds_add_up_to_the_seconds_in_which_something_was_under_way(steps) -> None:
    now, busy, shared = 0.0, 0.0, 0.0
    clock = SharedClock(lambda: now)
    marks: list[float] = []
    for begins, seconds in [*steps, *[(False, 1)] * 40]:
        if begins:
            marks.append(clock.enter())
        elif marks:
            shared += clock.leave(marks.pop(0))
        now += seconds
        busy += seconds if marks else 0
    assert shared == pytest.approx(busy)

"""The scripted engine says what it was told to, in a time that adds up."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus import Cost
from calculemus.engine.base import Done, Job
from calculemus.engine.requests import Chat, Embed, Prefix, Sample, Sampling, Score, Value
from calculemus.engine.scripted import SAME, ScriptedEngine, Texts, count_words
from calculemus.errors import EngineError

GREEDY = Sampling(max_tokens=50)


def finish(engine: ScriptedEngine) -> dict[int, Done]:
    back: dict[int, Done] = {}
    while True:
        found = engine.wait()
        back |= {done.ticket: done for done in found}
        if not found and engine.free_rows() == engine.capabilities.rows:
            return back


def ask(engine: ScriptedEngine, *requests: Any) -> list[Done]:
    jobs = [Job(i, request, tuple(range(getattr(request, "n", 0)))) for i, request in enumerate(requests)]
    engine.submit(jobs)
    back = finish(engine)
    return [back[i] for i in range(len(requests))]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("always", ["always"] * 3),
        ({"prompt": "one"}, ["one"] * 3),
        ({"prompt": ["one", "two"]}, ["one", "two", "one"]),
        (lambda prompt, seed: f"{prompt} {seed}", ["prompt 0", "prompt 1", "prompt 2"]),
    ],
)
def test_the_rows_of_a_request_get_their_texts(texts: Texts, expected: list[str]) -> None:
    (done,) = ask(ScriptedEngine(texts), Sample("prompt", GREEDY, 3))
    assert [completion.text for completion in done.reply] == expected


def test_a_prompt_without_a_text_is_an_error_that_names_the_nearest() -> None:
    (done,) = ask(ScriptedEngine({"How many eggs?": "9"}), Sample("How many egg?"))
    assert isinstance(done.error, EngineError)
    assert "no text for the prompt 'How many egg?'; did you mean How many eggs?" in str(done.error)


@pytest.mark.parametrize(
    ("sampling", "text", "finish_", "stopped_by", "sampled"),
    [
        (GREEDY, "a b\nc d", "stop", None, 4),
        (Sampling(max_tokens=3), "a b\nc", "length", None, 3),
        (Sampling(max_tokens=9, stop=("c", "\n")), "a b", "stop", "\n", 3),
        (Sampling(max_tokens=9, stop=("\n",), keep_stop=True), "a b\n", "stop", "\n", 3),
        (Sampling(max_tokens=2, stop=("d",)), "a b", "length", None, 2),
        (Sampling(max_tokens=9, stop=("x",)), "a b\nc d", "stop", None, 4),
    ],
)
def test_a_text_ends_at_the_stop_or_the_last_token(
    sampling: Sampling, text: str, finish_: str, stopped_by: str | None, sampled: int
) -> None:
    (done,) = ask(ScriptedEngine("a b\nc d"), Sample("p", sampling))
    (completion,) = done.reply
    assert (completion.text, completion.finish, completion.stopped_by) == (text, finish_, stopped_by)
    assert done.cost.tokens_out == sampled
    assert completion.prefix.text == "p" + text


def test_a_completion_is_continued_by_its_token_ids() -> None:
    engine = ScriptedEngine(lambda prompt, seed: " and" if "and" not in prompt else " so on")
    (first,) = ask(engine, Sample("this", GREEDY))
    (second,) = ask(engine, Sample(first.reply[0].prefix, GREEDY))
    assert second.reply[0].prefix.text == "this and so on"
    assert len(second.reply[0].prefix.ids) == 4
    assert (second.cost.tokens_in, second.cost.tokens_cached) == (1, 1), "'and' was never a prompt before"


def test_prompts_that_begin_alike_share_their_beginning() -> None:
    engine = ScriptedEngine("x")
    one, two, three = ask(
        engine, Sample("a b c d", GREEDY), Sample("a b e f", GREEDY, 2), Sample("x b c", GREEDY)
    )
    assert (one.cost.tokens_in, one.cost.tokens_cached) == (4, 0)
    assert (two.cost.tokens_in, two.cost.tokens_cached) == (2, 2 + 4)
    assert (three.cost.tokens_in, three.cost.tokens_cached) == (3, 0)


def test_a_conversation_is_lines_of_role_and_text() -> None:
    chat = Chat((("system", "be brief"), ("user", "hello")))
    (done,) = ask(ScriptedEngine({"system: be brief\nuser: hello": "hi"}), Sample(chat))
    assert done.reply[0].text == "hi"


def test_only_what_was_scripted_is_offered() -> None:
    assert ScriptedEngine("x").capabilities.kinds == {"Sample"}
    engine = ScriptedEngine("x", scores=lambda p, t: -6.0, values=len, embeddings=lambda t: [0.5])
    assert engine.capabilities.kinds == {"Sample", "Score", "Value", "Embed"}
    scored, valued, embedded = ask(engine, Score("p", ("a b c", "")), Value(("ab", "c")), Embed(("x",)))
    assert [s.logprobs for s in scored.reply] == [(-2.0, -2.0, -2.0), ()]
    assert valued.reply == (2, 1)
    assert embedded.reply == ((0.5,),)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("error", lambda done: "told to" in str(done.error)),
        ("timeout", lambda done: "timed out" in str(done.error)),
        ("empty", lambda done: done.reply[0].text == "" and done.cost.tokens_out == 0),
        ("same", lambda done: done.reply[0].text == SAME),
    ],
)
def test_it_goes_wrong_on_purpose_where_it_should(fault: Any, check: Any) -> None:
    engine = ScriptedEngine("fine", fault=fault, is_faulty=lambda prompt: "bad" in prompt)
    bad, good = ask(engine, Sample("bad one"), Sample("good one"))
    assert check(bad)
    assert good.reply[0].text == "fine"
    assert (bad.error is None) == (fault in ("empty", "same"))


def test_a_step_costs_what_the_curve_says_for_the_rows_in_it() -> None:
    engine = ScriptedEngine({"two": "a b", "four": "a b c d"}, step_seconds=lambda rows: 10.0 + rows)
    two, four = ask(engine, Sample("two"), Sample("four"))
    # One step for the prompt and one a token: three steps with both rows, two with one.
    assert engine.n_steps == 5
    assert engine.row_steps == 3 * 2 + 2 * 1
    assert engine.seconds == 3 * 12 + 2 * 11
    assert two.cost.seconds_engine == 3 * 12 / 2
    assert four.cost.seconds_engine == 3 * 12 / 2 + 2 * 11


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3)), min_size=1, max_size=8),
    st.lists(st.integers(0, 12), max_size=8),
)
def test_the_costs_of_all_jobs_add_up_whatever_is_cancelled(
    lengths: list[tuple[int, int]], cancelled: list[int]
) -> None:
    engine = ScriptedEngine(lambda prompt, seed: " w" * int(prompt), parameters=7)
    engine.submit([Job(i, Sample(str(n), GREEDY, k), (0,) * k) for i, (n, k) in enumerate(lengths)])
    back: list[Done] = []
    for ticket in cancelled:
        back += engine.wait()
        back += engine.cancel([ticket])
    back += finish(engine).values()
    assert sorted(done.ticket for done in back) == list(range(len(lengths)))
    total = sum((done.cost for done in back), Cost.zero())
    assert total.tokens_out == engine.counted.tokens_out
    assert total.seconds_engine == pytest.approx(engine.seconds)
    for done in back:
        n, k = lengths[done.ticket]
        sampled = (done.cost.tokens_out or 0) + (done.cost.tokens_discarded or 0)
        assert sampled == n * k if done.reply is not None else sampled <= n * k
        assert (done.reply is None) == (done.cost.tokens_out == 0 and n > 0) or n == 0
        assert done.cost.flops == 2 * 7 * ((done.cost.tokens_in or 0) + sampled)


def test_cancelling_what_is_finished_or_unknown_gives_nothing() -> None:
    engine = ScriptedEngine("x")
    ask(engine, Sample("p"))
    assert engine.cancel([0, 99]) == []


def test_closing_forgets_what_is_in_flight() -> None:
    engine = ScriptedEngine("a b c", rows=4)
    engine.submit([Job(0, Sample("p", GREEDY, 3), (0, 1, 2))])
    assert engine.free_rows() == 1
    engine.close()
    assert engine.free_rows() == 4
    assert engine.wait() == []


def test_a_continuation_by_token_ids_has_no_text_to_score() -> None:
    (done,) = ask(ScriptedEngine("x", scores=lambda p, t: 0.0), Score("p", ((1, 2),)))
    assert "expected text" in str(done.error)


def test_its_digest_names_what_changes_its_replies() -> None:
    engines = [
        ScriptedEngine("x"),
        ScriptedEngine("y"),
        ScriptedEngine({"x": "y"}),
        ScriptedEngine({"x": ["y"]}),
        ScriptedEngine("x", fault="same"),
        ScriptedEngine("x", values=len),
    ]
    assert len({engine.digest for engine in engines}) == len(engines)
    assert ScriptedEngine("x", rows=3).digest == engines[0].digest


@given(st.text(alphabet=" ab\n", max_size=12), st.text(alphabet="ab", min_size=1, max_size=4))
def test_tokens_are_words_and_appending_one_adds_one(text: str, word: str) -> None:
    assert count_words(text + " " + word) == count_words(text.rstrip()) + 1
    assert count_words(Prefix(text).text) <= len(text)

"""The engine gives what the model behind the server gives, whatever the server's habits are."""

import itertools
import math

import pytest

from calculemus.engine.requests import Chat, Completion, Embed, Prefix, Sample, Sampling, Score, Value
from calculemus.errors import EngineCapabilityError

PROMPTS = [f"Q: {i} apples\nA:" for i in range(12)]
CHAT = Chat((("system", "be brief"), ("user", "how many?")))
CHAT_TEXT = "<system>be brief\n<user>how many?\n<assistant>"
HABITS = {
    "all": {},
    "no names of stops": {"stop": "cut"},
    "stops are kept": {"stop": "kept"},
    "stops are ignored": {"stop": "ignored"},
    "stops are refused": {"stop": "refused"},
    "no logprobs": {"logprobs": "none", "echo": False},
    "token ids": {"ids": True},
    "strict": {"is_strict": True, "extras": ()},
    "no n, no seed": {"takes_n": False, "seed": False},
    "no usage": {"usage": "missing"},
    "loses the first space": {"loses_space": True, "logprobs": "none"},
}


def on_wire(seed: int) -> tuple[int, int]:
    """The seed as the fake model gets it, for its first row."""
    return 1 + seed % (2**31 - 1), 0


def ends(model, prompt: str, sampling: Sampling) -> tuple[str, str, str | None]:
    """Text, finish and stop of a greedy completion, found by growing it sign by sign."""
    whole = model.complete(prompt, {"max_tokens": sampling.max_tokens, "temperature": 0}, 0, [])
    for place in range(len(whole.full_text) + 1):
        for stop in sorted(sampling.stop, key=len, reverse=True):
            if whole.full_text[:place].endswith(stop):
                text = whole.full_text[:place]
                return (text if sampling.keep_stop else text.removesuffix(stop)), "stop", stop
    return whole.full_text, whole.finish, None


@pytest.mark.parametrize("habits", HABITS.values(), ids=HABITS)
@pytest.mark.parametrize("keep_stop", [False, True])
def test_greedy_completions_end_alike_on_every_kind_of_server(serve, connect, run, habits, keep_stop) -> None:
    server = serve(**habits)
    engine = connect(server)
    model = server.api.model
    stops = ((), ("\n",), (" w1", "3"), (" =", " w2", " w"))
    asked = [
        (prompt, Sampling(max_tokens=20, stop=stop, keep_stop=keep_stop))
        for prompt, stop in itertools.product(PROMPTS, stops)
    ]
    back = run(engine, *((Sample(prompt, sampling), (0,)) for prompt, sampling in asked))
    seen = set()
    for done, (prompt, sampling) in zip(back, asked, strict=True):
        (completion,) = done.reply
        expected = ends(model, prompt, sampling)
        assert (completion.text, completion.finish, completion.stopped_by) == expected
        assert completion.prefix.text == prompt + completion.text
        seen.add(expected[1:])
    assert {("length", None), ("stop", None), ("stop", "\n"), ("stop", "3")} <= seen


def test_each_row_has_its_own_seed_however_many_are_asked_for(serve, connect, run) -> None:
    server = serve()
    sampling = Sampling(temperature=1.0, max_tokens=10)
    seeds = (5, 2**63 + 11, 77, 5)
    asked = [(Sample(PROMPTS[0], sampling, 4), seeds), (Sample(PROMPTS[0], sampling, 1), seeds[2:3])]
    four, one = run(connect(server), *asked)
    settings = {"max_tokens": 10, "temperature": 1.0}
    expected = [server.api.model.complete(PROMPTS[0], settings, on_wire(seed), []) for seed in seeds]
    assert [c.text for c in four.reply] == [drawn.full_text for drawn in expected]
    assert one.reply == four.reply[2:3]
    assert four.reply[0] == four.reply[3]
    assert len({c.text for c in four.reply}) == 3


@pytest.mark.parametrize("option", [{"top_k": 2}, {"top_p": 0.6}, {"min_p": 0.7}])
def test_every_option_of_sampling_reaches_the_model(serve, connect, run, option) -> None:
    server = serve()
    sampling = Sampling(temperature=1.3, max_tokens=12, **option)
    back = run(connect(server), *((Sample(prompt, sampling), (9,)) for prompt in PROMPTS))
    model, settings = server.api.model, {"max_tokens": 12, "temperature": 1.3}
    drawn = [model.complete(prompt, settings | option, on_wire(9), []).full_text for prompt in PROMPTS]
    plain = [model.complete(prompt, settings, on_wire(9), []).full_text for prompt in PROMPTS]
    assert [done.reply[0].text for done in back] == drawn != plain


def test_many_unseeded_samples_come_from_one_request_where_the_server_can(serve, connect, run) -> None:
    asked = (Sample(PROMPTS[0], Sampling(temperature=1.0, max_tokens=6), 5), (1, 2, 3, 4, 5))
    sent = []
    for takes_n in (True, False):
        server = serve(seed=False, takes_n=takes_n)
        engine = connect(server)
        server.seen.clear()
        (done,) = run(engine, asked)
        assert len({c.text for c in done.reply}) > 1
        assert len(done.reply) == 5
        sent.append([body.get("n", 1) for body in server.bodies()])
    assert sent == [[5], [1] * 5]


def test_logprobs_are_those_of_the_untempered_model_also_behind_a_cut(serve, connect, run) -> None:
    for stop in ("named", "cut", "kept"):
        server = serve(stop=stop)
        sampling = Sampling(temperature=1.5, max_tokens=12, stop=("\n", " 3"))
        back = run(connect(server), *((Sample(prompt, sampling), (4,)) for prompt in PROMPTS))
        for done, prompt in zip(back, PROMPTS, strict=True):
            (completion,) = done.reply
            exact = server.api.model.score(prompt, completion.text)
            if completion.finish == "stop" and completion.stopped_by is None:
                exact.append(math.log(server.api.model.distribution(prompt + completion.text)["</s>"]))
            assert completion.logprobs == pytest.approx(exact)


def test_scores_are_the_log_probabilities_of_each_piece(serve, connect, run) -> None:
    server = serve()
    continuations = (" w1 w2", " 3", "\n w4 = 7", "", " é ü\n")
    back = run(connect(server), *((Score(prompt, continuations), ()) for prompt in ["Q:", *PROMPTS]))
    for done, prompt in zip(back, ["Q:", *PROMPTS], strict=True):
        for scored, continuation in zip(done.reply, continuations, strict=True):
            assert scored.logprobs == pytest.approx(server.api.model.score(prompt, continuation))


def test_a_score_that_would_split_a_token_says_where_to_cut(serve, connect, run) -> None:
    (done,) = run(connect(serve()), (Score("Q: app", ("les are", " w1")), ()))
    assert "a token begins in the prompt and ends in the continuation" in str(done.error)


def test_scores_behind_token_ids_are_found_by_number(serve, connect, run) -> None:
    server = serve(ids=True, chat=False)
    engine = connect(server)
    (sampled,) = run(engine, (Sample(PROMPTS[0], Sampling(max_tokens=5)), (0,)))
    prefix, model = sampled.reply[0].prefix, server.api.model
    pieces = [" w1", " 3"]
    asked = Score(prefix, (tuple(model.ids(pieces)), " w1 3"))
    (done,) = run(engine, (asked, ()))
    assert done.reply[0].ids == tuple(model.ids(pieces))
    assert done.reply[0].logprobs == pytest.approx(model.score(prefix.text, " w1 3"))
    assert done.reply[1].logprobs == done.reply[0].logprobs


def test_conversations_are_asked_and_continued(serve, connect, run) -> None:
    for continues in ("vllm", "plain"):
        server = serve(continues=continues)
        engine, model = connect(server), server.api.model
        (first,) = run(engine, (Sample(CHAT, Sampling(max_tokens=6)), (0,)))
        completion: Completion = first.reply[0]
        settings = {"max_tokens": 6, "temperature": 0}
        assert completion.text == model.complete(CHAT_TEXT, settings, 0, []).full_text
        assert completion.prefix == Chat((*CHAT.messages, ("assistant", completion.text)))
        (second,) = run(engine, (Sample(completion.prefix + " so", Sampling(max_tokens=6)), (0,)))
        text = f"{CHAT_TEXT}{completion.text} so"
        assert second.reply[0].text == model.complete(text, settings, 0, []).full_text
        assert second.reply[0].prefix == completion.prefix + f" so{second.reply[0].text}"


def test_token_ids_are_continued_without_being_encoded_again(serve, connect, run) -> None:
    server = serve(ids=True, chat=False)
    engine, model = connect(server), server.api.model
    assert engine.capabilities.token_ids
    (first,) = run(engine, (Sample(PROMPTS[0], Sampling(max_tokens=6, stop=("\n",))), (0,)))
    prefix = first.reply[0].prefix
    assert model.text(prefix.ids) == prefix.text
    server.seen.clear()
    run(engine, (Sample(prefix, Sampling(max_tokens=6)), (0,)), (Sample(prefix + " so"), (0,)))
    prompts = [body["prompt"] for body in server.bodies()]
    assert sorted(prompts, key=str) == sorted([list(prefix.ids), prefix.text + " so"], key=str)


def test_completions_tell_what_each_of_their_tokens_writes_where_ids_come_back(serve, connect, run) -> None:
    server = serve(ids=True, chat=False)
    engine, model = connect(server), server.api.model
    for stop in ((), ("\n",)):
        sampling = Sampling(max_tokens=9, stop=stop, keep_stop=True, pieces=True)
        (done,) = run(engine, (Sample(PROMPTS[0], sampling), (0,)))
        (completion,) = done.reply
        assert "".join(completion.pieces) == completion.text
        assert len(completion.pieces) == len(completion.ids)
        assert model.text(completion.start.ids) == completion.start.text == PROMPTS[0]
        (plain,) = run(engine, (Sample(PROMPTS[0], Sampling(max_tokens=9, stop=stop)), (0,)))[0].reply
        assert (plain.pieces, plain.start) == (None, None)


def test_a_raw_text_goes_to_a_chat_that_continues_and_is_refused_by_one_that_does_not(
    serve, connect, run
) -> None:
    server = serve(completions=False)
    (done,) = run(connect(server), (Sample(Prefix("Once"), Sampling(max_tokens=5)), (0,)))
    expected = server.api.model.complete("<assistant>Once", {"max_tokens": 5, "temperature": 0}, 0, [])
    assert done.reply[0].text == expected.full_text
    engine = connect(serve(completions=False, continues=None))
    for prompt in ("Once", Chat((("assistant", "Once"),))):
        with pytest.raises(EngineCapabilityError, match="continue"):
            run(engine, (Sample(prompt), (0,)))


def test_what_a_server_lacks_is_refused_before_anything_is_sent(serve, connect, run) -> None:
    server = serve(logprobs="none", embeds=False, extras=())
    engine = connect(server)
    server.seen.clear()
    fine = (Sample("Q:"), (0,))
    refused = [
        Score("Q:", (" w1",)),
        Embed(("a",)),
        Value(("a",)),
        Sample("Q:", Sampling(temperature=1.0, top_k=5)),
        Sample("Q:", Sampling(temperature=1.0, min_p=0.1)),
    ]
    for request in refused:
        with pytest.raises(EngineCapabilityError):
            run(engine, fine, (request, (0,)))
    assert server.seen == []
    assert engine.free_rows() == engine.capabilities.rows
    assert engine.capabilities.kinds == {"Sample"}
    assert not engine.capabilities.logprobs


def test_scores_behind_a_conversation_are_refused(serve, connect, run) -> None:
    engine = connect(serve(ids=True))
    for request in (Score(CHAT, (" w1",)), Score("Q:", ((1, 2),))):
        with pytest.raises(EngineCapabilityError, match="expected a text"):
            run(engine, (request, ()))


def test_a_conversation_without_a_template_is_scored_as_plain_text(serve, connect, run) -> None:
    server = serve(chat=False)
    (done,) = run(connect(server), (Score(CHAT, (" w1 3",)), ()))
    text = "System: be brief\n\nUser: how many?\n\nAssistant:"
    assert done.reply[0].logprobs == pytest.approx(server.api.model.score(text, " w1 3"))


def test_embeddings_come_back_in_the_order_of_the_texts(serve, connect, run) -> None:
    full, empty = run(connect(serve()), (Embed(("a", "abc", "ab")), ()), (Embed(()), ()))
    assert full.reply == ((1.0, 0.0), (3.0, 1.0), (2.0, 2.0))
    assert full.cost.tokens_in == 3
    assert empty.reply == ()


def test_a_server_with_only_one_of_the_endpoints_is_enough(serve, connect, run) -> None:
    server = serve(chat=False)
    engine = connect(server)
    assert not engine.capabilities.facts["chat_template"]
    (done,) = run(engine, (Sample(CHAT, Sampling(max_tokens=5)), (0,)))
    assert done.reply[0].prefix.text.endswith("User: how many?\n\nAssistant:" + done.reply[0].text)
    assert connect(serve(completions=False)).capabilities.facts["chat_template"]


def test_what_a_model_thinks_before_it_answers_is_paid_for_and_no_answer(serve, connect, run) -> None:
    server = serve(thinks=True, completions=False)
    engine = connect(server)
    assert engine.capabilities.facts["chat/completions"]["seed"] == "honoured"
    (done,) = run(engine, (Sample(CHAT, Sampling(max_tokens=7)), (0,)))
    drawn = server.api.model.complete(CHAT_TEXT, {"max_tokens": 7, "temperature": 0}, 0, [])
    assert (done.reply[0].text, done.cost.tokens_out) == ("", len(drawn.pieces))


def test_no_prompt_is_too_long_to_be_counted_by_the_server_alone(serve, connect) -> None:
    engine = connect(serve())
    assert engine.count_tokens(Sample("a" * 1000)) is None

"""Replies that are well-formed and lack something are completed or asked for again."""

import pytest

from calculemus.engine.requests import Embed, Sample, Sampling

SAMPLING = Sampling(temperature=1.0, max_tokens=6, stop=("\n",))


def test_completions_that_a_reply_leaves_out_are_asked_for_again(serve, connect, run) -> None:
    server = serve(seed=False)
    engine = connect(server)
    server.seen.clear()
    server.fault = lambda path, body: "one choice"
    (done,) = run(engine, (Sample("Q:", SAMPLING, 4), (1, 2, 3, 4)))
    assert [body.get("n", 1) for body in server.bodies()] == [4, 3, 2, 1]
    assert len(done.reply) == 4
    assert done.cost.tokens_out == sum(len(c.logprobs) + (c.stopped_by is not None) for c in done.reply)
    assert "3 replies: fewer completions than asked for" in engine.report()


@pytest.mark.parametrize(("field", "length"), [("token_ids", 0), ("token_ids", 1), ("prompt_token_ids", 0)])
def test_a_reply_without_its_token_ids_is_asked_for_again(serve, connect, run, field, length) -> None:
    server = serve(ids=True)
    engine = connect(server)
    (good,) = run(engine, (Sample("Q:", SAMPLING), (1,)))
    answer, spoilt = server.api.answer, []

    def spoil_once(path: str, body: dict) -> dict:
        reply = answer(path, body)
        if not spoilt:
            spoilt.append(reply["choices"][0].pop(field))
            if length:
                reply["choices"][0][field] = [0] * 99
        return reply

    server.api.answer = spoil_once
    (done,) = run(engine, (Sample("Q:", SAMPLING), (1,)))
    assert done.reply == good.reply
    assert "malformed reply" in engine.report()


def test_embeddings_of_too_few_texts_are_asked_for_again(serve, connect, run) -> None:
    server = serve()
    engine = connect(server)
    answer, cut = server.api.answer, []

    def cut_once(path: str, body: dict) -> dict:
        reply = answer(path, body)
        if not cut:
            cut.append(reply["data"].pop())
        return reply

    server.api.answer = cut_once
    (done,) = run(engine, (Embed(("a", "ab")), ()))
    assert done.reply == ((1.0, 0.0), (2.0, 1.0))

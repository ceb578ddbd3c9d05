"""What a server does is found out, whatever it accepts."""

import json
import threading

import pytest

from calculemus.engine.requests import Chat, Sample, Sampling
from calculemus.errors import EngineError
from calculemus.events import listening


def told(engine, path: str = "completions") -> dict:
    """The facts about one endpoint."""
    return engine.capabilities.facts[path]


@pytest.mark.parametrize("path", ["completions", "chat/completions"])
@pytest.mark.parametrize(
    ("habits", "fact", "expected"),
    [
        ({}, "n", "by the server"),
        ({"takes_n": False}, "n", "emulated by repeated requests"),
        ({}, "seed", "honoured"),
        ({"seed": False}, "seed", "not honoured"),
        ({}, "logprobs", "given"),
        ({"logprobs": "none"}, "logprobs", "not given"),
        ({"logprobs": "tempered"}, "logprobs", "wrong: they change with the temperature"),
        ({}, "extras", ["min_p", "repetition_penalty", "top_k"]),
        ({"extras": ("top_k",)}, "extras", ["repetition_penalty", "top_k"]),
        ({"extras": (), "is_strict": True}, "extras", []),
        ({}, "stop", "by the server"),
        ({"stop": "kept"}, "stop", "by the server"),
        ({"stop": "cut"}, "stop", "does not show which: cut here"),
        ({"stop": "ignored"}, "stop", "ignored: cut here"),
        ({"stop": "refused"}, "stop", "refused: cut here"),
        ({}, "usage", "checked"),
        ({"usage": "wrong"}, "usage", "wrong"),
        ({"usage": "missing"}, "usage", "missing"),
        ({"usage": "wrong", "logprobs": "none"}, "usage", "wrong"),
        ({"cached": 10**6}, "usage", "wrong"),
    ],
)
def test_each_habit_shows_in_the_facts(serve, connect, path, habits, fact, expected) -> None:
    assert told(connect(serve(**habits)), path)[fact] == expected


@pytest.mark.parametrize(
    ("habits", "expected"),
    [
        ({}, True),
        ({"is_steady": False}, False),
        ({"seed": False}, None),
        ({"seed": False, "chat": False}, None),
    ],
)
def test_determinism_is_tried_under_load(serve, connect, habits, expected) -> None:
    server = serve(**habits)
    answer, lock, greedy, all_here = server.api.answer, threading.Lock(), [], threading.Event()

    def answer_together(path: str, body: dict) -> dict:
        if not body.keys() - {"model", "messages", "prompt", "max_tokens", "temperature", "top_p"}:
            with lock:
                greedy.append(body)
                if greedy.count(body) == 7:  # the first one, and six at once
                    all_here.set()
            assert greedy.count(body) == 1 or all_here.wait(20)
        return answer(path, body)

    server.api.answer = answer_together
    assert connect(server).capabilities.deterministic is expected
    assert all_here.is_set()


def test_what_is_unproven_is_said_before_a_run(serve, connect) -> None:
    heard = []
    with listening(heard.append):
        connect(serve(is_steady=False, usage="wrong"))
        connect(serve(seed=False))
        connect(serve())
    said = [event.message.split(": ", 1)[1] for event in heard]
    assert said == [
        "equal requests gave different replies under load; a repeated run may differ",
        "/completions: the usage block is wrong; tokens count as unknown",
        "/chat/completions: the usage block is wrong; tokens count as unknown",
        "seeds have no proven effect; a repeated run may give other samples",
    ]


def test_a_temperature_without_effect_is_told(serve, connect) -> None:
    server = serve(completions=False)
    complete = server.api.model.complete
    server.api.model.complete = lambda prompt, settings, seed, stops: complete(
        prompt, settings | {"temperature": 0}, seed, stops
    )
    heard = []
    with listening(heard.append):
        engine = connect(server)
    assert "temperature has no effect" in told(engine, "chat/completions")["seed"]
    assert any("all samples of a prompt may be equal" in event.message for event in heard)
    assert engine.capabilities.deterministic is None


@pytest.mark.parametrize(
    ("habits", "kinds"),
    [
        ({}, {"Sample", "Score", "Embed"}),
        ({"echo": False}, {"Sample", "Embed"}),
        ({"embeds": False}, {"Sample", "Score"}),
        ({"completions": False}, {"Sample", "Embed"}),
        ({"logprobs": "tempered"}, {"Sample", "Embed"}),
    ],
)
def test_kinds_of_requests_are_those_that_were_seen_to_work(serve, connect, habits, kinds) -> None:
    assert connect(serve(**habits)).capabilities.kinds == kinds


@pytest.mark.parametrize(
    ("record", "context"),
    [
        ({"max_model_len": 4096}, 4096),
        ({"meta": {"n_ctx_train": 2048}}, 2048),
        ({"context_length": "x"}, None),
    ],
)
def test_the_context_is_what_the_server_says(serve, connect, record, context) -> None:
    assert connect(serve(record=record)).capabilities.context == context


def test_a_server_that_lists_no_models_is_used_all_the_same(serve, connect) -> None:
    for status in (404, 500):
        engine = connect(serve(models=status))
        assert engine.capabilities.context is None
        assert told(engine)["n"] == "by the server"


def test_an_address_without_a_model_takes_the_only_one(serve, connect) -> None:
    server = serve()
    models = server.api.models()
    server.api.models = lambda: {"data": models["data"][:1]}
    assert connect(server.base).name == server.address


def test_the_field_that_limits_the_length_is_the_one_the_server_takes(serve, connect, run) -> None:
    server = serve(only_limit="max_completion_tokens", completions=False)
    engine = connect(server)
    server.seen.clear()
    (done,) = run(engine, (Sample(Chat((("user", "a"),)), Sampling(max_tokens=3)), (0,)))
    assert server.bodies()[0]["max_completion_tokens"] == 3
    assert done.cost.tokens_out == 3


def test_neutral_fields_are_sent_so_that_a_servers_own_defaults_do_not_count(serve, connect, run) -> None:
    server = serve()
    engine = connect(server)
    server.seen.clear()
    run(engine, (Sample("Q:", Sampling(max_tokens=3)), (0,)))
    (body,) = server.bodies()
    sent = {"temperature": 0.0, "top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
    assert {name: body[name] for name in sent} == sent
    assert not {"n", "stop"} & body.keys()


def test_trying_out_takes_some_dozens_of_tiny_requests(serve, connect) -> None:
    server = serve(ids=True)
    connect(server)
    assert len(server.seen) < 60
    assert max(body.get("max_tokens", 0) for body in server.bodies()) <= 12


def test_the_digest_names_the_model_and_not_the_day(serve, connect) -> None:
    server = serve(record={"created": 1, "root": "a"})
    first = connect(server).digest
    server.api.habits.record = {"created": 2, "root": "a"}
    assert connect(server).digest == first
    server.api.habits.record = {"created": 2, "root": "b"}
    assert connect(server).digest != first
    server.api.habits.record = {"root": "a"}
    assert connect(server).digest == first
    distribution = server.api.model.distribution
    server.api.model.distribution = lambda context: distribution(context + "!")
    assert connect(server).digest != first


@pytest.mark.parametrize(
    ("habits", "expected"),
    [
        ({}, "raw texts; conversations"),
        ({"continues": "plain"}, "raw texts; conversations"),
        ({"continues": None}, "raw texts"),
        ({"completions": False}, "raw texts; conversations"),
        ({"completions": False, "continues": None}, "none"),
        ({"chat": False, "loses_space": True}, "raw texts, with a space that the server leaves out put back"),
    ],
)
def test_going_on_where_a_text_ends_is_tried(serve, connect, habits, expected) -> None:
    assert connect(serve(**habits)).capabilities.facts["continuation"] == expected


def test_a_server_that_reads_texts_differently_from_how_it_writes_them_has_no_proven_continuation(
    serve, connect
) -> None:
    server = serve(chat=False)
    answer = server.api.answer
    server.api.answer = lambda path, body: json.loads(json.dumps(answer(path, body)).replace(" w", " v"))
    assert connect(server).capabilities.facts["continuation"] == "raw texts, unproven"


def test_a_prompt_that_gets_no_long_completion_is_replaced(serve, connect) -> None:
    server = serve()
    distribution = server.api.model.distribution
    server.api.model.distribution = lambda context: (
        {"</s>": 0.9, " w1": 0.1} if "apples" in context else distribution(context)
    )
    facts = told(connect(server))
    assert (facts["stop"], facts["usage"], facts["seed"]) == ("by the server", "checked", "honoured")


def test_an_endpoint_that_fails_with_every_request_is_none(serve, connect) -> None:
    server = serve()
    server.api.template = None  # what comes of it is a status 500
    facts = connect(server).capabilities.facts
    assert not facts["chat_template"]
    assert facts["completions"]["n"] == "by the server"


def test_a_server_with_neither_endpoint_is_reported_with_both_refusals(serve, connect) -> None:
    server = serve(completions=False, chat=False)
    with pytest.raises(
        EngineError, match=r"asking /completions: status 404 .*asking /chat/completions: status 404"
    ):
        connect(server)


def test_a_server_that_refuses_all_but_the_barest_requests_is_used_for_those(serve, connect, run) -> None:
    server = serve(chat=False)
    bare = {"model", "prompt", "max_tokens", "temperature", "top_p"}
    server.fault = lambda path, body: "400" if body.keys() - bare else None
    engine = connect(server)
    facts = told(engine)
    assert (facts["logprobs"], facts["seed"], facts["extras"]) == ("refused", "refused", [])
    (done,) = run(engine, (Sample("Q:", Sampling(max_tokens=4, stop=("\n",))), (0,)))
    assert done.error is None


def test_a_model_that_never_says_anything_proves_nothing(serve, connect) -> None:
    server = serve()
    server.api.model.distribution = lambda context: {"</s>": 0.9, " w1": 0.1}
    engine = connect(server)
    facts = told(engine)
    assert (facts["stop"], facts["usage"]) == ("unproven: cut here", "checked")
    assert engine.capabilities.kinds == {"Sample", "Embed"}


def test_a_feature_that_breaks_the_server_is_one_that_it_has_not(serve, connect) -> None:
    server = serve()
    server.fault = lambda path, body: "500" if body.get("n") else None
    assert told(connect(server))["n"] == "emulated by repeated requests"


def test_logprobs_that_say_too_little_are_not_believed(serve, connect) -> None:
    for spoil, expected in (
        ('"tokens": ["x', "wrong: the listed tokens are not those of the text"),
        ('"top_logprobs": null, "no": [', "unproven: no list of most probable tokens to compare"),
    ):
        server = serve(chat=False, echo=False)
        answer = server.api.answer
        field = spoil.split(":")[0]

        def spoilt(path: str, body: dict, answer=answer, field=field, spoil=spoil) -> dict:
            text = json.dumps(answer(path, body))
            start = f"{field}: [" + ('"' if spoil.endswith("x") else "")
            return json.loads(text.replace(start, spoil))

        server.api.answer = spoilt
        engine = connect(server)
        assert told(engine)["logprobs"] == expected
        assert not engine.capabilities.logprobs

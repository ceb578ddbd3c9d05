"""Replies in the forms that real servers give them."""

import json
import math

import pytest

from calculemus.engine.http_engine.faults import fault_of_error_body, fault_of_status
from calculemus.engine.http_engine.reading import (
    Choice,
    Reply,
    Usage,
    read_embeddings,
    read_models,
    read_reply,
)
from calculemus.engine.http_engine.scoring import read_scores, read_scores_by_id


def echoed(pieces: list[str], text: str | None = None, offsets: tuple[int, ...] | None = None) -> Reply:
    """A reply that lists these pieces, the first without a log-probability."""
    tokens = tuple((piece, -float(place) if place else math.nan) for place, piece in enumerate(pieces))
    choice = Choice("".join(pieces) if text is None else text, tokens=tokens, offsets=offsets)
    return Reply((choice,), Usage())


def test_a_mark_before_the_text_is_left_out_of_its_places() -> None:
    plain = echoed(["Two", " and", " two", " is"])
    marked = echoed(["<s>", "Two", " and", " two", " is"], text="Two and two is")
    assert read_scores(plain, "Two", " and two") == (-1.0, -2.0)
    assert read_scores(marked, "Two", " and two") == (-2.0, -3.0)
    assert read_scores(marked, "", "Two and") == (-1.0, -2.0)


def test_pieces_of_a_sign_are_placed_by_the_offsets_that_the_server_gives() -> None:
    reply = echoed(["a", "bytes:\\xc3", "bytes:\\xa9", "b"], text="aéb", offsets=(0, 1, 1, 2))
    assert read_scores(reply, "a", "é") == (-1.0, -2.0)
    with pytest.raises(ValueError, match="do not make up the text"):
        read_scores(echoed(["a", "bytes:\\xc3", "bytes:\\xa9", "b"], text="aéb"), "a", "é")


def test_what_cannot_be_scored_says_why() -> None:
    with pytest.raises(ValueError, match="not echoed"):
        read_scores(Reply((Choice("ab"),), Usage()), "a", "b")
    with pytest.raises(ValueError, match="put a prompt before it"):
        read_scores(echoed(["Two", " and"]), "", "Two")
    with pytest.raises(ValueError, match="3 log-probabilities for 5 tokens"):
        read_scores_by_id(echoed(["a", "b", "c"]), 2, 3)
    assert read_scores_by_id(echoed(["a", "b", "c"]), 1, 1) == (-1.0,)


def test_both_forms_of_logprobs_are_read_alike() -> None:
    chat = {
        "message": {"content": "a b"},
        "logprobs": {
            "content": [
                {"token": "a", "logprob": -1, "top_logprobs": [{"token": "x", "logprob": -2}]},
                {"token": " b", "logprob": -0.5, "top_logprobs": []},
            ]
        },
    }
    plain = {
        "text": "a b",
        "logprobs": {"tokens": ["a", " b"], "token_logprobs": [-1, -0.5], "top_logprobs": [{"x": -2}, {}]},
    }
    (one,), (two,) = (read_reply({"choices": [choice]}).choices for choice in (chat, plain))
    assert one == two
    assert one.tokens == (("a", -1.0), (" b", -0.5))
    assert one.top == {"x": -2.0}


@pytest.mark.parametrize(
    "said", [{"content": [{"token": 3, "logprob": -1}]}, {"content": [{"token": "a"}, {}]}, 7]
)
def test_logprobs_that_cannot_be_read_count_as_not_given(said) -> None:
    (choice,) = read_reply({"choices": [{"text": "a", "logprobs": said}]}).choices
    assert choice.tokens is None or math.isnan(choice.tokens[0][1])


@pytest.mark.parametrize(
    "said", [[], {"data": 3}, {"data": [{"embedding": ["x"]}]}, {"data": [{"embedding": [float("nan")]}]}, {}]
)
def test_embeddings_that_are_no_numbers_are_malformed(said) -> None:
    with pytest.raises(ValueError, match="no "):
        read_embeddings(said)


def test_a_list_of_models_without_names_is_malformed() -> None:
    with pytest.raises(ValueError, match="without an 'id'"):
        read_models({"data": [{"name": "a"}]})


@pytest.mark.parametrize(
    ("status", "body", "message", "is_final"),
    [
        (500, {"error": {"message": "broken"}}, "broken", False),
        (503, {"error": "busy"}, "busy", False),
        (429, {"error": {"message": "slow down", "code": "rate_limit"}}, "slow down", False),
        (429, {"error": {"message": "pay first", "code": "insufficient_quota"}}, "pay first", True),
        (501, {"detail": "no embeddings"}, "no embeddings", True),
        (422, {"detail": [{"loc": ["n"]}]}, '[{"loc": ["n"]}]', True),
        (400, {"message": "too  long"}, "too long", True),
        (302, {}, "it points to 'https://elsewhere'", True),
        (418, "<h1>tea</h1>", "<h1>tea</h1>", True),
    ],
)
def test_an_error_says_what_the_server_said_and_whether_to_try_again(status, body, message, is_final) -> None:
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    fault = fault_of_status(status, {"location": "https://elsewhere"}, content)
    assert (fault.message, fault.is_final, fault.status) == (message, is_final, status)


def test_an_error_in_a_reply_of_status_200_has_the_meaning_of_its_code() -> None:
    assert fault_of_error_body({"message": "no such model", "code": 404}).is_final
    assert not fault_of_error_body({"message": "upstream", "code": 502}).is_final
    assert not fault_of_error_body("overloaded").is_final
    assert str(fault_of_error_body("overloaded")) == "error in the reply (overloaded)"

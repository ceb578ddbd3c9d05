"""The wire format of OpenAI-compatible endpoints: requests in, replies and their parts out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from calculemus.cost import Budget, Cost
from calculemus.errors import BadRequestError
from calculemus.solution import Solution

MOST_ANSWERS = 128
MOST_CHARACTERS = 1_000_000
_HEEDED = frozenset(
    {
        "messages",
        "prompt",
        "model",
        "n",
        "seed",
        "stream",
        "stream_options",
        "budget",
        "user",
        "metadata",
        "store",
    }
    | {"max_tokens", "max_completion_tokens"}
)
_REFUSED = ("tools", "functions", "response_format", "logprobs", "audio", "echo", "suffix")
"""Fields that ask for something that no solver gives, so that leaving them out would mislead."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for.

    Attributes:
        question: What the solver is given.
        n: Answers.
        seed: Of all draws.
        budget: Of each answer.
        is_streamed: Whether the answer is sent in parts.
        with_usage: Whether a streamed answer ends with what it cost.
        ignored: Fields that change nothing, because the solver has settings of its own.
    """

    question: str
    n: int
    seed: int
    budget: Budget
    is_streamed: bool
    with_usage: bool
    ignored: tuple[str, ...]


def read_request(body: Any, default: Budget) -> Asked:
    """Read the body of a request for a chat completion or a completion.

    Args:
        body: Decoded JSON.
        default: Limits where the request sets none; it can only lower them.

    Raises:
        BadRequestError: It is not one, or asks for what a solver does not give.
    """
    if not isinstance(body, Mapping):
        raise BadRequestError(f"reading the request: it is a {type(body).__name__}; expected a JSON object")
    for name in _REFUSED:
        if body.get(name):
            raise BadRequestError(
                f"reading the request: '{name}' is set; a solver does not give that. Leave it out", name
            )
    question = _question(body)
    n = _whole(body, "n", 1, 1, MOST_ANSWERS)
    options = body.get("stream_options") or {}
    is_streamed = bool(body.get("stream"))
    if is_streamed and n > 1:
        raise BadRequestError("reading the request: 'n' is above 1 in a stream; expected 1 there", "n")
    return Asked(
        question=question,
        n=n,
        seed=_whole(body, "seed", 0, -(2**63), 2**64 - 1),
        budget=_budget(body, default),
        is_streamed=is_streamed,
        with_usage=isinstance(options, Mapping) and bool(options.get("include_usage")),
        ignored=tuple(sorted(name for name in body if name not in _HEEDED and name not in _REFUSED)),
    )


def _question(body: Mapping[str, Any]) -> str:
    if "messages" in body:
        question = _conversation(body["messages"])
    elif isinstance(body.get("prompt"), str):
        question = body["prompt"]
    else:
        raise BadRequestError(
            "reading the request: it has no 'messages' and no 'prompt' of text; expected one", "messages"
        )
    if not question.strip():
        raise BadRequestError("reading the request: the question is empty; expected text", "messages")
    if len(question) > MOST_CHARACTERS:
        raise BadRequestError(
            f"reading the request: the question has {len(question)} characters; expected at most "
            f"{MOST_CHARACTERS}",
            "messages",
        )
    return question


def _conversation(messages: Any) -> str:
    """Return the question that a conversation asks: the user's one message, or all turns written out."""
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise BadRequestError(
            f"reading the request: 'messages' is {messages!r:.80}; expected a list of messages", "messages"
        )
    turns = [_turn(message) for message in messages]
    if turns[-1][0] != "user":
        raise BadRequestError(
            f"reading the request: its last message is from '{turns[-1][0]}'; expected one from 'user'",
            "messages",
        )
    rules = [text for role, text in turns if role in ("system", "developer")]
    said = [(role, text) for role, text in turns if role not in ("system", "developer")]
    asked = (
        said[0][1] if len(said) == 1 else "\n\n".join(f"{role.capitalize()}: {text}" for role, text in said)
    )
    return "\n\n".join([*rules, asked])


def _turn(message: Any) -> tuple[str, str]:
    role = message.get("role") if isinstance(message, Mapping) else None
    content = message.get("content") if isinstance(message, Mapping) else None
    if isinstance(content, list):
        kinds = {part.get("type") if isinstance(part, Mapping) else None for part in content}
        if kinds <= {"text"}:
            content = "".join(str(part.get("text", "")) for part in content)
    if not isinstance(role, str) or not isinstance(content, str):
        raise BadRequestError(
            f"reading the request: a message is {message!r:.120}; expected a 'role' and a 'content' of text",
            "messages",
        )
    return role, content


def _whole(body: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadRequestError(
            f"reading the request: '{name}' is {value!r:.40}; expected a whole number from {least} to {most}",
            name,
        )
    return value


def _budget(body: Mapping[str, Any], default: Budget) -> Budget:
    wanted = body.get("budget") or {}
    known = {field.name for field in fields(Budget)}
    if not isinstance(wanted, Mapping) or not set(wanted) <= known:
        raise BadRequestError(
            f"reading the request: 'budget' is {wanted!r:.80}; expected an object with some of "
            f"{', '.join(sorted(known))}",
            "budget",
        )
    limits = {name: _limit(name, value) for name, value in wanted.items()}
    for name in ("max_tokens", "max_completion_tokens"):
        if body.get(name) is not None:
            limits["tokens"] = min(_whole(body, name, 0, 1, 2**31), limits.get("tokens", 2**31))
    for field in fields(Budget):
        own = getattr(default, field.name)
        if own is not None:
            limits[field.name] = min(own, limits.get(field.name, own))
    return Budget(**limits)


def _limit(name: str, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise BadRequestError(
            f"reading the request: '{name}' of the budget is {value!r:.40}; expected a number above 0",
            "budget",
        )
    return int(value) if name in ("tokens", "requests") else float(value)


def usage(cost: Cost) -> dict[str, Any]:
    """Return what answers cost in the fields of the API, and in full; a part that is unknown counts 0."""
    discarded = cost.tokens_discarded or 0
    n_in = (cost.tokens_in or 0) + (cost.tokens_cached or 0)
    n_out = (cost.tokens_out or 0) + discarded
    return {
        "prompt_tokens": n_in,
        "completion_tokens": n_out,
        "total_tokens": n_in + n_out,
        "prompt_tokens_details": {"cached_tokens": cost.tokens_cached or 0},
        "completion_tokens_details": {"rejected_prediction_tokens": discarded},
        "calculemus": cost.known(),
    }


def finish_reason(solution: Solution) -> str:
    """Return why an answer ended: ``length`` where a limit cut it short."""
    return "length" if solution.truncated else "stop"


def message(solution: Solution) -> dict[str, Any]:
    """Return an answer as a message; where there is none, ``refusal`` says why."""
    return {"role": "assistant", "content": solution.answer or "", "refusal": solution.failure}


def event(data: Mapping[str, Any] | str) -> str:
    """Return one server-sent event."""
    return f"data: {data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)}\n\n"

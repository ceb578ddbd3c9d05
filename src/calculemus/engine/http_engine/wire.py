"""How a request is written down for a server: which endpoint, which prompt, which fields."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from calculemus.engine.http_engine.abilities import Abilities, Way
from calculemus.engine.http_engine.reading import Choice
from calculemus.engine.requests import Chat, Prefix, Prompt, Sampling
from calculemus.errors import EngineCapabilityError

_SEEDS = 2**31 - 1  # some servers take 32 bits with a sign; 0 and -1 mean "any" to some

_NO_SPACE_BEFORE = ".,;:!?)]}%'"
_STOPS = 4  # some servers refuse more; a completion is cut here at all of them anyway


@dataclass(frozen=True, slots=True)
class Route:
    """Where a prompt goes.

    Attributes:
        way: The endpoint.
        fields: The prompt as the endpoint takes it.
    """

    way: Way
    fields: Mapping[str, Any]


def route(name: str, prompt: Prompt, can: Abilities) -> Route:
    """Choose the endpoint for a prompt.

    Raises:
        EngineCapabilityError: No endpoint of the server takes it.
    """
    if isinstance(prompt, Chat):
        if can.chat:
            return _to_chat(name, prompt, can, can.chat)
        prompt = plain_text(prompt)
    if can.completions:
        ids = _ids(prompt, can)
        if ids is not None:
            return Route(can.completions, {"prompt": ids})
        return Route(can.completions, {"prompt": _text(prompt)})
    if can.chat and can.continues is not None and can.continues_alone:
        message = {"role": "assistant", "content": _text(prompt)}
        return Route(can.chat, {"messages": [message], **can.continues})
    raise EngineCapabilityError(
        f"{name}: cannot continue a raw text: the server has no /completions, and its /chat/completions does "
        "not continue an assistant's text; expected one of them. Use a method whose prompts are "
        "conversations, or a server that completes texts"
    )


def _to_chat(name: str, prompt: Chat, can: Abilities, way: Way) -> Route:
    messages = [{"role": role, "content": text} for role, text in prompt.messages]
    if not messages or messages[-1]["role"] != "assistant":
        return Route(way, {"messages": messages})
    if can.continues is None:
        raise EngineCapabilityError(
            f"{name}: cannot continue an assistant's text: the server did not do so when it was tried; "
            "expected a reply that goes on where the text ends. Use a method that asks once, or a server "
            "with continuation (vLLM: continue_final_message; llama.cpp)"
        )
    return Route(way, {"messages": messages, **can.continues})


def _text(prompt: str | Prefix) -> str:
    return prompt if isinstance(prompt, str) else prompt.text


def _ids(prompt: str | Prefix, can: Abilities) -> list[int] | None:
    """Return the token ids to send instead of a text, where they are all known."""
    if not isinstance(prompt, Prefix) or prompt.ids is None or prompt.added or not can.takes_ids:
        return None
    return list(prompt.ids)


def plain_text(chat: Chat) -> str:
    """Return a conversation as text, for a model without a template; a last text of the assistant is open."""
    turns = [f"{role.capitalize()}: {text}" for role, text in chat.messages]
    is_open = bool(chat.messages) and chat.messages[-1][0] == "assistant"
    return "\n\n".join(turns if is_open else [*turns, "Assistant:"])


def with_joint(prompt: Prompt, choice: Choice, can: Abilities) -> Choice:
    """Return a completion with the space before it that the server may have left out."""
    if (
        not can.joint
        or not choice.text
        or choice.tokens is not None
        or (isinstance(prompt, Chat) and can.chat)
    ):
        return choice
    before = plain_text(prompt) if isinstance(prompt, Chat) else _text(prompt)
    first = choice.text[0]
    is_apart = not before or before[-1].isspace() or first.isspace() or first in _NO_SPACE_BEFORE
    return choice if is_apart else replace(choice, text=can.joint + choice.text)


def continued(prompt: Prompt, text: str, ids: tuple[int, ...] | None, can: Abilities) -> Prefix | Chat:
    """Return a prompt together with its completion.

    Args:
        prompt: What was continued.
        text: The completion.
        ids: Token ids of both together; None where unknown.
        can: Decides whether a conversation stays one.
    """
    if not isinstance(prompt, Chat):
        return Prefix(_text(prompt) + text, ids)
    return prompt + text if can.chat else Prefix(plain_text(prompt) + text, ids)


def sample_body(
    model: str, to: Route, sampling: Sampling, n: int = 1, seed: int | None = None
) -> dict[str, Any]:
    """Return the body of a request for ``n`` completions.

    All fields that the server knows are sent, also neutral ones: many servers put defaults of their own in
    the place of what is missing.
    """
    way = to.way
    body: dict[str, Any] = {"model": model, **to.fields, way.limit: sampling.max_tokens}
    body |= {"temperature": sampling.temperature, "top_p": sampling.top_p}
    neutral = {
        "top_k": sampling.top_k or -1,
        "min_p": sampling.min_p,
        "repetition_penalty": 1.0,
    }
    body |= {name: value for name, value in neutral.items() if name in way.extras}
    if n > 1:
        body["n"] = n
    if seed is not None and way.takes_seed:
        body["seed"] = 1 + seed % _SEEDS
    if sampling.stop and way.shows_stops:
        body["stop"] = [stop for stop in sampling.stop if stop][:_STOPS]
    if way.logprobs:
        body["logprobs"] = 1 if "prompt" in to.fields else True
    if way.ids:
        body["return_token_ids"] = True
    return body


def score_prompt(
    prompt: Prompt, continuation: str | tuple[int, ...], can: Abilities
) -> str | list[int] | None:
    """Return a prompt in the form of a continuation that is scored behind it: text or token ids.

    None where there is none: a conversation has a text that only the server knows, and a text has token ids
    that only the server knows.
    """
    if isinstance(prompt, Chat):
        if can.chat:
            return None
        prompt = plain_text(prompt)
    return _text(prompt) if isinstance(continuation, str) else _ids(prompt, can)


def score_body(model: str, prompt: str | list[int]) -> dict[str, Any]:
    """Return the body of a request for the log-probabilities of a whole prompt.

    One token is sampled, and of no use: most servers refuse to sample none.
    """
    return {"model": model, "prompt": prompt, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}

"""Replies of the two completion endpoints, read into one form. What does not fit raises a ValueError."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Tokens = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One completion as the server gave it.

    Attributes:
        text: The visible text.
        thinking: What a reasoning model wrote before it, where the server shows it.
        finish: The server's word for the end; None where it gave none.
        stopped_by: The stop text that the server names; None where it names none.
        tokens: Text and log-probability of each token; None where they are not given.
        offsets: Where each token begins in the text; None where this is not given.
        top: Log-probabilities of the most probable first tokens.
        ids: Token ids; None where they are not given.
        prompt_ids: Token ids of the prompt; None where they are not given.
    """

    text: str
    thinking: str = ""
    finish: str | None = None
    stopped_by: str | None = None
    tokens: Tokens | None = None
    offsets: tuple[int, ...] | None = None
    top: Mapping[str, float] | None = None
    ids: tuple[int, ...] | None = None
    prompt_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the server says that a request took; None where it does not say."""

    prompt: int | None = None
    completion: int | None = None
    cached: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """All completions of one request."""

    choices: tuple[Choice, ...]
    usage: Usage


def read_reply(said: Any) -> Reply:
    """Read the reply of a completion endpoint, either of the two.

    Raises:
        ValueError: It has no choices, or one of them has no text.
    """
    choices = _get(said, "choices", list)
    if not choices:
        raise ValueError("no completion in 'choices'")
    top_level_ids = _ids(said.get("prompt_token_ids"))
    ordered = sorted(choices, key=_index) if all(isinstance(c, dict) for c in choices) else choices
    return Reply(tuple(_read_choice(c, top_level_ids) for c in ordered), _read_usage(said.get("usage")))


def read_models(said: Any) -> list[dict[str, Any]]:
    """Read the list of models.

    Raises:
        ValueError: It is no list of records with an ``id``.
    """
    records = _get(said, "data", list)
    if not all(isinstance(record, dict) and isinstance(record.get("id"), str) for record in records):
        raise ValueError("a model without an 'id'")
    return records


def read_embeddings(said: Any) -> tuple[tuple[float, ...], ...]:
    """Read a list of embeddings, in the order in which the texts were sent.

    Raises:
        ValueError: A record has no vector of finite numbers.
    """
    records = sorted(_get(said, "data", list), key=_index)
    return tuple(tuple(map(_finite, _get(record, "embedding", list))) for record in records)


def read_usage(said: Any) -> Usage:
    """Read what a reply of any kind says that it took."""
    return _read_usage(said.get("usage") if isinstance(said, dict) else None)


def _get(said: Any, key: str, kind: type) -> Any:
    value = said.get(key) if isinstance(said, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f"no '{key}'")
    return value


def _index(record: Any) -> int:
    index = record.get("index", 0) if isinstance(record, dict) else 0
    return index if isinstance(index, int) else 0


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no finite number")
    return float(value)


def _read_choice(said: dict[str, Any], prompt_ids: tuple[int, ...] | None) -> Choice:
    if isinstance(said, dict) and "message" in said:
        message = _get(said, "message", dict)
        # Models that only called a tool, or are still thinking, have no content.
        text = message.get("content") or ""
        thinking = message.get("reasoning_content") or message.get("reasoning") or ""
    else:
        text, thinking = _get(said, "text", str), ""
    if not isinstance(text, str) or not isinstance(thinking, str):
        raise ValueError("a text that is no text")
    finish = said.get("finish_reason")
    reasons = [said.get(key) for key in ("stop_reason", "matched_stop")]
    tokens, offsets, top = _read_logprobs(said.get("logprobs"))
    return Choice(
        text=text,
        thinking=thinking,
        finish=finish if isinstance(finish, str) else None,
        stopped_by=next((reason for reason in reasons if isinstance(reason, str)), None),
        tokens=tokens,
        offsets=offsets,
        top=top,
        ids=_ids(said.get("token_ids")),
        prompt_ids=_ids(said.get("prompt_token_ids")) or prompt_ids,
    )


def _ids(said: Any) -> tuple[int, ...] | None:
    if not isinstance(said, list) or not all(type(token) is int for token in said):
        return None
    return tuple(said)


def _read_logprobs(
    said: Any,
) -> tuple[Tokens | None, tuple[int, ...] | None, Mapping[str, float] | None]:
    """Read log-probabilities in the form of either endpoint; what is not usable counts as not given."""
    if not isinstance(said, dict):
        return None, None, None
    if isinstance(said.get("content"), list):
        entries = [entry for entry in said["content"] if isinstance(entry, dict)]
        tokens = [(entry.get("token"), entry.get("logprob")) for entry in entries]
        listed = entries[0].get("top_logprobs") if entries else None
        top = {t.get("token"): t.get("logprob") for t in listed or [] if isinstance(t, dict)}
        return _tokens(tokens), None, _top(top)
    texts, values = said.get("tokens"), said.get("token_logprobs")
    if not isinstance(texts, list) or not isinstance(values, list) or len(texts) != len(values):
        return None, None, None
    listed = said.get("top_logprobs")
    first = next((entry for entry in listed if entry), None) if isinstance(listed, list) else None
    offsets = _ids(said.get("text_offset"))
    usable = offsets if offsets and len(offsets) == len(texts) else None
    return _tokens(list(zip(texts, values, strict=True))), usable, _top(first)


def _tokens(pairs: list[tuple[Any, Any]]) -> Tokens | None:
    """Check texts and log-probabilities; the first of an echoed prompt has none, which becomes NaN."""
    tokens = []
    for place, (text, value) in enumerate(pairs):
        if place == 0 and value is None:
            value = math.nan
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or not value <= 1e-3:
            return None
        if not isinstance(text, str):
            return None
        tokens.append((text, min(0.0, float(value)) if value == value else value))
    return tuple(tokens)


def _top(said: Any) -> Mapping[str, float] | None:
    if not isinstance(said, dict) or not said:
        return None
    return {t: float(v) for t, v in said.items() if isinstance(t, str) and isinstance(v, (int, float))}


def _read_usage(said: Any) -> Usage:
    if not isinstance(said, dict):
        return Usage()
    details = said.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return Usage(_count(said.get("prompt_tokens")), _count(said.get("completion_tokens")), _count(cached))


def _count(said: Any) -> int | None:
    return said if type(said) is int and said >= 0 else None

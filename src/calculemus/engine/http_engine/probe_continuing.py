"""Finds out whether a server goes on where a text ends.

The first part of a greedy completion is given back, and its last part must come. A server that begins a new
turn, or that reads the text anew as other tokens, gives something else.
"""

from collections.abc import Callable, Mapping
from typing import Any

from calculemus.engine.http_engine.probe_way import Trials, shown

Fields = Mapping[str, Any]

_OPENING = "Tom has 2 apples and buys 3 more, so"
_CHAT_FIELDS: tuple[Fields, ...] = ({"continue_final_message": True, "add_generation_prompt": False}, {})
_ENOUGH = 3  # signs that must agree


async def try_chat(trials: Trials, greedy: str) -> tuple[Fields | None, bool]:
    """Return the fields with which an assistant's text is continued, and whether also without a question."""
    for fields in _CHAT_FIELDS:
        if await _goes_on(trials, greedy, _turn(trials.prompt["messages"], "", fields)):
            alone = _turn([], _OPENING, fields)
            reply = await trials.ask("continuing alone", alone(""))
            return fields, await _goes_on(trials, shown(reply.choices[0]) if reply else "", alone)
    return None, False


async def try_joint(trials: Trials, greedy: str) -> str | None:
    """Return what belongs between a text and its completion; None where neither of two ways goes on.

    Some servers decode a completion by itself and lose the space before its first word.
    """
    prompt = trials.prompt["prompt"]
    for joint in ("", " "):
        if await _goes_on(trials, greedy, lambda half, joint=joint: {"prompt": prompt + joint + half}):
            return joint
    return None


def _turn(before: list[Any], opening: str, fields: Fields) -> Callable[[str], Fields]:
    """Return what continues ``before`` and a text of the assistant that begins with ``opening``."""

    def after(half: str) -> Fields:
        return {"messages": [*before, {"role": "assistant", "content": opening + half}], **fields}

    return after


async def _goes_on(trials: Trials, text: str, after: Callable[[str], Fields]) -> bool:
    """See whether a text's first part is followed by its last part."""
    cut = max(text.rfind(" ", 0, len(text) * 2 // 3), 0)
    half, rest = text[:cut].rstrip(), text[cut:].strip()
    if not half:
        return False
    reply = await trials.ask("continuing", after(half))
    went_on = shown(reply.choices[0]).strip() if reply else ""
    shorter = min(len(rest), len(went_on))
    return shorter >= _ENOUGH and went_on[:shorter] == rest[:shorter] != text.strip()[:shorter]

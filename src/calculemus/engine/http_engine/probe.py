"""Finds out what a server really does, before any work is spent on it."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from calculemus.engine.http_engine.abilities import CHAT, COMPLETIONS, Abilities, Way
from calculemus.engine.http_engine.caller import Caller
from calculemus.engine.http_engine.models import (
    Record,
    choose_model,
    context_of,
    list_models,
    stable_record,
    suggest,
)
from calculemus.engine.http_engine.outcome import Failed, Got, Spent
from calculemus.engine.http_engine.probe_continuing import try_chat, try_joint
from calculemus.engine.http_engine.probe_way import LENGTH, PATIENCE, TOLERANCE, Trials, probe_way, shown
from calculemus.engine.http_engine.reading import Reply, read_embeddings
from calculemus.engine.http_engine.scoring import read_scores
from calculemus.engine.http_engine.wire import score_body
from calculemus.errors import EngineError

_COPIES = 6  # of the greedy trial, sent at once
_SEEDED = 3
_FINGERPRINT = 8  # signs: few enough that rounding does not change them, many enough to tell models apart


async def probe(caller: Caller) -> Abilities:
    """Return what the server can do.

    Raises:
        EngineError: It does not answer, refuses the key, or has not the model.
    """
    records = await list_models(caller)
    model = choose_model(caller.address, records)
    of = {path: Trials(caller, model, path) for path in (COMPLETIONS, CHAT)}
    firsts = dict(zip(of, await asyncio.gather(*(trials.first() for trials in of.values())), strict=True))
    greedy = {path: first for path, first in firsts.items() if isinstance(first, Reply)}
    if not greedy:
        failures = dict.fromkeys(first.message for first in firsts.values() if isinstance(first, Failed))
        raise EngineError("; ".join(failures) + suggest(model, records))
    probed = await asyncio.gather(*(probe_way(of[path], first) for path, first in greedy.items()))
    ways = {way.path: way for way, _ in probed}
    can = Abilities(
        model=model,
        completions=ways.get(COMPLETIONS),
        chat=ways.get(CHAT),
        context=context_of(model, records),
    )
    texts = {path: shown(first.choices[0]) for path, first in greedy.items()}
    can = await _probe_rest(caller, can, {path: of[path] for path in greedy}, texts)
    by_way = {way.path[1:]: facts for way, facts in probed}
    return replace(can, facts=_facts(caller, can, by_way, of, stable_record(model, records)))


async def _probe_rest(
    caller: Caller, can: Abilities, of: Mapping[str, Trials], greedy: Mapping[str, str]
) -> Abilities:
    """Try what needs to be known about an endpoint first."""
    scores, takes_ids, (joint, continues, continues_alone), embeds = await asyncio.gather(
        _try_scores(of.get(COMPLETIONS), can.completions),
        _try_id_prompts(of.get(COMPLETIONS), can.completions, greedy.get(COMPLETIONS, "")),
        _try_continuing(of, greedy),
        _try_embedding(caller, can.model),
    )
    main = CHAT if CHAT in of else COMPLETIONS
    deterministic, fingerprint = await _try_repeating(of[main], can.ways, greedy[main])
    return replace(
        can,
        scores=scores,
        takes_ids=takes_ids,
        joint=joint,
        continues=continues,
        continues_alone=continues_alone,
        embeds=embeds,
        deterministic=deterministic,
        fingerprint=fingerprint,
    )


async def _try_scores(trials: Trials | None, way: Way | None) -> bool:
    """See whether an echoed prompt has the log-probabilities that its tokens had when they were sampled."""
    if trials is None or way is None:
        return False
    if not way.logprobs:
        return False
    sampled = await trials.ask("echo", {"logprobs": 1})
    choice = sampled.choices[0] if sampled else None
    if choice is None or not choice.tokens or not choice.text:
        return False
    prompt = trials.prompt["prompt"]
    echoed = await trials.ask("echo", score_body(trials.model, prompt + choice.text), 1)
    try:
        scored = read_scores(echoed, prompt, choice.text) if echoed else ()
    except ValueError as error:
        trials.refused["echo"] = str(error)
        return False
    pairs = zip(scored, choice.tokens, strict=False)
    return len(scored) > 0 and all(abs(a - value) <= TOLERANCE for a, (_, value) in pairs)


async def _try_id_prompts(trials: Trials | None, way: Way | None, greedy: str) -> bool:
    """See whether the prompt's token ids, sent instead of its text, give the same completion."""
    if trials is None or way is None or not way.ids:
        return False
    first = await trials.ask("ids", {"return_token_ids": True})
    ids = first.choices[0].prompt_ids if first else None
    again = await trials.ask("ids", {"prompt": list(ids), "return_token_ids": True}) if ids else None
    return again is not None and again.choices[0].prompt_ids == ids and shown(again.choices[0]) == greedy


async def _try_continuing(
    of: Mapping[str, Trials], greedy: Mapping[str, str]
) -> tuple[str | None, Mapping[str, Any] | None, bool]:
    joint, continues, alone = None, None, False
    if COMPLETIONS in of:
        joint = await try_joint(of[COMPLETIONS], greedy[COMPLETIONS])
    if CHAT in of:
        continues, alone = await try_chat(of[CHAT], greedy[CHAT])
    return joint, continues, alone


async def _try_embedding(caller: Caller, model: str) -> bool:
    body = {"model": model, "input": ["two apples"]}
    result = await caller.attempt(
        "/embeddings", body, read_embeddings, spent=Spent(), tokens=10, patience=PATIENCE
    )
    return isinstance(result, Got) and len(result.value) == 1 and len(result.value[0]) > 0


async def _try_repeating(
    trials: Trials, ways: tuple[Way, ...], greedy: str
) -> tuple[bool | None, str | None]:
    """Send equal requests at once; return whether the replies are equal, and how the greedy one begins.

    Equal replies prove nothing where seeds have no effect: only greedy completions could be compared then.
    """
    is_seeded = all(way.takes_seed for way in ways)
    seeded = [{"seed": 13, "temperature": 1.0}] * (_SEEDED if is_seeded else 0)
    replies = await asyncio.gather(*(trials.ask("repeating", f) for f in [*[{}] * _COPIES, *seeded]))
    texts = [shown(reply.choices[0]) if reply else None for reply in replies]
    alike, drawn = [greedy, *texts[:_COPIES]], texts[_COPIES:]
    if None in texts:
        return None, None
    start = greedy[:_FINGERPRINT]
    fingerprint = start if all(text and text.startswith(start) for text in alike) else None
    if len(set(alike)) > 1 or len(set(drawn)) > 1:
        return False, fingerprint
    return (True if is_seeded else None), fingerprint


def _facts(
    caller: Caller,
    can: Abilities,
    by_way: Mapping[str, Any],
    of: Mapping[str, Trials],
    record: Record,
) -> dict[str, Any]:
    """Return what people should know about the server."""
    verdicts = {
        True: f"{_COPIES + 1} greedy and {_SEEDED} seeded requests gave equal replies under load",
        False: "equal requests gave different replies under load",
        None: f"{_COPIES + 1} equal greedy requests gave equal replies; seeds have no proven effect",
    }
    refused = {f"{path[1:]}: {name}": said for path, t in of.items() for name, said in t.refused.items()}
    return {
        "server": caller.server,
        "model": can.model,
        "record": record,
        "chat_template": can.chat is not None,
        "deterministic": verdicts[can.deterministic],
        "continuation": _continuation(can),
        "prompts by token ids": can.takes_ids,
        "probe": f"{caller.tally.requests} requests of at most {LENGTH} tokens",
        "refused": refused,
        **by_way,
    }


def _continuation(can: Abilities) -> str:
    proven = {"": "raw texts", " ": "raw texts, with a space that the server leaves out put back"}
    ways = [proven.get(can.joint or "", "") if can.joint is not None else "raw texts, unproven"]
    ways = ways if can.completions else ["raw texts"] * can.continues_alone
    ways += ["conversations"] if can.continues is not None else []
    return "; ".join(ways) or "none"

"""Finds out what one completion endpoint really does, by a few tiny requests.

A field that is accepted proves nothing: many servers ignore what they do not know. So each is tried where
its effect must show. At temperature 2 ``top_k=1`` must give the greedy completion again, equal seeds must
give equal completions and another seed another one, log-probabilities must not change with the
temperature, and a stop text taken from the middle of the greedy completion must end it there.
"""

import asyncio
import math
from collections.abc import Mapping
from typing import Any

from calculemus.engine.http_engine.abilities import CHAT, Way
from calculemus.engine.http_engine.caller import Caller
from calculemus.engine.http_engine.ending import end
from calculemus.engine.http_engine.outcome import Failed, Spent
from calculemus.engine.http_engine.reading import Choice, Reply, read_reply
from calculemus.engine.http_engine.usage import MISSING, UNCHECKED, WRONG, judge
from calculemus.engine.requests import Sampling
from calculemus.errors import EngineError

LENGTH = 12  # tokens of a trial
_HOT = 2.0
TOLERANCE = 0.1  # of a log-probability: half precision in batches of other sizes is off by less
_QUESTIONS = (
    "Tom has 2 apples and buys 3 more. Write ten different words about him.",
    "Go on counting: 1, 2, 3, 4, 5,",
    "Tell what happened next. Once there was",
)
_WORDS = 4  # of a completion with a middle
PATIENCE = 3  # a feature that makes the server fail is not tried for minutes


class Trials:
    """Trial requests to one endpoint; a refusal is an answer.

    Attributes:
        model: The model.
        path: The endpoint.
        refused: What the server said to each trial that it refused.
    """

    def __init__(self, caller: Caller, model: str, path: str) -> None:
        self.model = model
        self.path = path
        self.refused: dict[str, str] = {}
        self.limit = "max_tokens"
        self._caller = caller
        self._question = _QUESTIONS[0]

    @property
    def prompt(self) -> dict[str, Any]:
        """The prompt of all trials."""
        if self.path == CHAT:
            return {"messages": [{"role": "user", "content": self._question}]}
        return {"prompt": f"Q: {self._question}\nA:"}

    async def first(self) -> Reply | Failed:
        """Return the greedy completion, or how it failed; the first question with a long one is kept.

        Raises:
            EngineError: The server has stopped answering.
        """
        result = await self._send({}, LENGTH)
        if isinstance(result, Failed) and "max_completion_tokens" in result.message:
            self.limit = "max_completion_tokens"
            result = await self._send({}, LENGTH)
        for question in _QUESTIONS[1:]:
            if isinstance(result, Failed) or len(shown(result.choices[0]).split()) >= _WORDS:
                break
            self._question = question
            result = await self._send({}, LENGTH)
        return result

    async def ask(self, name: str, fields: Mapping[str, Any], length: int = LENGTH) -> Reply | None:
        """Return the reply with further fields; None where the server refuses.

        Raises:
            EngineError: The server has stopped answering.
        """
        result = await self._send(fields, length)
        if not isinstance(result, Failed):
            return result
        self.refused[name] = str(result.history[-1])
        return None

    async def _send(self, fields: Mapping[str, Any], length: int) -> Reply | Failed:
        body: dict[str, Any] = {
            "model": self.model,
            **self.prompt,
            self.limit: length,
            "temperature": 0,
            "top_p": 1.0,
        }
        result = await self._caller.attempt(
            self.path, {**body, **fields}, read_reply, spent=Spent(), tokens=length + 100, patience=PATIENCE
        )
        if isinstance(result, Failed) and result.is_silence:
            raise EngineError(result.message)
        return result if isinstance(result, Failed) else result.value


async def probe_way(trials: Trials, greedy: Reply) -> tuple[Way, dict[str, Any]]:
    """Try everything on one endpoint.

    Args:
        trials: Sends the requests.
        greedy: The reply to the first one.

    Returns:
        The endpoint as it is, and facts for people.
    """
    text = shown(greedy.choices[0])
    (logprobs, usage), takes_n, seed, extras, (shows_stops, stop), ids = await asyncio.gather(
        _try_logprobs(trials, greedy),
        _try_n(trials),
        _try_seeds(trials, text),
        _try_extras(trials, text),
        _try_stop(trials, text),
        _try_ids(trials, text),
    )
    way = Way(
        path=trials.path,
        limit=trials.limit,
        takes_n=takes_n,
        logprobs=logprobs == "given",
        takes_seed=seed == "honoured",
        extras=extras,
        shows_stops=shows_stops,
        ids=ids,
        usage=usage,
    )
    facts = {
        "n": "by the server" if takes_n else "emulated by repeated requests",
        "logprobs": logprobs,
        "seed": seed,
        "extras": sorted(extras),
        "stop": stop,
        "usage": usage,
    }
    return way, facts


def shown(choice: Choice) -> str:
    """Return all that a model wrote: a reasoning model may not get beyond thinking in a trial."""
    return choice.thinking + choice.text


async def _try_logprobs(trials: Trials, greedy: Reply) -> tuple[str, str]:
    """Return the state of log-probabilities, and that of the usage block."""
    fields = {"logprobs": True, "top_logprobs": 5} if trials.path == CHAT else {"logprobs": 5}
    cold, hot = await asyncio.gather(
        trials.ask("logprobs", fields),
        trials.ask("logprobs", {**fields, "temperature": _HOT}, length=1),
    )
    usage = _worst([judge(reply, LENGTH) for reply in (greedy, cold) if reply])
    if cold is None or hot is None:
        return "refused", usage
    tokens = cold.choices[0].tokens
    if not tokens or any(math.isnan(value) for _, value in tokens):
        return "not given", usage
    if not "".join(text for text, _ in tokens).startswith(cold.choices[0].text):
        return "wrong: the listed tokens are not those of the text", usage
    above, below = cold.choices[0].top or {}, hot.choices[0].top or {}
    apart = [abs(above[token] - below[token]) for token in above if token in below]
    if not apart:
        return "unproven: no list of most probable tokens to compare", usage
    if max(apart) > TOLERANCE:
        return "wrong: they change with the temperature", usage
    return "given", usage


def _worst(states: list[str]) -> str:
    """Return the state of the usage block over several replies: one wrong figure spoils all."""
    for state in (WRONG, MISSING):
        if state in states:
            return state
    return UNCHECKED if set(states) == {UNCHECKED} else "checked"


async def _try_n(trials: Trials) -> bool:
    reply = await trials.ask("n", {"n": 2, "temperature": _HOT}, length=4)
    return reply is not None and len(reply.choices) == 2


async def _try_seeds(trials: Trials, greedy: str) -> str:
    seeds = (11, 11, 12)
    replies = await asyncio.gather(
        *(trials.ask("seed", {"seed": seed, "temperature": _HOT}) for seed in seeds)
    )
    texts = [shown(reply.choices[0]) for reply in replies if reply]
    if len(texts) < len(seeds):
        return "refused"
    if texts[0] != texts[1]:
        return "not honoured"
    if texts[0] == texts[2]:
        return "unproven: the temperature has no effect" if texts[0] == greedy else "unproven"
    return "honoured"


async def _try_extras(trials: Trials, greedy: str) -> frozenset[str]:
    """Return the further fields that have their effect; each of these must give the greedy text."""
    tried = {
        "top_k": {"top_k": 1, "temperature": _HOT},
        "min_p": {"min_p": 1.0, "temperature": _HOT},
        "repetition_penalty": {"repetition_penalty": 1.0},
    }
    replies = await asyncio.gather(*(trials.ask(name, fields) for name, fields in tried.items()))
    named = zip(tried, replies, strict=True)
    return frozenset(name for name, reply in named if reply and shown(reply.choices[0]) == greedy)


async def _try_stop(trials: Trials, greedy: str) -> tuple[bool, str]:
    """Return whether the stop text that ended a completion shows, and what happens to it."""
    stop = middle_of(greedy)
    if not stop:
        return False, "unproven: cut here"
    reply = await trials.ask("stop", {"stop": [stop]})
    if reply is None:
        return False, "refused: cut here"
    choice = reply.choices[0]
    if len(shown(choice)) >= len(greedy):
        return False, "ignored: cut here"
    if end(choice, Sampling(stop=(stop,))).stopped_by != stop:
        return False, "does not show which: cut here"
    return True, "by the server"


def middle_of(text: str) -> str:
    """Return a word from the middle of a text, or a letter where it has no words."""
    words = text.split()[1:-1]
    return words[len(words) // 2] if words else text[len(text) // 2 : len(text) // 2 + 1].strip()


async def _try_ids(trials: Trials, greedy: str) -> bool:
    reply = await trials.ask("return_token_ids", {"return_token_ids": True})
    choice = reply.choices[0] if reply else None
    return bool(choice and choice.ids and choice.prompt_ids and shown(choice) == greedy)

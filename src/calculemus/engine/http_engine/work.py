"""Turns jobs into requests and their replies into rows."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from calculemus.cost import Cost, Meter
from calculemus.engine.base import Job
from calculemus.engine.http_engine.abilities import COMPLETIONS, Abilities, Way
from calculemus.engine.http_engine.caller import Caller
from calculemus.engine.http_engine.ending import end, pieces_of
from calculemus.engine.http_engine.outcome import Spent
from calculemus.engine.http_engine.reading import (
    Choice,
    Reply,
    Usage,
    read_embeddings,
    read_reply,
    read_usage,
)
from calculemus.engine.http_engine.scoring import read_scores, read_scores_by_id
from calculemus.engine.http_engine.usage import WRONG, charge, charge_score, judge, tokens_cost
from calculemus.engine.http_engine.wire import (
    Route,
    continued,
    route,
    sample_body,
    score_body,
    score_prompt,
    with_joint,
)
from calculemus.engine.requests import Chat, Completion, Embed, EngineRequest, Sample, Score, Scored
from calculemus.errors import EngineError

T = TypeVar("T")
Vectors = tuple[tuple[float, ...], ...]

_LARGEST_N = 32  # completions asked for in one request
_BYTES_PER_TOKEN = 3  # a low guess, so that limits of tokens are rather kept than broken


class Work:
    """One job and what it has cost so far."""

    def __init__(self, name: str, caller: Caller, can: Abilities, job: Job) -> None:
        self.job = job
        self._name = name
        self._caller = caller
        self._can = can
        self._meter = Meter()
        self._spent = Spent()

    @property
    def cost(self) -> Cost:
        """What the job has cost so far; tokens are unknown where a request was cancelled under way."""
        total = self._meter.total
        if self._spent.is_torn:
            total = total + tokens_cost(None, None, None, None)
        return replace(
            total,
            flops=None,
            peak_bytes=None,
            seconds_engine=self._spent.shared,
            seconds_queue=self._spent.waited,
        )

    async def run(self) -> tuple[Any, ...]:
        """Return the job's reply.

        Raises:
            EngineError: A request failed for good.
        """
        request: EngineRequest = self.job.request
        if isinstance(request, Sample):
            return await self._sample(request)
        if isinstance(request, Score):
            return tuple(await _all([self._score(request, row) for row in range(len(request.continuations))]))
        assert isinstance(request, Embed), "the request was checked"
        return await self._embed(request)

    async def _sample(self, request: Sample) -> tuple[Completion, ...]:
        to = route(self._name, request.prompt, self._can)
        if to.way.takes_seed or request.sampling.temperature == 0 or not to.way.takes_n:
            # A seed for each row: then a row does not depend on how many others are asked for with it.
            groups = [self._group(request, to, row, 1, self._seed(row)) for row in range(request.n)]
        else:
            starts = range(0, request.n, _LARGEST_N)
            groups = [self._group(request, to, s, min(_LARGEST_N, request.n - s), None) for s in starts]
        return tuple(completion for group in await _all(groups) for completion in group)

    def _seed(self, row: int) -> int | None:
        return self.job.seeds[row] if self.job.seeds else None

    async def _group(
        self, request: Sample, to: Route, row: int, n: int, seed: int | None
    ) -> list[Completion]:
        """Return ``n`` completions, asking again for those that a reply leaves out."""
        completions: list[Completion] = []
        while (missing := n - len(completions)) > 0:
            body = sample_body(self._can.model, to, request.sampling, missing, seed)
            most = request.sampling.max_tokens * missing
            reply = await self._call(to.way.path, body, _reader(to.way), row + len(completions), most)
            choices = [with_joint(request.prompt, choice, self._can) for choice in reply.choices[:missing]]
            self._charge(request, to, reply, choices)
            completions += [self._complete(request, to, choice) for choice in choices]
            if len(choices) < missing:
                self._caller.tally.add_flaw("fewer completions than asked for; the rest was asked for again")
        return completions

    async def _call(
        self, path: str, body: Mapping[str, Any], read: Callable[[Any], T], row: int, most: int
    ) -> T:
        seed = self._seed(row)
        key = row if seed is None else seed
        tokens = most + len(str(body)) // _BYTES_PER_TOKEN
        return await self._caller.call(path, body, read, spent=self._spent, key=key, tokens=tokens)

    def _complete(self, request: Sample, to: Route, choice: Choice) -> Completion:
        if choice.finish == "content_filter":
            raise EngineError(
                f"{self._name}: sampling a completion: the server withheld it (content_filter); expected a "
                "text. The question or the answer is against its rules: leave the problem out"
            )
        ending = end(choice, request.sampling)
        ids = choice.ids if ending.kept is not None else None
        values = tuple(value for _, value in choice.tokens or ())
        has_values = to.way.logprobs and ending.kept is not None
        both = None
        if ids is not None and choice.prompt_ids is not None and ending.written is not None:
            both = choice.prompt_ids + ids[: ending.written]
        whole = Completion(
            text=ending.text,
            ids=None if ids is None else ids[: ending.kept],
            logprobs=values[: ending.kept] if has_values else None,
            finish=ending.finish,
            stopped_by=ending.stopped_by,
            prefix=continued(request.prompt, ending.text, both, self._can),
        )
        start = continued(request.prompt, "", choice.prompt_ids, self._can)
        if not request.sampling.pieces or both is None or isinstance(start, Chat):
            return whole
        return replace(whole, pieces=pieces_of(choice, ending), start=start)

    def _charge(self, request: Sample, to: Route, reply: Reply, choices: Sequence[Choice]) -> None:
        longest = request.sampling.max_tokens
        if judge(reply, longest) == WRONG:
            self._caller.tally.add_flaw("the usage block contradicts the reply and was not believed")
        endings = [end(choice, request.sampling) for choice in choices]
        self._meter.add(charge(reply, endings, longest, to.way.usage))

    async def _score(self, request: Score, row: int) -> Scored:
        continuation = request.continuations[row]
        before = score_prompt(request.prompt, continuation, self._can)
        if not continuation:
            return Scored(None if isinstance(continuation, str) else (), ())
        if isinstance(continuation, str):
            assert isinstance(before, str), "the request was checked"
            reply = await self._echo(before + continuation, row)
            return Scored(None, self._cut_out(reply, lambda: read_scores(reply, before, continuation)))
        assert isinstance(before, list), "the request was checked"
        reply = await self._echo([*before, *continuation], row)
        n_before, n_scored = len(before), len(continuation)
        values = self._cut_out(reply, lambda: read_scores_by_id(reply, n_before, n_scored))
        return Scored(continuation, values)

    async def _echo(self, whole: str | list[int], row: int) -> Reply:
        reply = await self._call(COMPLETIONS, score_body(self._can.model, whole), _read_listed, row, 1)
        self._meter.add(charge_score(reply, None if isinstance(whole, str) else len(whole)))
        return reply

    def _cut_out(self, reply: Reply, read: Callable[[], tuple[float, ...]]) -> tuple[float, ...]:
        try:
            return read()
        except ValueError as error:
            text = reply.choices[0].text
            raise EngineError(f"{self._name}: scoring the end of {text[-60:]!r}: {error}") from None

    async def _embed(self, request: Embed) -> Vectors:
        if not request.texts:
            return ()
        texts = list(request.texts)

        def read(said: Any) -> tuple[Vectors, Usage]:
            vectors = read_embeddings(said)
            if len(vectors) != len(texts):
                raise ValueError(f"{len(vectors)} embeddings for {len(texts)} texts")
            return vectors, read_usage(said)

        body = {"model": self._can.model, "input": texts}
        vectors, usage = await self._call("/embeddings", body, read, 0, 0)
        self._meter.add(tokens_cost(usage.prompt, usage.cached, 0, 0))
        return vectors


def _reader(way: Way) -> Callable[[Any], Reply]:
    """Return a reader that misses nothing that the endpoint gave when it was tried."""

    def read(said: Any) -> Reply:
        reply = read_reply(said)
        for choice in reply.choices:
            if way.logprobs and choice.tokens is None:
                raise ValueError("no log-probabilities, which the server gave when it was tried")
            if way.ids and (choice.ids is None or choice.prompt_ids is None):
                raise ValueError("no token ids, which the server gave when it was tried")
            if way.ids and choice.tokens is not None and len(choice.ids or ()) != len(choice.tokens):
                raise ValueError("not as many token ids as tokens")
        return reply

    return read


def _read_listed(said: Any) -> Reply:
    reply = read_reply(said)
    if not reply.choices[0].tokens:
        raise ValueError("no log-probabilities of the prompt, which the server gave when it was tried")
    return reply


async def _all(parts: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Run everything to its end, also where a part fails: what was paid for is counted."""
    done = await asyncio.gather(*parts, return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result
    return [result for result in done if not isinstance(result, BaseException)]

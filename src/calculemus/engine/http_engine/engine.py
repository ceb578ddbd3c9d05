"""An engine behind an OpenAI-compatible endpoint: vLLM, SGLang, llama.cpp, Ollama, hosted services."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Annotated

from calculemus.engine.base import Done, Job
from calculemus.engine.http_engine.abilities import Abilities
from calculemus.engine.http_engine.address import Address, check_key, read_address
from calculemus.engine.http_engine.background import Background
from calculemus.engine.http_engine.caller import Caller, Terms
from calculemus.engine.http_engine.check import check, kinds
from calculemus.engine.http_engine.limits import Gate
from calculemus.engine.http_engine.probe import probe
from calculemus.engine.http_engine.tally import Tally
from calculemus.engine.http_engine.usage import MISSING, WRONG
from calculemus.engine.http_engine.work import Work
from calculemus.engine.requests import Capabilities, EngineRequest
from calculemus.engine.rows import count_rows
from calculemus.events import note
from calculemus.params import AtLeast, Between, Configured, digest


@dataclass(frozen=True)
class HttpSettings(Configured):
    """The settings of an engine, so that they are checked like all others."""

    concurrency: Annotated[int, Between(1, 4096)]
    requests_per_minute: Annotated[int | None, AtLeast(1)]
    tokens_per_minute: Annotated[int | None, AtLeast(1)]
    timeout: Annotated[float, Between(0, 86_400, open_left=True)]
    retries: Annotated[int, AtLeast(0)]
    first_pause: Annotated[float, AtLeast(0)]


class HttpEngine:
    """A model behind an OpenAI-compatible endpoint.

    The server is tried out with some dozens of tiny requests first: what it says that it can do, or accepts,
    counts for nothing, only what has shown its effect. What it lacks is emulated where that gives the same
    (several completions, stop texts) and refused otherwise. Rows that fail for passing reasons are tried
    again; ``report`` says what happened.

    Seconds of the engine are wall-clock seconds, each moment in equal parts for the requests under way; FLOPs
    are unknown. Tokens that a failed try may have cost are not known either, and not charged.

    Example:
        >>> engine = HttpEngine("http://127.0.0.1:8000/v1#tiny")        # doctest: +SKIP
        >>> engine.capabilities.deterministic                           # doctest: +SKIP
        True
    """

    def __init__(
        self,
        address: str,
        *,
        key: str | None = None,
        concurrency: int = 16,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        timeout: float = 600.0,
        retries: int = 8,
        first_pause: float = 0.5,
    ) -> None:
        """Try out the server.

        Args:
            address: Such as ``http://127.0.0.1:8000/v1#model``; without a model where there is only one.
            key: Sent as a bearer token, and shown nowhere.
            concurrency: Requests under way at once, at most.
            requests_per_minute: In any 60 seconds, at most.
            tokens_per_minute: In any 60 seconds, at most; a request counts with the longest completion that
                it allows until its reply says what it took.
            timeout: Seconds for one try, from its beginning to the last byte of the reply.
            retries: Tries of a request after the first one.
            first_pause: Seconds before the second try; the pauses double up to 30.

        Raises:
            InvalidParameterError: An address or a setting that cannot be.
            EngineError: The server does not answer, refuses the key, or has not the model.
        """
        HttpSettings(concurrency, requests_per_minute, tokens_per_minute, timeout, retries, first_pause)
        self._address, key = read_address(address), check_key(key)
        self._concurrency = concurrency
        self._done: SimpleQueue[Done] = SimpleQueue()
        self._rows: dict[int, int] = {}  # of each job in flight
        self._tasks: dict[int, tuple[Work, asyncio.Task[None]]] = {}  # touched in the background only
        self._background = Background()
        terms = Terms(timeout, retries, first_pause)
        limits = (requests_per_minute, tokens_per_minute)
        try:
            connecting = _connect(self._address, key, terms, limits, concurrency)
            self._caller, self._can = self._background.call(connecting)
        except BaseException:
            self._background.close()
            raise
        self._name = f"{self._address.base}#{self._can.model}"
        self._digest = _digest(self._address, self._can)
        for flaw in _flaws(self._can):
            note(f"{self._name}: {flaw}")

    def __repr__(self) -> str:
        return f"HttpEngine({self._name!r})"

    @property
    def name(self) -> str:
        """Address and model."""
        return self._name

    @property
    def digest(self) -> str:
        """Names the address, the model, what the server says of it, and how its greedy trial began."""
        return self._digest

    @property
    def capabilities(self) -> Capabilities:
        """What the server has shown that it can do."""
        can = self._can
        return Capabilities(
            kinds=kinds(can),
            logprobs=all(way.logprobs for way in can.ways),
            # A conversation is continued as such: its text is rendered and tokenised again.
            token_ids=can.takes_ids and can.chat is None,
            deterministic=can.deterministic,
            context=can.context,
            rows=self._concurrency,
            facts=can.facts,
        )

    def count_tokens(self, request: EngineRequest) -> int | None:
        """Return None: only the server has the tokenizer."""
        del request
        return None

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take all of the jobs or none; returns at once.

        Raises:
            EngineCapabilityError: A kind of request, or an option of it, that the server does not have.
        """
        for job in jobs:
            check(self._name, job.request, self._can)
        self._rows |= {job.ticket: count_rows(job.request) for job in jobs}
        works = [Work(self._name, self._caller, self._can, job) for job in jobs]
        self._background.call(self._begin(works))

    def wait(self) -> list[Done]:
        """Wait until a job is finished; return all finished ones, [] where nothing is in flight."""
        if not self._rows:
            return []
        finished = [self._done.get()]
        with suppress(Empty):
            while True:
                finished.append(self._done.get_nowait())
        for done in finished:
            del self._rows[done.ticket]
        return finished

    def cancel(self, tickets: Sequence[int]) -> list[Done]:
        """Stop jobs; returns what they cost, and nothing for those that are finished.

        Of a request that is cut off under way nobody knows the tokens: its connection is closed, upon which
        most servers stop.
        """
        stopped = self._background.call(self._stop(tickets))
        for done in stopped:
            del self._rows[done.ticket]
        return stopped

    def free_rows(self) -> int:
        """Return how many more rows can be under way."""
        return max(0, self._concurrency - sum(self._rows.values()))

    def report(self) -> str:
        """Say what failed so far and why, in a few lines; empty where nothing did."""
        return self._caller.tally.report()

    def close(self) -> None:
        """Stop what is in flight and close all connections."""
        if self._background.is_closed:
            return
        report = self.report()
        if report:
            note(f"{self._name}: {report}")
        self.cancel(list(self._rows))
        self._rows.clear()
        self._background.call(self._caller.close())
        self._background.close()

    async def _begin(self, works: list[Work]) -> None:
        for work in works:
            task = asyncio.create_task(self._run(work))
            self._tasks[work.job.ticket] = (work, task)

    async def _run(self, work: Work) -> None:
        ticket = work.job.ticket
        reply, failure = None, None
        try:
            reply = await work.run()
        except Exception as error:  # whatever it is, it ends this job alone
            failure = error
        del self._tasks[ticket]
        self._done.put(Done(ticket, reply, work.cost, failure))

    async def _stop(self, tickets: Sequence[int]) -> list[Done]:
        found = [self._tasks.pop(ticket) for ticket in tickets if ticket in self._tasks]
        for _, task in found:
            task.cancel()
        await asyncio.gather(*(task for _, task in found), return_exceptions=True)
        return [Done(work.job.ticket, None, work.cost) for work, _ in found]


async def _connect(
    address: Address, key: str | None, terms: Terms, limits: tuple[int | None, int | None], concurrency: int
) -> tuple[Caller, Abilities]:
    """Open connections to a server and try it out."""
    caller = Caller(address, key, terms, Gate(*limits), concurrency)
    try:
        can = await probe(caller)
    except BaseException:
        await caller.close()
        raise
    caller.tally = Tally()  # what the server refused while it was tried out is among the facts
    return caller, can


def _digest(address: Address, can: Abilities) -> str:
    return digest(
        {
            "engine": "http",
            "base": address.base,
            "model": can.model,
            "record": can.facts["record"],
            "endpoints": [way.path for way in can.ways],
            "fingerprint": can.fingerprint,
        }
    )


def _flaws(can: Abilities) -> list[str]:
    """Return what a user should know before a run."""
    flaws = []
    if can.deterministic is False:
        flaws.append("equal requests gave different replies under load; a repeated run may differ")
    if can.deterministic is None:
        flaws.append("seeds have no proven effect; a repeated run may give other samples")
    for way in can.ways:
        state = can.facts[way.path[1:]]
        if "temperature has no effect" in state["seed"]:
            flaws.append(f"{way.path}: the temperature has no effect; all samples of a prompt may be equal")
        if way.usage in (WRONG, MISSING):
            flaws.append(f"{way.path}: the usage block is {way.usage}; tokens count as unknown")
    return flaws

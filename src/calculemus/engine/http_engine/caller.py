"""One request and its tries: limits, deadlines, pauses, and a clear end where nothing helps."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import httpx

from calculemus.engine.http_engine.address import Address, without_key
from calculemus.engine.http_engine.faults import (
    Fault,
    fault_of_connection,
    fault_of_error_body,
    fault_of_status,
    pause,
)
from calculemus.engine.http_engine.limits import Gate
from calculemus.engine.http_engine.outcome import Failed, Got, Spent
from calculemus.engine.http_engine.tally import SharedClock, Tally
from calculemus.errors import EngineError
from calculemus.rng import Rng

T = TypeVar("T")

LARGEST_REPLY = 64 * 2**20  # bytes: a reply that does not end must not fill the memory
_ALIVE_SECONDS = 10.0  # for a sign of life from a server that has stopped answering
_ADVICE = {
    400: "The server refuses this request as it is: shorten the prompt, or change what it names",
    401: "Give the endpoint's key in the environment variable CALCULEMUS_API_KEY or OPENAI_API_KEY",
    402: "The account has run out of credit",
    403: "The key is not allowed to use this model: take another key or another model",
    404: "Check the address (most end in /v1) and the name of the model behind '#'",
    413: "The prompt is too long for the server: shorten it",
    422: "The server refuses this request as it is: shorten the prompt, or change what it names",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """How long and how often to try.

    Attributes:
        timeout: Seconds for one try, from the first byte sent to the last one received.
        retries: Tries after the first one.
        first_pause: Seconds before the second try; the pauses double.
    """

    timeout: float
    retries: int
    first_pause: float


@contextmanager
def _adding_waits(spent: Spent) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        spent.waited += time.monotonic() - began


def _used(said: Any, reserved: int) -> int:
    """Return the tokens that the server says a request took; what was reserved where it does not say."""
    usage = said.get("usage") if isinstance(said, dict) else None
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    return total if isinstance(total, int) and total >= 0 else reserved


class Caller:
    """Sends requests to one endpoint; lives in the engine's background thread.

    Attributes:
        tally: What happened so far.
        server: What the server calls itself.
    """

    def __init__(self, address: Address, key: str | None, terms: Terms, gate: Gate, concurrency: int) -> None:
        self.address = address
        self.terms = terms
        self.tally = Tally()
        self.server: str | None = None
        self._key = key
        self._gate = gate
        self._clock = SharedClock()
        self._slots = asyncio.Semaphore(concurrency)
        self._dead: str | None = None
        self._client = httpx.AsyncClient(
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(terms.timeout, pool=None),  # waiting for a connection is no fault
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=concurrency),
            trust_env=not address.is_loopback,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def call(
        self,
        path: str,
        body: Mapping[str, Any] | None,
        read: Callable[[Any], T],
        *,
        spent: Spent | None = None,
        key: int = 0,
        tokens: int = 0,
    ) -> T:
        """Send a request until it is answered, and return what was read from the answer.

        Args:
            path: Behind the address, for example ``/completions``.
            body: Sent as JSON; None makes it a GET.
            read: Reads the reply's JSON; a ValueError of it means that the reply is malformed.
            spent: Where the time is added, also where the request fails or is cancelled.
            key: Tells equal requests apart, so that they pause for different times.
            tokens: The most that the request can use, for the limit.

        Raises:
            EngineError: It was refused, or every try failed.
        """
        spent = Spent() if spent is None else spent
        result = await self.attempt(path, body, read, spent=spent, key=key, tokens=tokens)
        if not isinstance(result, Failed):
            return result.value
        if result.is_silence and self._dead is None and not await self._is_alive():
            self._dead = f"{self.address.name}: the endpoint has stopped answering. {result.message}"
        raise EngineError(result.message)

    async def attempt(
        self,
        path: str,
        body: Mapping[str, Any] | None,
        read: Callable[[Any], T],
        *,
        spent: Spent,
        key: int = 0,
        tokens: int = 0,
        retries: int | None = None,
        patience: int | None = None,
    ) -> Got[T] | Failed:
        """Do what ``call`` does and return its end, good or bad.

        Args:
            path: See ``call``, also for the next five.
            body: What is sent.
            read: Reads the reply.
            spent: Where the time is added.
            key: Tells equal requests apart.
            tokens: The most that it can use.
            retries: Tries after the first one; None for the usual number.
            patience: Tries after faults that may be the request's own; None for ``retries``.
        """
        content = None if body is None else json.dumps(body).encode()
        rng = Rng(0, ("http", path, key, (content or b"").decode()))
        allowed = self.terms.retries if retries is None else min(retries, self.terms.retries)
        history: list[Fault] = []
        began = time.monotonic()
        while True:
            with _adding_waits(spent):
                if history:
                    asked = history[-1].retry_after
                    await asyncio.sleep(pause(len(history) - 1, self.terms.first_pause, asked, rng))
                await self._slots.acquire()
            try:
                with _adding_waits(spent):
                    reserved = await self._gate.enter(tokens)  # last of all: what passes goes out at once
                if self._dead:
                    return Failed(history, self._dead)
                result = await self._try(path, content, read, spent)
            finally:
                self._slots.release()
            if not isinstance(result, Fault):
                self._gate.settle(reserved, _used(result.said, tokens))
                return result
            history.append(result)
            its_own = sum(fault.may_be_the_requests for fault in history)
            has_patience = patience is None or its_own <= patience
            is_last = result.is_final or len(history) > allowed or not has_patience
            self.tally.add_fault(result, is_last)
            if result.retry_after is not None:
                self._gate.close_for(result.retry_after)
            if is_last:
                return Failed(history, self._describe(path, history, time.monotonic() - began))

    async def _is_alive(self) -> bool:
        """Ask for any reply at all: one request may be too much for a server that does answer others."""
        try:
            async with asyncio.timeout(min(_ALIVE_SECONDS, self.terms.timeout)):
                await self._exchange("/models", None)
        except (httpx.HTTPError, TimeoutError):
            return False
        return True

    async def _try(
        self, path: str, content: bytes | None, read: Callable[[Any], T], spent: Spent
    ) -> Got[T] | Fault:
        """Send a request once."""
        mark = self._clock.enter()
        self.tally.add_request()
        try:
            async with asyncio.timeout(self.terms.timeout):
                status, headers, received = await self._exchange(path, content)
        except (httpx.HTTPError, TimeoutError) as error:
            return self._clean(fault_of_connection(error, self.terms.timeout))
        except asyncio.CancelledError:
            spent.is_torn = True
            raise
        finally:
            spent.shared += self._clock.leave(mark)
        if not 200 <= status < 300:
            return self._clean(fault_of_status(status, headers, received))
        return self._read(received, read)

    async def _exchange(self, path: str, content: bytes | None) -> tuple[int, httpx.Headers, bytes]:
        method = "GET" if content is None else "POST"
        headers = {} if content is None else {"content-type": "application/json"}
        url = self.address.base + path
        async with self._client.stream(method, url, content=content, headers=headers) as response:
            self.server = self.server or response.headers.get("server")
            parts, size = [], 0
            async for part in response.aiter_bytes():
                parts.append(part)
                size += len(part)
                if size > LARGEST_REPLY:
                    raise httpx.DecodingError(f"more than {LARGEST_REPLY} bytes")
            return response.status_code, response.headers, b"".join(parts)

    def _read(self, content: bytes, read: Callable[[Any], T]) -> Got[T] | Fault:
        try:
            said = json.loads(content)
        except (ValueError, RecursionError):
            start = content[:60].decode("utf-8", "replace")
            return self._clean(Fault("malformed reply", f"no JSON: {start!r}, {len(content)} bytes"))
        if isinstance(said, dict) and said.get("error"):
            return self._clean(fault_of_error_body(said["error"]))
        try:
            return Got(read(said), said)
        except ValueError as error:
            return self._clean(Fault("malformed reply", str(error)[:300]))

    def _clean(self, fault: Fault) -> Fault:
        return replace(fault, message=without_key(fault.message, self._key))

    def _describe(self, path: str, history: Sequence[Fault], seconds: float) -> str:
        last = history[-1]
        doing = f"{self.address.name}: asking {path}"
        if last.is_final:
            advice = _ADVICE.get(last.status or 0, "Read the server's message and its documentation")
            return f"{doing}: {last}; expected status 200. {advice}"
        counts = Counter(map(str, history))
        causes = ", ".join(f"{count} x {cause}" for cause, count in counts.items())
        return (
            f"{doing}: {len(history)} tries in {seconds:.0f} s failed: {causes}; expected an answer. See "
            "whether the server runs and what it logs, then run the command again: finished rows are kept"
        )

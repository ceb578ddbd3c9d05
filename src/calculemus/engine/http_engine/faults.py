"""What can go wrong with one request, what it means, and how long to wait before the next try."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from calculemus.rng import Rng

LONGEST_PAUSE = 30.0  # seconds between tries where the server names no time
LONGEST_RETRY_AFTER = 600.0  # a server that asks for more has run out of quota, not of breath
_TRANSIENT = (408, 425, 429)
_NEVER = (501, 505)  # not implemented: trying again changes nothing


@dataclass(frozen=True, slots=True)
class Fault:
    """One try that failed.

    Attributes:
        cause: In a few words, equal for equal causes: ``status 429``, ``connection dropped``.
        message: What the server or the connection said, without secrets.
        status: The reply's status; None where there was no reply.
        is_final: Whether another try would fail in the same way.
        retry_after: Seconds that the server asks to wait.
        is_silence: Whether no whole reply came.
    """

    cause: str
    message: str = ""
    status: int | None = None
    is_final: bool = False
    retry_after: float | None = None
    is_silence: bool = False

    @property
    def may_be_the_requests(self) -> bool:
        """Whether the request itself may be at fault: a server that breaks over it, or answers nonsense."""
        return self.status == 500 or (self.status is None and not self.is_silence)

    def __str__(self) -> str:
        return f"{self.cause} ({self.message})" if self.message else self.cause


def fault_of_connection(error: httpx.HTTPError | TimeoutError, timeout: float) -> Fault:
    """Say what a broken or silent connection means."""
    if isinstance(error, (TimeoutError, httpx.TimeoutException)):
        return Fault(f"no complete reply in {timeout:g} s", is_silence=True)
    if isinstance(error, httpx.ConnectError):
        return Fault("no connection", str(error)[:200], is_silence=True)
    if isinstance(error, httpx.TransportError):
        return Fault("connection dropped", str(error)[:200], is_silence=True)
    return Fault("malformed reply", str(error)[:200])


def fault_of_status(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """Say what a reply with an error status means."""
    message, code = _server_message(body)
    wait = read_retry_after(headers.get("retry-after"), datetime.now(UTC))
    out_of_quota = code == "insufficient_quota" or (wait or 0) > LONGEST_RETRY_AFTER
    is_transient = status in _TRANSIENT or (status >= 500 and status not in _NEVER)
    if 300 <= status < 400:
        message = f"it points to {headers.get('location', 'nowhere')!r}"
    return Fault(f"status {status}", message, status, not is_transient or out_of_quota, wait)


def fault_of_error_body(error: Any) -> Fault:
    """Say what an ``error`` in a reply of status 200 means: some gateways pass errors on like that."""
    code = error.get("code") if isinstance(error, dict) else None
    body = json.dumps({"error": error}).encode()
    if isinstance(code, int) and 300 <= code < 600:
        return fault_of_status(code, {}, body)
    return Fault("error in the reply", _server_message(body)[0])


def _server_message(body: bytes) -> tuple[str, Any]:
    """Return what the server said, at most 300 signs of it, and its error code."""
    text = body[:100_000].decode("utf-8", "replace")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return " ".join(text.split())[:300], None
    code = None
    for key in ("error", "detail", "message"):
        if isinstance(said, dict) and said.get(key):
            code = said.get("code", code)
            said = said[key]
    if isinstance(said, dict):
        code = said.get("code", code)
    plain = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return " ".join(plain.split())[:300], code


def read_retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, which may be a number or a date."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError):  # neither; a date without a zone
            return None
    return max(0.0, seconds) if seconds == seconds else None


def pause(attempt: int, first: float, retry_after: float | None, rng: Rng) -> float:
    """Return the seconds to wait after try number ``attempt`` (from 0).

    They double from ``first`` on, and a keyed share of up to a half is taken off, so that rows which failed
    together do not come back together. A server's own figure is never undercut.
    """
    share = rng.child("pause", attempt).generator().random() / 2
    doubling = min(LONGEST_PAUSE, first * 2.0 ** min(attempt, 30))
    if retry_after is None:
        return doubling * (1 - share)
    return retry_after + min(doubling, first) * share

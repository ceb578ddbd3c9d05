"""What keeps a local server to its reader: names, keys, forms of other sites, and scripts in texts.

A page of another site can make a browser send requests to this machine. It cannot set the header ``Host`` to
a name of ours without owning that name's address (rebinding), cannot read our pages, and so cannot know the
key that every form sends back; and a browser tells where a form came from. All three are checked.
"""

import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "calculemus_token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(frozen=True)
class Rules:
    """Whom the server answers.

    Attributes:
        token: What a reader must show; None on loopback, where none is needed.
        names: Names of this server beside its addresses, as they stand in the header ``Host``.
    """

    token: str | None = None
    names: tuple[str, ...] = field(default=("localhost",))


OPEN = Rules()
"""Readers of this machine, without a token."""


class Guard:
    """Stands before the application and lets through what keeps to the rules."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is not None:
            return await refusal(scope, receive, guarded)
        return await self._app(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return _refuse(421, f"the host '{host[:80]}' is not this server; open it by its own address")
        if scope["method"] not in ("GET", "HEAD", "OPTIONS") and not is_own_form(headers, host):
            return _refuse(403, "the request came from another site; send it from a page of this server")
        return None if self._rules.token is None else self._check_token(scope, headers, self._rules.token)

    def _is_ours(self, host: str) -> bool:
        """Say whether a name belongs to this server: an address cannot be rebound, and names are listed."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if name in self._rules.names:
                return True
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or self._rules.token is not None

    def _check_token(self, scope: Scope, headers: Headers, token: str) -> Response | None:
        """Ask for the token: as a bearer, in the cookie, or once in the address: that sets the cookie."""
        sent = headers.get("authorization", "").removeprefix("Bearer ")
        if _same(sent, token) or any(_same(kept, token) for kept in _cookies(headers.getlist("cookie"))):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[-1]
        if scope["method"] == "GET" and _same(given, token):
            reply = RedirectResponse(scope["path"], status_code=303)
            reply.set_cookie(COOKIE, token, httponly=True, samesite="strict")
            return reply
        return _refuse(401, "the token is missing or wrong; open the address that the server printed")


def is_own_form(headers: Headers, host: str) -> bool:
    """Say whether a request comes from a page of ours, as browsers tell; others say nothing."""
    origin = headers.get("origin")
    if origin is not None:
        return origin.partition("://")[2] == host
    return headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


def _same(sent: str, token: str) -> bool:
    return hmac.compare_digest(sent.encode(), token.encode())


def _cookies(lines: Iterable[str]) -> list[str]:
    kept = []
    for line in lines:
        try:
            found = SimpleCookie(line).get(COOKIE)
        except CookieError:
            continue
        if found is not None:
            kept.append(found.value)
    return kept


def _refuse(status: int, why: str) -> Response:
    return PlainTextResponse(f"Calculemus: {why}.\n", status)

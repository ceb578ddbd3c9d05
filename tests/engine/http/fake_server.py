"""A server on loopback around a fake model, with faults that can be switched on."""

import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

STATUSES = {"429": 429, "500": 500, "502": 502, "503": 503, "400": 400, "401": 401}
BODIES = {
    "garbage": b"<<< not json",
    "html": b"<html><body>Bad gateway</body></html>",
    "empty": b"",
    "null": b"null",
    "no choices": b'{"choices": []}',
    "no text": b'{"choices": [{"index": 0}]}',
    "error in 200": b'{"error": {"message": "upstream failed", "code": 502}}',
    "deep": b"[" * 50_000,
}


class FakeServer(ThreadingHTTPServer):
    """Serves an api; ``fault`` says before each POST what shall go wrong with it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, api: Any) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.api = api
        self.fault: Callable[[str, dict], str | None] = lambda path, body: None
        self.retry_after = "0.02"
        self.slow = 1.0  # seconds of "slow", and of "drip" as a whole
        self.seen: list[tuple[str, dict]] = []
        self.headers: list[dict[str, str]] = []
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()

    @property
    def base(self) -> str:
        """The address without the model."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def address(self) -> str:
        """As an engine takes it."""
        return f"{self.base}#{self.api.model.name}"

    def bodies(self, path: str = "") -> list[dict]:
        """What was posted so far."""
        return [body for seen, body in self.seen if path in seen]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients may hang up."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FakeServer

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """List the models."""
        self._answer(lambda: self.server.api.models())

    def do_POST(self) -> None:
        """Answer, or fail as asked."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = self.server
        with server.lock:
            server.seen.append((self.path, body))
            server.headers.append(dict(self.headers))
            server.under_way += 1
            server.most_under_way = max(server.most_under_way, server.under_way)
            fault = server.fault(self.path, body)
        try:
            self._post(body, fault)
        finally:
            with server.lock:
                server.under_way -= 1

    def _post(self, body: dict, fault: str | None) -> None:
        if fault in STATUSES:
            self._send(STATUSES[fault], json.dumps({"error": {"message": f"scripted {fault}"}}).encode())
        elif fault in BODIES:
            self._send(200, BODIES[fault])
        elif fault == "drop":
            self._hang_up()
        elif fault in ("slow", "drip", "truncated", "halved"):
            self._send_badly(json.dumps(self.server.api.answer(self.path, body)).encode(), fault)
        else:
            self._answer(lambda: spoil(self.server.api.answer(self.path, body), fault))

    def _answer(self, work: Callable[[], Any]) -> None:
        api = self.server.api
        if api.habits.key and self.headers.get("authorization") != f"Bearer {api.habits.key}":
            given = self.headers.get("authorization")
            self._send(401, json.dumps({"error": {"message": f"Incorrect API key: {given}"}}).encode())
            return
        try:
            self._send(200, json.dumps(work()).encode())
        except Exception as error:  # a refusal has a status; a bug in the fake is a status 500
            status = getattr(error, "status", 500)
            self._send(status, json.dumps({"error": {"message": str(error)}}).encode())

    def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", "text/html" if body[:1] == b"<" else kind)
        self.send_header("content-length", str(len(body)))
        if status in (429, 503):
            self.send_header("retry-after", self.server.retry_after)
        self.end_headers()
        self.wfile.write(body)

    def _send_badly(self, body: bytes, fault: str) -> None:
        if fault == "slow":
            time.sleep(self.server.slow)
        sent = body[: len(body) // 2] if fault in ("truncated", "halved") else body
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(sent) if fault == "truncated" else len(body)))
        self.end_headers()
        if fault == "drip":
            for start in range(0, len(body), 1 + len(body) // 50):
                self.wfile.write(body[start : start + 1 + len(body) // 50])
                time.sleep(self.server.slow / 50)
            return
        self.wfile.write(sent)
        if fault == "halved":
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def spoil(reply: dict, fault: str | None) -> dict:
    """A reply that is well-formed, and not as it should be."""
    if fault == "wrong usage":
        reply["usage"] = {"prompt_tokens": 1, "completion_tokens": 10**6, "total_tokens": 10**6 + 1}
    if fault == "no usage":
        reply.pop("usage", None)
    if fault == "one choice":
        reply["choices"] = reply["choices"][-1:]
    if fault == "no logprobs":
        for choice in reply["choices"]:
            choice.pop("logprobs", None)
    return reply

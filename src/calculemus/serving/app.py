"""The endpoint itself: routes, keys, streams, and errors in the form that clients of OpenAI know."""

import asyncio
import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from calculemus.cost import Budget, Cost
from calculemus.errors import BadRequestError
from calculemus.events import Step
from calculemus.serving.desk import Desk, Order
from calculemus.serving.wire import (
    MOST_CHARACTERS,
    Asked,
    event,
    finish_reason,
    message,
    read_request,
    usage,
)
from calculemus.solution import Solution

MOST_BYTES = 8 * MOST_CHARACTERS
_PATIENCE = 0.5  # seconds between looks whether the caller is still there
_Wire = Callable[[Any], Any]


@dataclass(frozen=True)
class Service:
    """What is served.

    Attributes:
        desk: Answers.
        name: Of the model, as clients see it: ``vote:n=8@tiny``.
        budget: The most that an answer may cost.
        key: What clients must send as a bearer token; None for none.
    """

    desk: Desk
    name: str
    budget: Budget
    key: str | None = None


def make_app(service: Service) -> Starlette:
    """Return the web application."""

    async def models(request: Request) -> Response:
        _admit(request, service)
        listed = {"id": service.name, "object": "model", "created": 0, "owned_by": "calculemus"}
        return JSONResponse({"object": "list", "data": [listed]})

    async def chat(request: Request) -> Response:
        return await _answer(request, service, "chat.completion")

    async def complete(request: Request) -> Response:
        return await _answer(request, service, "text_completion")

    return Starlette(
        routes=[
            Route("/v1/models", models),
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/completions", complete, methods=["POST"]),
        ],
        exception_handlers={BadRequestError: _bad, HTTPException: _refused},
    )


_KINDS = {401: "authentication_error", 500: "server_error"}


def _error(text: str, status: int, field: str | None = None) -> dict[str, Any]:
    kind = _KINDS.get(status, "invalid_request_error")
    return {"error": {"message": text, "type": kind, "param": field, "code": None}}


async def _bad(request: Request, error: Exception) -> Response:
    del request
    field = error.field if isinstance(error, BadRequestError) else None
    return JSONResponse(_error(str(error), 400, field), 400)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "the handler is registered for these alone"
    text = error.detail
    if error.status_code in (404, 405):
        there = "POST /v1/chat/completions, POST /v1/completions and GET /v1/models"
        text = f"{request.method} {request.url.path} is not served; there are {there}"
    return JSONResponse(_error(text, error.status_code), error.status_code)


def _admit(request: Request, service: Service) -> None:
    sent = request.headers.get("authorization", "").removeprefix("Bearer ")
    if service.key is not None and not hmac.compare_digest(sent.encode(), service.key.encode()):
        raise HTTPException(401, "the key is missing or wrong; send it as a bearer token")


async def _read(request: Request, service: Service) -> Asked:
    _admit(request, service)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # also keeps out forms of web pages, which may not send this
        text = f"the content type is '{kind}'; expected application/json"
        raise HTTPException(415, text)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            text = f"the request has more than {MOST_BYTES} bytes; expected fewer"
            raise HTTPException(413, text)
    try:
        decoded = json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"reading the request: it is no JSON: {error}") from error
    return read_request(decoded, service.budget)


async def _answer(request: Request, service: Service, kind: str) -> Response:
    asked = await _read(request, service)
    told: asyncio.Queue[tuple[int, Step | Solution | Exception]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def order(sample: int) -> Order:
        def tell(what: Step | Solution | Exception) -> None:
            loop.call_soon_threadsafe(told.put_nowait, (sample, what))

        return Order(asked.question, tell, asked.seed, sample, asked.budget)

    orders = [order(sample) for sample in range(asked.n)]
    for each in orders:
        service.desk.take(each)
    head = {"id": f"{kind}-{uuid.uuid4().hex}", "created": int(time.time()), "model": service.name}
    if asked.is_streamed:
        parts = _stream(told, asked, orders[0], head, kind)
        return StreamingResponse(parts, media_type="text/event-stream", headers={"cache-control": "no-store"})
    return await _whole(request, told, asked, orders, head, kind)


async def _whole(
    request: Request,
    told: "asyncio.Queue[tuple[int, Step | Solution | Exception]]",
    asked: Asked,
    orders: list[Order],
    head: dict[str, Any],
    kind: str,
) -> Response:
    found: dict[int, Solution] = {}
    try:
        while len(found) < asked.n:
            try:
                sample, what = await asyncio.wait_for(told.get(), _PATIENCE)
            except TimeoutError:
                if await request.is_disconnected():
                    return Response(status_code=499)
                continue
            if isinstance(what, Exception):
                raise HTTPException(500, f"the engine broke down: {what}") from what
            if isinstance(what, Solution):
                found[sample] = what
    finally:
        for order in orders:
            order.is_gone = True
    total = sum((found[sample].cost for sample in range(asked.n)), Cost.zero())
    choices = [_choice(sample, found[sample], kind) for sample in range(asked.n)]
    body = {**head, "object": kind, "choices": choices, "usage": usage(total)}
    return JSONResponse({**body, "calculemus": {"ignored": asked.ignored}})


def _choice(index: int, solution: Solution, kind: str) -> dict[str, Any]:
    said = {"message": message(solution)} if kind == "chat.completion" else {"text": solution.answer or ""}
    return {"index": index, **said, "finish_reason": finish_reason(solution), "logprobs": None}


async def _stream(
    told: "asyncio.Queue[tuple[int, Step | Solution | Exception]]",
    asked: Asked,
    order: Order,
    head: dict[str, Any],
    kind: str,
) -> AsyncIterator[str]:
    """Yield the steps of the trace as reasoning, then the answer, then what it cost."""
    is_chat = kind == "chat.completion"
    head = {**head, "object": "chat.completion.chunk" if is_chat else kind}

    def part(said: dict[str, Any], reason: str | None = None) -> str:
        shown = {"delta": said} if is_chat else {"text": said.get("content", "")}
        return event({**head, "choices": [{"index": 0, **shown, "finish_reason": reason, "logprobs": None}]})

    try:
        if is_chat:
            yield part({"role": "assistant", "content": ""})
        while True:
            _, what = await told.get()
            if isinstance(what, Step):
                if is_chat:
                    yield part({"reasoning_content": what.text.rstrip("\n") + "\n"})
            elif isinstance(what, Solution):
                break
            else:
                broken = f"the engine broke down: {what}"
                yield event(_error(broken, 500))
                return
        refusal = {"refusal": what.failure} if what.failure else {}
        yield part({"content": what.answer or "", **refusal})
        yield part({}, finish_reason(what))
        if asked.with_usage:
            yield event({**head, "choices": [], "usage": usage(what.cost)})
        yield event("[DONE]")
    finally:
        order.is_gone = True

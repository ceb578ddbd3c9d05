"""Work from a page: forms that start a command, the list of what was started, and each one's progress."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from calculemus.errors import CalculemusError, PageError
from calculemus.grading import PROFILES
from calculemus.solving import list_solvers
from calculemus.web.links import ServedLinks
from calculemus.web.pages import Asked, Page
from calculemus.web.site import Site
from calculemus.web.work import forms
from calculemus.web.work.progress import record_of
from calculemus.web.work.queue import Job, Queue

PER_PAGE = 50
MOST_BYTES = 64 * 1024
"""Of what a form sends."""

_FORM = "application/x-www-form-urlencoded"
_PAUSE = 0.3  # seconds between looks at a job whose page is open
_HEARTBEAT = 40  # looks without a change after which the connection is kept awake


def jobs(site: Site, asked: Asked) -> dict[str, Any]:
    """Return what was started, newest first."""
    before = asked.whole("before", 0)
    found = Queue(site.store).newest(PER_PAGE + 1, before or None)
    return {
        "found": [_line(job) for job in found[:PER_PAGE]],
        "before": before,
        "older": found[PER_PAGE - 1].id if len(found) > PER_PAGE else None,
    }


def _line(job: Job) -> dict[str, Any]:
    return {
        name: getattr(job, name) for name in ("id", "kind", "title", "status", "created", "ended", "reason")
    }


def job(site: Site, asked: Asked) -> dict[str, Any]:
    """Return one piece of work with its progress and output."""
    queue = Queue(site.store)
    number = asked.whole("id", 0)
    if not queue.path.is_file():
        raise PageError(f"showing the work {number}: nothing was started yet; start something from a page")
    return record_of(queue, queue.get(number))


def start(site: Site, asked: Asked) -> dict[str, Any]:
    """Return an empty form, or one with what the address fills in."""
    return _form(site, asked.params["kind"], dict(asked.query), None)


def _form(site: Site, kind: str, fields: dict[str, str], fault: str | None) -> dict[str, Any]:
    if kind not in forms.KINDS:
        raise PageError(f"starting work: there is no form '{kind[:40]}'; expected {' or '.join(forms.KINDS)}")
    runs = [entry.card.id for entry in site.entries() if entry.paths()["claim file"] is not None]
    solvers = [card.id for card in list_solvers(*site.folders)]
    names = ("id", "size", "seeds", "model", "systems", "problems", "limit", "grader", "baseline")
    return {
        "kind": kind,
        "fields": {name: fields.get(name, "") for name in names},
        "fault": fault,
        "claims": runs if kind == "claim" else [],
        "systems": forms.suggested(solvers) if kind == "comparison" else [],
        "graders": list(PROFILES) if kind == "comparison" else [],
    }


PAGES = (
    Page("jobs", "/jobs", "jobs.html.j2", jobs),
    Page("job", "/jobs/{id}", "job.html.j2", job),
    Page("start", "/start/{kind}", "start.html.j2", start),
)


def routes(
    site: Site,
    pages: Sequence[Page],
    wake: Callable[[], None],
    is_ending: Callable[[], bool] = lambda: False,
) -> list[BaseRoute]:
    """Return what forms send to, and the streams of progress.

    Args:
        site: Whose store the work is on.
        pages: All pages, which replies link to.
        wake: Tells the supervisor that there is work.
        is_ending: Whether the server waits for its streams to end.
    """
    links = ServedLinks(pages)

    async def add(request: Request) -> Response:
        fields = await _fields(request, site)
        kind = fields.get("kind", "")
        try:
            record = await run_in_threadpool(_form, site, kind, fields, None)
            asked = await run_in_threadpool(forms.order, kind, fields, site)
        except (PageError, HTTPException):
            raise
        except CalculemusError as error:
            record = await run_in_threadpool(_form, site, kind, fields, str(error))
            return HTMLResponse(site.render(PAGES[2], record, links, f"/start/{kind}.json"), 422)
        del record
        added = await run_in_threadpool(Queue(site.store).add, kind, asked.title, asked.arguments)
        wake()
        return RedirectResponse(f"/jobs/{added.id}", 303)

    async def cancel(request: Request) -> Response:
        await _fields(request, site)
        number = Asked(request.path_params).whole("id", 0)
        await run_in_threadpool(Queue(site.store).cancel, number)
        wake()
        return RedirectResponse(f"/jobs/{number}", 303)

    async def events(request: Request) -> Response:
        asked = Asked(request.path_params)
        await run_in_threadpool(job, site, asked)  # raises before the stream begins
        headers = {"cache-control": "no-store"}
        return StreamingResponse(
            _states(site, asked, links, is_ending), media_type="text/event-stream", headers=headers
        )

    return [
        Route("/jobs", add, methods=["POST"]),
        Route("/jobs/{id}/cancel", cancel, methods=["POST"]),
        Route("/jobs/{id}/events", events),
    ]


async def _fields(request: Request, site: Site) -> dict[str, str]:
    """Read a form that one of our pages sent."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise HTTPException(415, f"the content type is '{kind[:80]}'; expected {_FORM}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"the form has more than {MOST_BYTES:,} bytes; expected fewer")
    try:
        fields = dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=50))
    except ValueError as error:
        raise HTTPException(400, f"the form cannot be read: {error}") from error
    if not hmac.compare_digest(fields.pop("form_key", "").encode(), site.form_key.encode()):
        raise HTTPException(403, "the form is not one of this server, or of an earlier start; open it again")
    return fields


async def _states(
    site: Site, asked: Asked, links: ServedLinks, is_ending: Callable[[], bool]
) -> AsyncIterator[str]:
    """Yield the whole state of a job at every change, so that whoever comes back misses nothing."""
    shown, quiet = "", 0
    while not is_ending():
        record = await run_in_threadpool(job, site, asked)
        state = await run_in_threadpool(site.render, _STATE, record, links, "")
        if state != shown:
            yield _event("state", state)
        elif quiet % _HEARTBEAT == _HEARTBEAT - 1:
            yield ": still here\n\n"
        shown, quiet = state, 0 if state != shown else quiet + 1
        if not record["is_open"]:
            yield _event("over", "")
            return
        await asyncio.sleep(_PAUSE)


_STATE = Page("job", "/jobs/{id}", "job_state.html.j2", job)


def _event(name: str, data: str) -> str:
    # Any of the three ends of lines would end a field, so each line is a field of its own.
    lines = "\n".join(f"data: {line}" for line in data.splitlines()) or "data: "
    return f"event: {name}\n{lines}\n\n"

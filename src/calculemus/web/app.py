"""The server: a route for every page and its record, the files they need, and errors as pages."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from calculemus import report
from calculemus.errors import CalculemusError, CardError, InvalidParameterError, PageError, StoreError
from calculemus.web.guard import OPEN, Guard, Rules
from calculemus.web.links import ServedLinks
from calculemus.web.pages import Asked, Page
from calculemus.web.site import Site

ASSETS = Path(__file__).parent / "assets"
SHARED = Path(report.__file__).parent
"""Style and drawing library are those of the report."""

_ERROR = Page("error", "/error", "error.html.j2", lambda site, asked: {})
_STATUS = {PageError: 404, CardError: 404, StoreError: 404, InvalidParameterError: 400}


def make_app(
    site: Site, pages: Sequence[Page], rules: Rules = OPEN, more: Iterable[BaseRoute] = ()
) -> Starlette:
    """Return the web application.

    Args:
        site: What it shows.
        pages: Its pages.
        rules: Whom it answers.
        more: Routes that are no pages: streams, forms, feeds.
    """
    links = ServedLinks(pages)

    def shown(page: Page, record: dict[str, Any], request: Request, status: int = 200) -> Response:
        address = page.json_path if page.path == "/" else f"{request.url.path}.json"
        query = f"?{request.url.query}" if request.url.query else ""
        return HTMLResponse(site.render(page, record, links, address + query), status)

    def routes(page: Page) -> list[Route]:
        def as_json(request: Request) -> Response:
            return JSONResponse(page.record(site, asked(request)))

        def as_html(request: Request) -> Response:
            return shown(page, page.record(site, asked(request)), request)

        return [Route(page.json_path, as_json), Route(page.path, as_html)]

    def refuse(request: Request, error: Exception) -> Response:
        status, why = _said(error)
        record = {"status": status, "title": HTTPStatus(status).phrase, "why": why}
        if request.url.path.endswith(".json"):
            return JSONResponse(record, status)
        return shown(_ERROR, record, request, status)

    return Starlette(
        routes=[
            *(route for page in pages for route in routes(page)),
            *more,
            Mount("/assets/report", StaticFiles(directory=SHARED / "assets")),
            Mount("/assets/vega", StaticFiles(directory=SHARED / "vega")),
            Mount("/assets", StaticFiles(directory=ASSETS)),
        ],
        middleware=[Middleware(Guard, rules=rules)],
        exception_handlers={CalculemusError: refuse, HTTPException: refuse},
    )


def asked(request: Request) -> Asked:
    """Return what a request asks a page for."""
    return Asked(dict(request.path_params), tuple(request.query_params.multi_items()))


def _said(error: Exception) -> tuple[int, str]:
    if isinstance(error, HTTPException):
        here = "there is no such page; the links above lead to those there are"
        return error.status_code, here if error.status_code == 404 else error.detail
    return next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500), str(error)

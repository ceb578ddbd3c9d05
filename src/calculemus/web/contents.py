"""What the web has: all its pages, in one place."""

from collections.abc import Callable

from starlette.routing import BaseRoute

from calculemus.web import atlas, claims, comparing, docs, jobs, news, runs, traces
from calculemus.web.site import Site

_STORE = (*runs.PAGES, *traces.PAGES, *comparing.PAGES)
PAGES = (*atlas.PAGES, *claims.PAGES, *_STORE, *jobs.PAGES, *news.PAGES, *docs.PAGES)


def routes(
    site: Site, wake: Callable[[], None], is_ending: Callable[[], bool] = lambda: False
) -> list[BaseRoute]:
    """Return what a server has beside the pages: feeds, and what starts and follows work.

    Args:
        site: What is shown.
        wake: Called when work was added to the queue or is to be cancelled.
        is_ending: Whether the server waits for its streams to end.
    """
    return [*news.routes(site, PAGES), *jobs.routes(site, PAGES, wake, is_ending)]

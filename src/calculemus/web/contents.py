"""What the web has: all its pages, in one place."""

from starlette.routing import BaseRoute

from calculemus.web import atlas, claims, docs, jobs, news, runs
from calculemus.web.site import Site

PAGES = (*atlas.PAGES, *claims.PAGES, *runs.PAGES, *jobs.PAGES, *news.PAGES, *docs.PAGES)


def routes(site: Site) -> list[BaseRoute]:
    """Return what a server has beside the pages: feeds."""
    return news.routes(site, PAGES)

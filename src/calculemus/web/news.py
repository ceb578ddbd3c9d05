"""What is new: a page, and feeds that a reader of feeds can follow."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from calculemus.errors import PageError
from calculemus.news import KINDS, Item, atom, gather, json_feed, kinds_of, parse_since, since
from calculemus.news.feeds import ATOM, JSON_FEED
from calculemus.search import SearchIndex
from calculemus.web.links import Links, ServedLinks
from calculemus.web.pages import Asked, Page, Params
from calculemus.web.site import Site

_WORDS = {"verdict": "verdict changed", "result": "result", "system": "paper", "runs": "runs"}
PER_PAGE = 50
IN_FEED = 100
"""Items that a feed holds; readers keep what they saw before."""

FEEDS = {"feed.atom": ATOM, "feed.json": JSON_FEED}
"""Files of the feeds at the root of a site, with their media types."""


# A site makes its index anew when its store has changed, so that the index stands for a state of the store.
_SEEN: WeakKeyDictionary[SearchIndex, list[Item]] = WeakKeyDictionary()


def items(site: Site) -> list[Item]:
    """Return everything that was ever new, newest first."""
    index = site.index()
    if index not in _SEEN:
        cards = [entry.card for entry in site.entries()]
        with site.reading() as store:
            _SEEN[index] = gather(cards, store)
    return _SEEN[index]


def news(site: Site, asked: Asked) -> dict[str, Any]:
    """Return a page of what is new, of one kind or of all, since a moment or from the begin.

    Raises:
        PageError: There is no such kind, or the number of the first item is none.
    """
    kind, begin = asked.text("kind"), asked.text("since").strip()
    if kind and kind not in KINDS:
        raise PageError(
            f"showing news: there is no kind '{kind[:40]}'; expected one of {', '.join(KINDS)}. Mend it"
        )
    everything = items(site)
    kept = since(everything, parse_since(begin, datetime.now(UTC))) if begin else everything
    chosen = [item for item in kept if not kind or item.kind == kind]
    start = asked.whole("start", 0)
    known = {entry.card.id for entry in site.entries()}
    shown = chosen[start : start + PER_PAGE]
    return {
        "kind": kind,
        "since": begin,
        "kinds": kinds_of(kept),
        "words": _WORDS,
        "n": len(chosen),
        "start": start,
        "before": max(0, start - PER_PAGE) if start else None,
        "after": start + PER_PAGE if start + PER_PAGE < len(chosen) else None,
        "found": [{**item.record(), "is_known": item.system in known} for item in shown],
    }


def feed(site: Site, name: str, links: Links, base: str | None = None) -> str:
    """Return a feed as text, as the server sends it and an export writes it at its root.

    Args:
        site: What is shown.
        name: One of ``FEEDS``.
        links: Where pages are, as seen from the root.
        base: The site's address; None where it is not known.
    """
    known = {entry.card.id for entry in site.entries()}
    make: Callable[..., str] = atom if name == "feed.atom" else json_feed

    def address(item: Item) -> str:
        about = links.page("system", {"id": item.system}) if item.system in known else None
        return about or links.page("news", {}) or ""

    return make(items(site)[:IN_FEED], address, base, name)


def routes(site: Site, pages: Iterable[Page]) -> list[BaseRoute]:
    """Return the routes of the feeds."""
    links = ServedLinks(pages)

    def answer(request: Request) -> Response:
        name = request.url.path.lstrip("/")
        return Response(feed(site, name, links, str(request.base_url)), media_type=FEEDS[name])

    return [Route(f"/{name}", answer) for name in FEEDS]


def _places(site: Site) -> Iterable[Params]:
    everything = items(site)
    counts = {"": len(everything)} | {kind["name"]: kind["n"] for kind in kinds_of(everything)}
    for kind, n in counts.items():
        for start in range(0, max(n, 1), PER_PAGE):
            yield {
                **({"kind": kind} if kind else {}),
                **({"start": str(start)} if start else {}),
            }


PAGES = (Page("news", "/news", "news.html.j2", news, _places),)

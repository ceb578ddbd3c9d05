"""Feeds of what is new: Atom (RFC 4287) and JSON Feed 1.1."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urljoin
from xml.etree import ElementTree

from calculemus.news.item import KINDS, Item, stamp, tag

ATOM, JSON_FEED = "application/atom+xml", "application/feed+json"
"""Media types."""

Address = Callable[[Item], str]
"""Returns where more of an item is: from the site's root, or from the file that the feed is in."""

TITLE = "Calculemus: what is new"
_SUBTITLE = "Results of claims, changed verdicts, systems and runs."
_AUTHOR = "Calculemus"
_NAMESPACE = "http://www.w3.org/2005/Atom"
_NEVER = "1970-01-01T00:00:00Z"


def atom(items: Sequence[Item], address: Address, base: str | None = None, own: str = "feed.atom") -> str:
    """Return items as an Atom feed.

    Args:
        items: Newest first.
        address: Where more of an item is.
        base: The site's address, which makes links whole; without it they stay as ``address`` gives them,
            which a reader resolves against the place that it has the feed from.
        own: Where the feed is.
    """
    feed = ElementTree.Element("feed", xmlns=_NAMESPACE)
    _add(feed, "id", tag("news"))
    _add(feed, "title", TITLE)
    _add(feed, "subtitle", _SUBTITLE)
    _add(feed, "updated", max((stamp(item.moment) for item in items), default=_NEVER))
    _add(_add(feed, "author"), "name", _AUTHOR)
    _add(feed, "link", rel="self", type=ATOM, href=_whole(base, own))
    for item in items:
        entry = _add(feed, "entry")
        _add(entry, "id", item.id)
        _add(entry, "title", item.title)
        _add(entry, "updated", stamp(item.moment))
        _add(entry, "link", rel="alternate", href=_whole(base, address(item)))
        _add(entry, "category", term=item.kind, label=KINDS[item.kind])
        _add(entry, "content", item.text, type="text")
    ElementTree.indent(feed)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(feed, encoding="unicode")}\n'


def _add(
    above: ElementTree.Element, name: str, text: str | None = None, **values: str
) -> ElementTree.Element:
    made = ElementTree.SubElement(above, name, values)
    made.text = text
    return made


def json_feed(
    items: Sequence[Item], address: Address, base: str | None = None, own: str = "feed.json"
) -> str:
    """Return items as a JSON feed; its links are whole or left out, as its readers expect.

    Args:
        items: Newest first.
        address: Where more of an item is.
        base: The site's address; None where it is not known.
        own: Where the feed is.
    """
    record: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": TITLE,
        "description": _SUBTITLE,
        "authors": [{"name": _AUTHOR}],
        "language": "en",
    }
    if base is not None:
        record |= {"home_page_url": base, "feed_url": _whole(base, own)}
    record["items"] = [_entry(item, None if base is None else _whole(base, address(item))) for item in items]
    return json.dumps(record, ensure_ascii=False, indent=1) + "\n"


def _entry(item: Item, url: str | None) -> dict[str, Any]:
    return {
        "id": item.id,
        **({} if url is None else {"url": url}),
        "title": item.title,
        "content_text": item.text,
        "date_published": stamp(item.moment),
        "tags": [item.kind, *([item.system] if item.system else [])],
    }


def _whole(base: str | None, address: str) -> str:
    return address if base is None else urljoin(base, address)

"""Feeds: what their formats ask for, and nothing hostile that is more than text."""

import json
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from calculemus.news import Item, atom, gather, json_feed
from calculemus.store import Store

ATOM = "{http://www.w3.org/2005/Atom}"
HOSTILE = (
    '<script>alert(1)</script>"><img src=x onerror=alert(1)>]]>&lt;{{7*7}}\x00\x0b\u202e\ud800'
    + "x" * 100_000
)


def item(number: int = 1, title: str = "A title", text: str = "A text.") -> Item:
    moment = datetime(2026, 11, number, tzinfo=UTC)
    return Item(f"tag:x,2026:{number}", moment, moment, f"2026-11-{number:02}", "result", title, text, "vote")


def address(item: Item) -> str:
    return f"systems/{item.system}.html"


def parsed(items, base=None) -> ElementTree.Element:
    return ElementTree.fromstring(atom(items, address, base).encode())


def test_an_atom_feed_has_what_the_format_requires() -> None:
    feed = parsed([item(2), item(1)], "https://example.org/c/")
    assert feed.tag == f"{ATOM}feed"
    assert feed.findtext(f"{ATOM}id") == "tag:calculemus.github.io,2026:news"
    assert feed.findtext(f"{ATOM}title")
    assert feed.findtext(f"{ATOM}updated") == "2026-11-02T00:00:00Z"
    assert feed.findtext(f"{ATOM}author/{ATOM}name") == "Calculemus"
    entries = feed.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}id") for entry in entries] == ["tag:x,2026:2", "tag:x,2026:1"]
    for entry in entries:
        assert entry.findtext(f"{ATOM}title") == "A title"
        datetime.strptime(entry.findtext(f"{ATOM}updated") or "", "%Y-%m-%dT%H:%M:%S%z")
        assert entry.find(f"{ATOM}link[@rel='alternate']") is not None


def test_links_are_whole_where_the_site_is_known_and_relative_where_not() -> None:
    def links(base):
        return [link.get("href") for link in parsed([item()], base).iter(f"{ATOM}link")]

    site = "https://example.org/c/"
    assert links(site) == [f"{site}feed.atom", f"{site}systems/vote.html"]
    assert links(None) == ["feed.atom", "systems/vote.html"]


def test_an_empty_feed_is_a_feed() -> None:
    assert parsed([]).findtext(f"{ATOM}updated") == "1970-01-01T00:00:00Z"
    assert json.loads(json_feed([], address))["items"] == []


def test_a_json_feed_has_what_the_format_requires() -> None:
    feed = json.loads(json_feed([item(2), item(1)], address, "https://example.org/"))
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["feed_url"] == "https://example.org/feed.json"
    assert [entry["id"] for entry in feed["items"]] == ["tag:x,2026:2", "tag:x,2026:1"]
    first = feed["items"][0]
    assert (first["title"], first["content_text"]) == ("A title", "A text.")
    assert first["date_published"] == "2026-11-02T00:00:00Z"
    assert first["url"] == "https://example.org/systems/vote.html"


def test_a_json_feed_without_a_site_has_no_addresses() -> None:
    feed = json.loads(json_feed([item()], address))
    assert {"home_page_url", "feed_url"}.isdisjoint(feed)
    assert "url" not in feed["items"][0]


def test_hostile_results_and_cards_stay_text_in_both_feeds(result, card, tmp_path) -> None:
    words = ("title", "claim", "model", "version", "verdict", "size")
    hostile = result(**{name: HOSTILE.replace("\ud800", "") for name in words})
    hostile["effects"][0] |= dict.fromkeys(("metric", "baseline", "treatment", "n"), HOSTILE[:60])
    with Store.open(tmp_path / "store.db") as store:
        store.add_claim("vote", hostile)
        items = gather([card("bad", title=HOSTILE, summary=HOSTILE)], store)
    assert len(items) == 2
    feed = ElementTree.fromstring(atom(items, address).encode())
    assert {element.tag.removeprefix(ATOM) for element in feed.iter()} == {
        *("feed", "id", "title", "subtitle", "updated", "author", "name", "link"),
        *("entry", "category", "content"),
    }
    texts = [entry.findtext(f"{ATOM}title") or "" for entry in feed.findall(f"{ATOM}entry")]
    assert all("<script>alert(1)</script>" in text and len(text) <= 300 for text in texts)
    loaded = json.loads(json_feed(items, address))
    assert [entry["title"] for entry in loaded["items"]] == texts


@pytest.mark.parametrize("make", [atom, json_feed])
def test_equal_items_give_equal_bytes(make) -> None:
    assert make([item(2), item(1)], address, "https://example.org/") == make(
        [item(2), item(1)], address, "https://example.org/"
    )

"""The page of what is new, and the feeds that a server sends."""

import json
from xml.etree import ElementTree

import pytest
from starlette.testclient import TestClient
from tests.web.conftest import hostile, is_text_only

from calculemus.claims import history
from calculemus.news import gathering
from calculemus.store import Store
from calculemus.web.contents import PAGES, routes
from calculemus.web.links import FileLinks, file_of
from calculemus.web.news import FEEDS, IN_FEED, PER_PAGE, feed, items
from calculemus.web.pages import Asked
from calculemus.web.site import Site

ATOM = "{http://www.w3.org/2005/Atom}"
(NEWS,) = (page for page in PAGES if page.name == "news")


def result(name: str = "vote", verdict: str = "holds", **changed):
    effect = {"metric": "accuracy", "baseline": "cot", "treatment": name, "n": 4}
    effect |= {"delta": 0.125, "low": -0.5, "high": 0.75, "name": "x", "direction": "higher"}
    effect |= {
        "baseline_figure": 0.1,
        "treatment_figure": 0.2,
        "p_value": 0.5,
        "n_seeds": 1,
        "verdict": verdict,
    }
    made = {"id": name, "title": f"About {name}", "claim": "C.", "verdict": verdict, "size": "small"}
    made |= {"model": "tiny", "version": "1", "date": "2999-01-01", "effects": [effect], "control": effect}
    return made | changed


@pytest.fixture(autouse=True)
def nothing_shipped(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (history, gathering):
        monkeypatch.setattr(module, "MEASURED", tmp_path / "measured.json")


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "store.db"
    with Store.open(path) as opened:
        opened.add_claim("vote", result())
        opened.add_claim("vote", result(verdict="undecided", date="2999-01-02"))
    return path


@pytest.fixture
def client(browse, store) -> TestClient:
    site = Site(store)
    return browse(site, more=routes(site, lambda: None))


def test_the_page_shows_what_is_new_newest_first(client: TestClient) -> None:
    html = client.get("/news").text
    assert html.index("From holds to undecided: About vote") < html.index("Holds: About vote")
    assert html.count("<li data-kind=") == PER_PAGE
    assert 'href="/systems/vote"' in html


def test_the_record_of_the_page_has_the_same_items(client: TestClient) -> None:
    record = client.get("/news.json").json()
    assert record["found"][0]["title"] == "From holds to undecided: About vote"
    assert record["after"] == PER_PAGE
    later = client.get("/news.json", params={"start": record["after"]}).json()
    assert {item["id"] for item in record["found"]}.isdisjoint(item["id"] for item in later["found"])
    assert sum(kind["n"] for kind in record["kinds"]) == record["n"]


def test_a_kind_and_a_moment_narrow_the_page(client: TestClient) -> None:
    found = client.get("/news.json?since=2999-01-01&kind=result").json()["found"]
    assert [item["title"] for item in found] == ["Holds: About vote"]
    html = client.get("/news?since=2999-05").text
    assert 'data-testid="nothing"' in html
    assert client.get("/news.json?kind=system&since=7d").json()["found"] == []


@pytest.mark.parametrize(("query", "status"), [("kind=odd", 404), ("start=-1", 404), ("since=soon", 400)])
def test_a_wrong_question_is_answered_with_what_would_do(client: TestClient, query: str, status: int) -> None:
    answer = client.get(f"/news.json?{query}")
    assert answer.status_code == status
    assert "expected" in answer.json()["why"]


def test_every_page_names_the_feeds(client: TestClient) -> None:
    html = client.get("/claims").text
    assert '<link rel="alternate" type="application/atom+xml" title="What is new" href="/feed.atom">' in html
    assert 'type="application/feed+json" title="What is new" href="/feed.json">' in html


@pytest.mark.parametrize("name", FEEDS)
def test_a_feed_is_sent_as_its_kind_with_links_to_this_server(client: TestClient, name: str) -> None:
    answer = client.get(f"/{name}")
    assert answer.headers["content-type"].startswith(FEEDS[name])
    assert "http://127.0.0.1:8080/systems/vote" in answer.text
    assert f"http://127.0.0.1:8080/{name}" in answer.text


def test_both_feeds_have_the_newest_items_of_the_page(client: TestClient) -> None:
    feed = ElementTree.fromstring(client.get("/feed.atom").content)
    ids = [entry.findtext(f"{ATOM}id") for entry in feed.findall(f"{ATOM}entry")]
    assert [item["id"] for item in json.loads(client.get("/feed.json").text)["items"]] == ids
    assert [item["id"] for item in client.get("/news.json").json()["found"]] == ids[:PER_PAGE]
    assert len(ids) == IN_FEED


def test_a_feed_of_an_export_links_to_its_files(store) -> None:
    site = Site(store, is_live=False)
    written = {"systems/vote.html", "news.html"}
    links = FileLinks(PAGES, "feed.atom", written)
    parsed = ElementTree.fromstring(feed(site, "feed.atom", links))
    addresses = {link.get("href") for link in parsed.iter(f"{ATOM}link")}
    assert addresses == {"feed.atom", "systems/vote.html", "news.html"}
    published = feed(site, "feed.json", links, "https://example.org/c/")
    assert json.loads(published)["items"][0]["url"] == "https://example.org/c/systems/vote.html"


def test_an_export_holds_every_item_and_its_pages_lead_to_each_other(store) -> None:
    site = Site(store, is_live=False)
    places = list(NEWS.places(site))
    files = {file_of(NEWS, place) for place in places}
    assert len(files) == len(places)
    told = set()
    for place in places:
        record = NEWS.record(site, Asked(place, tuple(place.items())))
        html = site.render(NEWS, record, FileLinks(PAGES, file_of(NEWS, place), files), "x.json")
        told |= {item["id"] for item in record["found"]}
        assert "<form" not in html
        for start in (record["before"], record["after"]):
            if start is not None:
                params = {"kind": record["kind"], "start": str(start or "")}
                assert f'href="{file_of(NEWS, params)}"' in html
    assert told == {item.id for item in items(site)}


def test_hostile_texts_stay_text_on_the_page_and_in_the_feeds(browse, tmp_path, hostile_card) -> None:
    path = tmp_path / "store.db"
    with Store.open(path) as opened:
        words = ("title", "claim", "model", "version", "verdict", "size")
        opened.add_claim("vote", result("hostile_card", **{word: hostile(word) + "\x00" for word in words}))
        opened.add_claim("vote", result("x", title="y" * 1_000_000))
    site = Site(path, (hostile_card,))
    client = browse(site, more=routes(site, lambda: None))
    page = client.get("/news?kind=result").text + client.get("/news?kind=system").text
    assert is_text_only(page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\u202e" not in page
    assert max(map(len, page.splitlines())) < 10_000
    feed = client.get("/feed.atom")
    assert is_text_only(feed.text)
    assert ElementTree.fromstring(feed.content).findall(f"{ATOM}entry")


def test_a_hostile_query_stays_text(client: TestClient) -> None:
    for name in ("since", "kind", "start"):
        answer = client.get("/news", params={name: '"><script>alert(1)</script>'})
        assert answer.status_code in (400, 404)
        assert "<script>alert" not in answer.text


def test_what_is_added_to_the_store_is_on_the_page_the_next_time(client: TestClient, store) -> None:
    assert client.get("/news.json?kind=verdict").json()["n"] == 1
    with Store.open(store) as opened:
        opened.add_claim("vote", result(verdict="does not hold", date="2999-01-03"))
    assert client.get("/news.json?kind=verdict").json()["n"] == 2
    assert "From undecided to does not hold: About vote" in client.get("/feed.atom").text


def test_without_a_store_there_is_news_of_papers(browse, no_store) -> None:
    site = Site(no_store)
    titles = [item["title"] for item in browse(site).get("/news.json").json()["found"]]
    assert len(titles) == PER_PAGE

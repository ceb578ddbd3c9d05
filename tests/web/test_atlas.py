"""The atlas and the pages of systems: what is found, shown and linked, and hostile texts."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.web.conftest import HOSTILE, hostile, is_text_only

from calculemus.catalog import read_catalog
from calculemus.claims.history import read_results
from calculemus.claims.status import entries
from calculemus.report.words import quantity
from calculemus.search import parse_query
from calculemus.web.atlas import bibtex
from calculemus.web.site import Site

Browse = Callable[..., TestClient]


@pytest.fixture
def client(browse: Browse, no_store: Path) -> TestClient:
    return browse(Site(no_store))


def shown(reply_text: str) -> list[str]:
    return re.findall(r'<li data-id="(\w+)"', reply_text)


def test_without_words_every_method_is_there_and_those_that_run_come_first(client: TestClient) -> None:
    found = client.get("/index.json").json()["found"]
    assert {each["id"] for each in found} == {card.id for card in read_catalog()}
    is_planned = [each["status"] == "planned" for each in found]
    assert is_planned == sorted(is_planned)
    assert shown(client.get("/").text) == [each["id"] for each in found]


def test_words_and_filters_find_what_the_command_line_finds(client: TestClient, no_store: Path) -> None:
    index = Site(no_store).index()
    for typed in ("merge without data", "verifier", "room:solving majority vote after:2022"):
        found = [each["id"] for each in client.get("/index.json", params={"q": typed}).json()["found"]]
        assert found == [hit.entry.card.id for hit in index.search(*parse_query(typed), 500)]
        assert shown(client.get("/", params={"q": typed}).text) == found


def test_a_choice_of_room_and_status_narrows_a_search(client: TestClient) -> None:
    found = client.get("/index.json", params={"room": "merging", "status": "claim holds"}).json()["found"]
    assert found
    assert {(each["room"], each["status"]) for each in found} == {("merging", "claim holds")}
    narrowed = client.get("/index.json", params={"q": "ties", "room": "merging"}).json()["found"]
    assert "ties" in {each["id"] for each in narrowed}


def test_a_filter_that_cannot_be_is_said_on_the_page(client: TestClient) -> None:
    reply = client.get("/", params={"q": "room:kitchen"})
    assert reply.status_code == 200
    assert "kitchen" in reply.text
    assert "merging" in client.get("/index.json", params={"q": "room:kitchen"}).json()["fault"]
    assert shown(reply.text) == []


def test_every_system_has_a_page_and_every_file_of_it_too(client: TestClient) -> None:
    for entry in entries(read_catalog()):
        reply = client.get(f"/systems/{entry.card.id}")
        assert reply.status_code == 200, entry.card.id
        record = client.get(f"/systems/{entry.card.id}.json").json()
        for file in record["files"]:
            assert f'href="/systems/{entry.card.id}/{file}"' in reply.text
        assert record["title"] == entry.card.title
    ties = read_catalog().get("ties")
    assert client.get("/systems/ties/card.json").json()["text"] == ties.path.read_text("utf-8")


def test_a_page_shows_the_result_that_counts_with_its_interval(client: TestClient) -> None:
    result = read_results()["adamerging"]
    record = client.get("/systems/adamerging.json").json()
    assert record["result"] == result
    effect = result["effects"][0]
    text = client.get("/systems/adamerging").text
    assert f"{effect['baseline_figure']:.4g}" in text
    assert f"{effect['low']:+.3g}" in text
    assert re.search(rf'data-testid="verdict">{result["verdict"]}<', text)


def test_a_page_shows_what_both_arms_of_a_claim_cost(client: TestClient) -> None:
    effect = read_results()["vote"]["effects"][0]
    costs = client.get("/systems/vote").text.split('data-testid="arm-cost"')[1:]
    assert len(costs) == 2
    for text, arm in zip(costs, ("baseline", "treatment"), strict=True):
        assert f"<bdi>{effect[arm]}</bdi>" in text
        assert f"<dd>{quantity(effect[f'{arm}_cost']['tokens_out'])}</dd>" in text


def test_claims_are_counted_by_how_they_came_out(client: TestClient) -> None:
    results = read_results().values()
    record = client.get("/claims.json").json()
    by_word = {each["word"]: each["n"] for each in record["counts"]}
    assert by_word["hold"] == sum(result["verdict"] == "holds" for result in results)
    assert sum(by_word.values()) == len(record["found"]) == len(results)
    text = client.get("/claims").text
    assert all(f'href="/systems/{each["id"]}"' in text for each in record["found"])


def test_what_a_card_says_stays_text(browse: Browse, no_store: Path, hostile_card: Path) -> None:
    client = browse(Site(no_store, (hostile_card,)))
    for address in ("/?q=hostile", "/systems/hostile_card", "/systems/hostile_card/card"):
        text = client.get(address).text
        assert is_text_only(text), address
    page = client.get("/systems/hostile_card").text
    for name in ("title", "summary", "claim", "baseline", "metric", "reported", "shows", "differs"):
        assert f"{name} &lt;script&gt;" in page
    assert client.get("/systems/hostile_card.json").json()["summary"] == hostile("summary")


@pytest.mark.parametrize("typed", HOSTILE)
def test_what_a_reader_types_stays_text(client: TestClient, typed: str) -> None:
    for name in ("q", "room", "status"):
        assert is_text_only(client.get("/", params={name: typed}).text)
    assert is_text_only(client.get(f"/systems/{typed.replace('/', '')}").text)


@pytest.mark.parametrize(
    "address",
    [
        "/systems/nobody",
        "/systems/ties/secret",
        "/systems/ties/..%2F..%2Fties.py",
        "/systems/..%2F..%2F..%2Fetc%2Fpasswd",
        "/assets/..%2F__init__.py",
        "/assets/../app.py",
        "/assets/%2e%2e/%2e%2e/errors.py",
        "/assets/report/..%2Fpage.py",
        "/nothing",
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(client: TestClient, address: str) -> None:
    reply = client.get(address)
    assert reply.status_code == 404
    assert "import " not in reply.text
    assert "root:" not in reply.text
    assert 'role="alert"' in reply.text


def test_a_name_with_a_slip_is_answered_with_the_nearest(client: TestClient) -> None:
    reply = client.get("/systems/tie.json")
    assert (reply.status_code, "ties" in reply.json()["why"]) == (404, True)


def test_an_alias_leads_to_the_system(client: TestClient) -> None:
    assert client.get("/systems/ada_merging.json").json()["id"] == "adamerging"


def test_no_page_tells_where_files_are_on_this_machine(client: TestClient) -> None:
    here = str(Path(__file__).parents[2])
    for address in ("/systems/ties.json", "/systems/ties", "/index.json", "/claims.json"):
        assert here not in client.get(address).text


def test_bibtex_is_one_entry_whatever_the_title(hostile_card: Path, no_store: Path) -> None:
    written = bibtex(Site(no_store, (hostile_card,)).entry("hostile_card"))
    assert written is not None
    assert written.count("{") - written.count("\\{") == written.count("}") - written.count("\\}")
    assert "eprint = {2405.00001}" in written

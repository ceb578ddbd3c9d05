"""Forms that start work: what they may start, and what is refused."""

import pytest
from starlette.testclient import TestClient
from tests.web.conftest import HOSTILE, is_text_only
from tests.web.working import is_over, send, until, working

from calculemus.errors import CardError, InvalidParameterError
from calculemus.web.site import Site
from calculemus.web.work.forms import order
from calculemus.web.work.queue import Queue

CLAIM = {"kind": "claim", "id": "vote", "size": "smoke"}


def test_a_claim_is_the_command_that_a_shell_would_run(site: Site) -> None:
    asked = order("claim", CLAIM, site)
    flags = ("--size=smoke", "--seeds=1", "--model=tiny", f"--store={site.store}")
    assert asked.arguments == ("claim", "vote", *flags)


def test_a_comparison_is_the_command_that_a_shell_would_run(site: Site) -> None:
    fields = {"systems": "cot@tiny\n\n vote:n=4@tiny ", "problems": "generated:level=2,n=5", "limit": "3"}
    flags = ("--problems=generated:level=2,n=5", "--limit=3", "--grader=default", "--baseline=cot@tiny")
    assert order("comparison", fields, site).arguments == (
        "compare",
        "cot@tiny",
        "vote:n=4@tiny",
        *flags,
        f"--store={site.store}",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"id": "--all"},
        {"id": ""},
        {"id": "nobody"},
        {"id": "ssb"},
        {"size": "real"},
        {"size": "small --all"},
        {"seeds": "0"},
        {"seeds": "1e3"},
        {"seeds": "-1"},
        {"model": "--out=/etc/passwd"},
        {"model": "tiny\n--all"},
        {"model": "x" * 3000},
    ],
)
def test_a_claim_that_the_command_would_not_take_is_refused(site: Site, change: dict[str, str]) -> None:
    with pytest.raises((InvalidParameterError, CardError)):
        order("claim", {**CLAIM, **change}, site)


@pytest.mark.parametrize(
    "change",
    [
        {"systems": ""},
        {"systems": "--report=/tmp/x"},
        {"systems": "cot@tiny\n--store=other.db"},
        {"systems": "nobody@tiny"},
        {"systems": "vote:n=none@tiny"},
        {"systems": "cot"},
        {"systems": "recorded:/nowhere.jsonl"},
        {"systems": "cot@tiny\n" * 21},
        {"problems": ""},
        {"problems": "--data=/"},
        {"problems": "generated:level=99"},
        {"limit": "x"},
        {"grader": "nobody"},
        {"baseline": "other@tiny"},
    ],
)
def test_a_comparison_that_the_command_would_not_take_is_refused(site: Site, change: dict[str, str]) -> None:
    usual = {"systems": "cot@tiny", "problems": "generated:level=2,n=5"}
    with pytest.raises(ValueError, match=r"expected|there is no"):
        order("comparison", {**usual, **change}, site)


def test_a_form_starts_work_and_leads_to_its_page(site: Site, client: TestClient) -> None:
    reply = send(client, "/jobs", {**CLAIM, "form_key": site.form_key})
    assert (reply.status_code, reply.headers["location"]) == (303, "/jobs/1")
    record = client.get("/jobs/1.json").json()
    assert record["command"].startswith("calculemus claim vote --size=smoke")
    assert (record["status"], record["subject"]) == ("waiting", "vote")
    assert record["command"] in client.get("/jobs/1").text
    assert [each["id"] for each in client.get("/jobs.json").json()["found"]] == [1]


def test_a_comparison_that_is_done_leads_to_its_runs(site: Site, client: TestClient) -> None:
    queue = Queue(site.store)
    program = "print('compared')"
    job = queue.add("comparison", "t", (program, "cot@tiny", "vote:n=2,temperature=0.7@tiny", "--limit=3"))
    with working(site):
        until(site, job, is_over)
    assert client.get(f"/jobs/{job.id}.json").json()["runs"] == ["cot@tiny", "vote:n=2,temperature=0.7@tiny"]
    address = "/compare?run=cot%40tiny&amp;run=vote%3An%3D2%2Ctemperature%3D0.7%40tiny"
    assert f'href="{address}"' in client.get(f"/jobs/{job.id}").text


def test_without_the_key_of_the_form_nothing_is_started(site: Site, client: TestClient) -> None:
    for fields in (CLAIM, {**CLAIM, "form_key": "wrong"}, {**CLAIM, "form_key": ""}):
        assert send(client, "/jobs", fields).status_code == 403
    key = {"form_key": site.form_key}
    assert send(client, "/jobs", {**CLAIM, **key}, origin="https://evil.example").status_code == 403
    assert client.post("/jobs", json={**CLAIM, **key}).status_code == 415
    assert client.post("/jobs", files={"form_key": site.form_key}).status_code == 415
    assert send(client, "/jobs", {**CLAIM, **key, "model": "x" * 70_000}).status_code == 413
    assert Queue(site.store).newest(10) == []


def test_a_form_with_a_fault_comes_back_as_it_was_typed(site: Site, client: TestClient) -> None:
    for harm in HOSTILE:
        fields = {"kind": "comparison", "systems": harm, "problems": harm, "form_key": site.form_key}
        reply = send(client, "/jobs", fields)
        assert reply.status_code == 422
        assert is_text_only(reply.text)
    fields = {"kind": "comparison", "systems": "cott@tiny", "problems": "p & q", "form_key": site.form_key}
    text = send(client, "/jobs", fields).text
    assert "cott@tiny</textarea>" in text
    assert 'value="p &amp; q"' in text
    assert "cot" in text.split('data-testid="fault">')[1].split("</p>")[0]


def test_work_that_is_not_there_is_a_page_that_says_so(site: Site, client: TestClient) -> None:
    assert client.get("/jobs/7").status_code == 404
    Queue(site.store).add("claim", "one", ("claim", "vote"))
    for address in ("/jobs/7", "/jobs/x", "/jobs/-1", "/jobs/7/events", "/start/merge", "/jobs/..%2F1"):
        assert client.get(address).status_code == 404, address
    assert send(client, "/jobs/7/cancel", {"form_key": site.form_key}).status_code == 404

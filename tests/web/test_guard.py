"""Who the server answers: names, forms of other sites, tokens, and the policy of every reply."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from calculemus.web.guard import COOKIE, POLICY, Guard, Rules

HERE = "http://127.0.0.1:8080"
OUTSIDE = "http://203.0.113.5:8080"
"""An address of the block that documents use."""


async def answer(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} was let through")


def client(rules: Rules, address: str = HERE) -> TestClient:
    app = Starlette(routes=[Route("/work", answer, methods=["GET", "POST"])])
    return TestClient(Guard(app, rules), base_url=address, follow_redirects=False)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "127.0.0.1", "localhost:8080", "[::1]:8080", "LOCALHOST"])
def test_this_machines_own_names_are_answered(host: str) -> None:
    assert client(Rules()).get("/work", headers={"host": host}).text == "GET was let through"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example:8080",
        "192.168.0.7",
        "127.0.0.1.evil.example",
        "",
        "a b",
        "[::",
    ],
)
def test_a_name_that_was_bound_to_this_machine_is_refused(host: str) -> None:
    reply = client(Rules()).get("/work", headers={"host": host})
    assert reply.status_code == 421
    assert "let through" not in reply.text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://localhost:8080"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_of_another_site_is_refused(headers: dict[str, str]) -> None:
    reply = client(Rules()).post("/work", headers=headers)
    assert (reply.status_code, "another site" in reply.text) == (403, True)
    assert client(Rules()).get("/work", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"origin": HERE}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {}]
)
def test_a_form_of_ours_and_a_program_are_taken(headers: dict[str, str]) -> None:
    assert client(Rules()).post("/work", headers=headers).text == "POST was let through"


def test_every_reply_forbids_scripts_of_others_and_frames() -> None:
    for reply in (
        client(Rules()).get("/work"),
        client(Rules()).get("/work", headers={"host": "evil.example"}),
    ):
        assert reply.headers["content-security-policy"] == POLICY
        assert reply.headers["x-content-type-options"] == "nosniff"
    parts = dict(part.strip().split(" ", 1) for part in POLICY.split(";"))
    assert parts["default-src"] == "'none'"
    assert parts["script-src"] == parts["connect-src"] == parts["form-action"] == "'self'"
    assert parts["frame-ancestors"] == "'none'"


def test_beyond_this_machine_nothing_is_said_without_the_token() -> None:
    rules = Rules("secret token", ("localhost", "203.0.113.5"))
    outside = client(rules, OUTSIDE)
    for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": f"{COOKIE}=wrong"}, {"cookie": ";;=,"}):
        reply = outside.get("/work", headers=headers)
        assert (reply.status_code, "let through" in reply.text) == (401, False)
    assert outside.get("/work?token=secret").status_code == 401
    assert outside.post("/work?token=secret%20token").status_code == 401


def test_the_token_is_taken_as_a_bearer_or_once_in_the_address() -> None:
    outside = client(Rules("secret token", ("localhost",)), OUTSIDE)
    assert outside.get("/work", headers={"authorization": "Bearer secret token"}).status_code == 200
    first = outside.get("/work?token=secret%20token")
    assert (first.status_code, first.headers["location"]) == (303, "/work")
    assert {"HttpOnly", "SameSite=strict"} <= {
        part.strip() for part in first.headers["set-cookie"].split(";")
    }
    assert outside.get("/work").text == "GET was let through"

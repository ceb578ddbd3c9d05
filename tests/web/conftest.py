"""Small stores to show, and a client that asks as a browser does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra 'web' is not installed")

from starlette.testclient import TestClient

from calculemus.store import Store
from calculemus.web.app import make_app
from calculemus.web.contents import PAGES, routes
from calculemus.web.site import Site

ADDRESS = "http://127.0.0.1:8080"

CARD = """
id = "{id}"
title = {title}
date = "2024-05-01"
authors = 3
room = "solving"
interface = "Solver"
summary = {summary}
arxiv = "2405.00001"
feed = ["gsm8k"]
aliases = [{alias}]
tags = [{tag}]

[claim]
text = {claim}
baseline = {baseline}
treatment = "it"
metric = {metric}
direction = "higher"
reported = {reported}

[scope]
shows = {shows}
does_not_show = {does_not_show}

[differs]
sampling = {differs}
"""


@pytest.fixture
def no_store(tmp_path: Path) -> Path:
    return tmp_path / "none yet" / "store.db"


@pytest.fixture
def browse() -> Callable[..., TestClient]:
    """Make a client of a site, at the address it is served at."""

    def open_site(site: Site, *arguments: Any, **named: Any) -> TestClient:
        return TestClient(make_app(site, PAGES, *arguments, **named), base_url=ADDRESS)

    return open_site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    path = tmp_path / "store.db"
    Store.open(path).close()
    return Site(path)


@pytest.fixture
def client(site: Site, browse: Callable[..., TestClient]) -> TestClient:
    return browse(site, more=routes(site, lambda: None))


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; alert(1); '",
    "{{ 7 * 7 }}{% raw %}",
    "</code></pre><svg onload=alert(1)>",
    "a\u202egnp.exe\u2066 bidi",
)


def hostile(place: str) -> str:
    """Return a text that names its place and holds everything that must stay text."""
    return f"{place} " + " ".join(HOSTILE)


def is_text_only(html: str) -> bool:
    """Say whether nothing of the hostile texts became markup."""
    live = ("<script>alert", "<img src=x", "<svg onload", "49{%")
    return not any(each in html for each in live)


@pytest.fixture
def hostile_card(tmp_path: Path) -> Path:
    """A folder with a card whose every text is hostile."""
    import json

    folder = tmp_path / "cards"
    folder.mkdir()
    names = ("title", "summary", "alias", "tag", "claim", "baseline", "metric", "reported")
    names += ("shows", "does_not_show", "differs")
    texts = {name: json.dumps(hostile(name)) for name in names}
    (folder / "hostile_card.toml").write_text(CARD.format(id="hostile_card", **texts), "utf-8")
    return folder

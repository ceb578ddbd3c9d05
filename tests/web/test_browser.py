"""The pages in a real Chromium, before the real command; any console message or foreign request fails."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.report.conftest import CHROMIUM

from calculemus.store import Store
from calculemus.web.contents import PAGES
from calculemus.web.export import export
from calculemus.web.site import Site

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Visit = Callable[..., Any]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two runs of the model that ships on three problems."""
    path = tmp_path_factory.mktemp("web") / "store.db"
    command = ["compare", "cot@tiny", "vote:n=2,temperature=0.7@tiny", "--problems", "generated:level=2,n=3"]
    subprocess.run([*CALCULEMUS, *command, "--store", str(path)], check=True, capture_output=True)
    return path


CALCULEMUS = (sys.executable, "-c", "from calculemus.cli import main; main()")


@pytest.fixture(scope="module")
def address(store: Path) -> Iterator[str]:
    """Start the command as a user does; stop it as one does."""
    command = [*CALCULEMUS, "web", "--port", "0", "--store", str(store)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())
        assert found is not None
        yield found[0]
        server.terminate()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser: {CHROMIUM} is not there; install Debian's package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Visit]:
    said: list[str] = []
    pages: list[Any] = []

    def open_page(address: str, scheme: str = "light", size: dict[str, int] = DESK) -> Any:
        page = chromium.new_page(viewport=size, color_scheme=scheme)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto(address)
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert said == []


def test_the_atlas_is_searched_as_one_types_and_a_system_opens(visit: Visit, address: str) -> None:
    page = visit(address)
    everything = page.locator(".cards > li").count()
    page.keyboard.press("/")
    page.keyboard.type("adaptive merging entropy", delay=10)
    expect(page.get_by_test_id("count")).to_contain_text(f"of {everything} methods")
    expect(page.locator(".cards > li").first).to_have_attribute("data-id", "adamerging")
    assert "q=adaptive" in page.url
    assert page.get_by_label("Search").evaluate("element => element === document.activeElement")
    page.locator(".cards > li a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("AdaMerging")
    expect(page.get_by_test_id("result")).to_be_visible()
    page.get_by_test_id("files").get_by_text("code").click()
    expect(page.locator("pre.source")).to_contain_text("class AdaMerging")


def test_a_filter_narrows_what_is_shown(visit: Visit, address: str) -> None:
    page = visit(address)
    page.get_by_label("Room").select_option("merging")
    expect(page.get_by_test_id("count")).to_contain_text(" of ")
    rooms = page.locator(".cards > li").evaluate_all("cards => cards.map((card) => card.dataset.room)")
    assert set(rooms) == {"merging"}


def test_the_theme_that_is_chosen_stays(visit: Visit, address: str) -> None:
    page = visit(address)
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_test_id("theme").click()
    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != after
    page.goto(f"{address}claims")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == after


def test_from_the_first_page_a_trace_is_three_clicks_away(visit: Visit, address: str) -> None:
    page = visit(address)
    page.locator(".newest a").first.click()
    page.get_by_test_id("line").first.get_by_role("link").first.click()
    expect(page.get_by_test_id("trace").first).to_be_visible()
    assert page.get_by_test_id("step").count() >= 2


def test_a_claim_is_run_from_its_page_and_watched_to_its_end(visit: Visit, address: str) -> None:
    page = visit(f"{address}systems/eccentric")
    page.get_by_test_id("start-claim").click()
    page.get_by_test_id("start").click()
    expect(page.get_by_test_id("status")).to_have_text("done", timeout=120_000)
    expect(page.get_by_test_id("output")).to_contain_text("eccentric: ")
    page.get_by_test_id("came-of-it").get_by_role("link").click()
    expect(page.get_by_role("heading", name="Every result in the store")).to_have_count(0)
    assert page.url.endswith("/systems/eccentric")


def test_a_comparison_is_cancelled_and_keeps_what_it_has(visit: Visit, address: str) -> None:
    page = visit(f"{address}start/comparison")
    page.get_by_label("Systems").fill("cot@tiny\nvote:n=8,temperature=0.7@tiny")
    page.get_by_label("Problems").fill("generated:level=4,n=3000")
    page.get_by_test_id("start").click()
    expect(page.get_by_test_id("tasks")).to_contain_text("cot@tiny", timeout=60_000)
    page.get_by_test_id("cancel").click()
    expect(page.get_by_test_id("status")).to_have_text("cancelled", timeout=60_000)
    expect(page.get_by_test_id("errors")).to_contain_text("the same command goes on from there")


def test_runs_are_marked_and_compared(visit: Visit, address: str) -> None:
    page = visit(f"{address}runs?q=level=2")
    expect(page.get_by_test_id("run")).to_have_count(2)
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_test_id("compare").click()
    expect(page.get_by_test_id("system")).to_have_count(2)
    expect(page.locator("[data-testid=plot-intervals] svg")).to_be_visible()
    page.get_by_test_id("theme").click()
    expect(page.locator("[data-testid=plot-intervals] svg")).to_be_visible()


EVERY = (
    *("", "claims", "runs", "jobs", "news", "docs", "docs/start", "docs/solver"),
    *("systems/vote", "systems/vote/code", "start/comparison", "start/claim", "reference/calculemus.rng"),
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_no_page_is_wider_than_its_window_or_lacks_names(
    visit: Visit, store: Path, address: str, size: dict[str, int], scheme: str
) -> None:
    page = visit(address, scheme, size)
    with Store.open(store, readonly=True) as opened:
        first, second = (run.key for run in opened.runs()[-2:])
    of_runs = (f"runs/{first}", f"runs/{first}/problems/0", f"compare?run={first}&run={second}")
    for name in (*EVERY, *of_runs):
        page.goto(f"{address}{name}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert page.get_by_role("heading", level=1).count() == 1, name
        nameless = page.locator("a, button, input:not([type=hidden]), select, textarea").evaluate_all(
            """elements => elements.filter((element) => element.offsetParent && !(
                element.textContent.trim() || element.getAttribute('aria-label') || element.labels?.length
            )).map((element) => element.outerHTML)"""
        )
        assert nameless == [], name


def test_an_export_opens_from_a_disk_searches_and_links(visit: Visit, store: Path, tmp_path: Path) -> None:
    export(Site(store, is_live=False), PAGES, tmp_path / "site")
    page = visit((tmp_path / "site" / "index.html").as_uri())
    everything = page.locator(".cards > li").count()
    page.keyboard.press("/")
    page.keyboard.type("room:merging adaptive entropy")
    expect(page.locator(".cards > li").first).to_have_attribute("data-id", "adamerging")
    assert page.locator(".cards > li").count() < everything
    page.locator(".cards > li a").first.click()
    expect(page.get_by_test_id("result")).to_be_visible()
    page.get_by_test_id("files").get_by_text("code").click()
    expect(page.locator("pre.source")).to_contain_text("class AdaMerging")

"""The pages as files: every link leads somewhere, and nothing of the reader's is overwritten."""

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

from calculemus.catalog import read_catalog
from calculemus.errors import OutputError
from calculemus.web.contents import PAGES
from calculemus.web.export import LIST, export
from calculemus.web.site import Site

FEW = tuple(page if page.path == "/" else replace(page, places=lambda site: ()) for page in PAGES)
"""All kinds of pages, of which only the first one is written."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("export") / "site"
    export(Site(made.parent / "none.db", is_live=False), PAGES, made)
    return made


def links(page: Path) -> list[str]:
    text = page.read_text("utf-8")
    return [unescape(found) for found in re.findall(r'(?:href|src)="([^"]*)"', text)]


def test_every_link_leads_to_a_file_that_is_there(folder: Path) -> None:
    pages = sorted(folder.rglob("*.html"))
    assert len(pages) > 400
    for page in pages:
        for link in links(page):
            if not link.startswith(("https://", "#", "data:", "mailto:")):
                target = (page.parent / unquote(link.partition("#")[0])).resolve()
                assert target.is_file(), f"{page.name} links to {link}"
                assert target.is_relative_to(folder)


def test_every_system_is_linked_with_its_files_and_its_figures(folder: Path) -> None:
    atlas = links(folder / "index.html")
    for card in read_catalog():
        assert f"systems/{card.id}.html" in atlas
        record = json.loads((folder / "systems" / f"{card.id}.json").read_text("utf-8"))
        own = links(folder / "systems" / f"{card.id}.html")
        assert {f"{card.id}/{file}.html" for file in record["files"]} <= set(own)


def test_an_export_holds_neither_forms_that_post_nor_where_it_was_made(folder: Path) -> None:
    here = str(Path(__file__).parents[2])
    for page in (*folder.rglob("*.html"), *folder.rglob("*.json")):
        text = page.read_text("utf-8")
        assert 'method="post"' not in text
        assert here not in text
        assert "form_key" not in text


def test_an_export_is_brought_up_to_date_and_drops_what_is_gone(folder: Path, tmp_path: Path) -> None:
    made = tmp_path / "site"
    export(Site(tmp_path / "none.db", is_live=False), FEW, made)
    stale = made / "systems" / "gone.html"
    stale.parent.mkdir(exist_ok=True)
    stale.write_text("of an earlier export")
    kept = made / "CNAME"
    kept.write_text("example.org")
    listed = json.loads((made / LIST).read_text())
    (made / LIST).write_text(json.dumps([*listed, "systems/gone.html", "../outside.txt"]))
    outside = tmp_path / "outside.txt"
    outside.write_text("not ours")
    export(Site(tmp_path / "none.db", is_live=False), FEW, made)
    assert (stale.exists(), kept.exists(), outside.exists()) == (False, True, True)
    assert (made / "index.html").read_text("utf-8").count("<li data-id=") == len(read_catalog().cards)


def test_the_feeds_of_an_export_link_to_where_it_is_published(tmp_path: Path) -> None:
    site = Site(tmp_path / "none.db", is_live=False)
    export(site, PAGES, tmp_path / "site", "https://example.org/atlas")
    items = json.loads((tmp_path / "site" / "feed.json").read_text("utf-8"))["items"]
    assert items
    for item in items:
        place = item["url"].removeprefix("https://example.org/atlas/")
        assert (tmp_path / "site" / place).is_file(), item["url"]


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="expected a new or empty folder"):
        export(Site(tmp_path / "none.db", is_live=False), FEW, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file/site"):
        export(Site(tmp_path / "none.db", is_live=False), FEW, tmp_path / "file" / "site")

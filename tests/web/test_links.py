"""Addresses of pages, on a server and in a folder."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import PageError
from calculemus.web.contents import PAGES
from calculemus.web.links import FileLinks, ServedLinks, file_of
from calculemus.web.pages import Asked, Page

LIST = Page("list", "/things", "none", lambda site, asked: {})
THING = Page("thing", "/things/{key}", "none", lambda site, asked: {})
PART = Page("part", "/things/{key}/parts/{name}", "none", lambda site, asked: {})
HOME = Page("home", "/", "none", lambda site, asked: {})
KINDS = (LIST, THING, PART, HOME)


def test_what_the_path_has_no_braces_for_becomes_the_query() -> None:
    links = ServedLinks(KINDS)
    assert links.page("part", {"key": "a/b", "name": "ü"}) == "/things/a%2Fb/parts/%C3%BC"
    assert links.page("list", {"start": 100, "q": "a&b"}) == "/things?start=100&q=a%26b"
    assert links.page("list", {"run": ["x", "y"], "q": ""}) == "/things?run=x&run=y"


def test_links_between_files_are_relative_and_only_to_what_is_written() -> None:
    written = {file_of(HOME, {}), file_of(THING, {"key": "x"}), file_of(LIST, {"start": "100"})}
    links = FileLinks(KINDS, file_of(PART, {"key": "x", "name": "y"}), written)
    assert links.page("home", {}) == "../../../index.html"
    assert links.page("thing", {"key": "x"}) == "../../x.html"
    assert links.page("list", {"start": 100}) == "../../../things.start-100.html"
    assert links.page("thing", {"key": "other"}) is None
    assert links.asset("web.css") == "../../../assets/web.css"


@given(st.text(), st.text())
def test_no_value_leads_out_of_its_folder(key: str, name: str) -> None:
    file = PurePosixPath(file_of(PART, {"key": key, "name": name, "q": name}))
    assert file.parts[0] == "things"
    assert (len(file.parts), ".." in file.parts, file.suffix) == (4, False, ".html")


@given(st.lists(st.text(), min_size=2, max_size=2, unique=True))
def test_different_values_have_different_files(keys: list[str]) -> None:
    first, second = (file_of(THING, {"key": key}) for key in keys)
    assert first != second


def test_no_two_kinds_of_pages_share_a_name_or_a_path() -> None:
    assert len({page.name for page in PAGES}) == len({page.path for page in PAGES}) == len(PAGES)


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "²", "9" * 40, " 1"])
def test_a_number_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(PageError, match="whole number"):
        Asked(query=(("start", text),)).whole("start", 0)


def test_a_number_comes_from_the_path_then_the_query_then_the_default() -> None:
    asked = Asked({"start": "3"}, (("start", "4"), ("limit", "5")))
    assert [asked.whole(name, 7) for name in ("start", "limit", "other")] == [3, 5, 7]

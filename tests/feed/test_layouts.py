"""Files that are no feed page: one message each that says what was found, expected, and what to do."""

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import FeedError
from calculemus.feed import parse_page, read_page

PROSE = "This is a sentence of some length about nothing in particular. " * 5
README = Path(__file__).parents[2] / "README.md"

OTHER_LAYOUTS = {
    "prose": "\n\n".join(["A heading", PROSE] * 9),
    "a page of HTML": f"<html><body><h1>Head</h1><p>{PROSE}</p><h2>Next</h2><p>{PROSE}</p></body></html>",
    "HTML without text": "<!DOCTYPE html><head><script>load('papers')</script></head><body></body>",
    "JSON": json.dumps([{"title": "T", "summary": PROSE, "authors": 3}] * 5, indent=1),
    "RSS": f"<?xml version='1.0'?><rss><item><title>T</title><text>{PROSE}</text></item></rss>",
    "a listing of preprints": f"arXiv:2409.01234\n\nTitle: T\n\nAuthors: A. B.\n\nAbstract: {PROSE}\n\n" * 5,
    "CSV": "title,authors,date\nT,3,2024-01-05\n" * 9,
    "a blog": f"Head\n\n{PROSE}\n\nSep 14, 2024\n\n" * 9,
    "prose that counts authors once": f"Head\n\n{PROSE}\n\n" * 9 + "5 authors\n",
    "marks alone": "5 authors\n\nSep 14, 2024\n\n" * 9,
    "a single word": "papers",
}


@pytest.mark.parametrize("layout", OTHER_LAYOUTS)
def test_another_layout_is_refused_with_what_was_found_and_what_was_expected(tmp_path, layout) -> None:
    path = tmp_path / "page.txt"
    path.write_text(OTHER_LAYOUTS[layout], "utf-8")
    with pytest.raises(
        FeedError, match=r"reading the feed page .*page\.txt: found \d+ paragraphs, .*; expected .*\. Open"
    ):
        read_page(path)


def test_the_readme_is_no_feed_page() -> None:
    with pytest.raises(FeedError, match="0 with a number of authors"):
        read_page(README)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "the file is empty"),
        (b" \n\t\r\n", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "found binary data"),
        ("• 5 authors".encode("utf-16-le"), "found binary data"),
        (
            b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
            "found bytes that are text in neither UTF-8 nor UTF-16, the first at 10",
        ),
        ("• 5 authors\n".encode("cp1252"), "the first at 0"),
        (b"\xff\xfea", "found bytes that are text in neither"),
        (b"x" * ((32 << 20) + 1), "found more than 32 MiB"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path, content, found) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(content)
    with pytest.raises(FeedError, match=found) as refusal:
        read_page(path)
    assert str(refusal.value).startswith(f"reading the feed page {path}: ")
    assert "; expected a page of daily papers" in str(refusal.value)


@pytest.mark.parametrize(("name", "found"), [("", "Is a directory"), ("nowhere", "No such file")])
def test_what_is_no_file_is_refused(tmp_path, name, found) -> None:
    with pytest.raises(FeedError, match=f"{found}.*; expected a file"):
        read_page(tmp_path / name)


@given(
    st.sampled_from(["", "<html>", "<div><p>"]),
    st.sampled_from(["", "\n", "<p>", "</a>", "<a href='/papers/2401.00001'>", "\n5 authors\n"]),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 300)), max_size=20),
)
def test_scraps_of_a_page_are_read_or_refused(ours, head, glue, cuts) -> None:
    text = head + glue.join(ours[start : start + length] for start, length in cuts)
    try:
        page = parse_page(text, date(2025, 3, 10))
    except FeedError:
        return
    assert page.entries
    assert all(entry.title for entry in page.entries)


@pytest.mark.parametrize(
    "unit",
    [PROSE + "\n\n", "word\n\n", "5 authors\n", "<a href='/papers/2401.00001'>x</a>", "<p>", "Sep 14\n"],
)
def test_a_long_file_of_one_thing_is_read_in_time_that_grows_with_its_length(unit) -> None:
    text = ("<html>" if "<" in unit else "") + unit * 20_000
    with pytest.raises(FeedError):
        parse_page(text)

"""HTML pages: the same papers as in text, with the numbers that their links have."""

from dataclasses import replace
from datetime import date

import pytest

from calculemus.feed import parse_page, read_page

SAVED = date(2025, 3, 10)
PAGE_DAY = date(2025, 3, 3)
REAL_DAYS = {"arithmetic": date(2025, 11, 20), "gsm8k": date(2025, 12, 9)}


def numbered(entries, every: int = 1):
    """Give every paper, or every second one, a number."""
    return tuple(
        replace(
            entry,
            arxiv=f"{(entry.date or '2025-03')[2:7].replace('-', '')}.{number:05}"
            if number % every == 0
            else None,
        )
        for number, entry in enumerate(entries)
    )


@pytest.mark.parametrize("every", [1, 2, 1000])
def test_our_papers_are_read_from_html_with_their_numbers(every, papers, write_html) -> None:
    entries = numbered(papers, every)
    page = parse_page(write_html(entries, PAGE_DAY), SAVED)
    assert page.entries == entries
    assert page.date == "2025-03-03"


@pytest.mark.parametrize("every", [1, 2, 1000])
@pytest.mark.parametrize("name", ["arithmetic", "gsm8k"])
def test_the_real_papers_are_read_from_html(name, every, real_pages, write_html) -> None:
    entries = numbered(real_pages[name].entries, every)
    assert parse_page(write_html(entries, REAL_DAYS[name]), REAL_DAYS[name]).entries == entries


def test_a_page_is_html_by_its_name_or_by_its_beginning(tmp_path, papers, write_html) -> None:
    entries = numbered(papers)
    text = write_html(entries, PAGE_DAY)
    for name, content in (("page.html", text), ("page.txt", text), ("p.htm", text[text.index("<h1>") :])):
        (tmp_path / name).write_text(content, "utf-8")
        assert read_page(tmp_path / name, SAVED).entries == entries


def test_one_card_in_every_markup_gives_one_paper() -> None:
    abstract = "Sums &amp; carries are kept <em>apart</em> in <b>two</b> heads. " * 5
    expected = (
        "Carry & Sum: AdaCarry",
        " ".join(["Sums & carries are kept apart in two heads."] * 5),
        4,
        "2024-09-14",
        3,
    )
    title = "<a href='{}'>Carry &amp; Sum: <i>Ada</i>Carry</a>"
    cards = [
        f"<h3>{title}</h3><p>{abstract}</p><ul><li>4 authors</ul>·<time>Sep 14, 2024</time><a>3</a>",
        f"<div>{title}<div>{abstract}</div><div>• 4 authors · Sep 14, 2024 3</div></div>",
        f"{title}<br>{abstract}<br><i>•</i><i>4 authors</i><i>·</i><span>Sep 14, 2024</span><br>3",
        f"<td>{title}<td><p>{abstract}<p>4&nbsp;authors<p>Sep&nbsp;14,&#160;2024<p><button>3</button>",
        f"<h3>\n{title}\n</h3>\n<!-- 9 authors --><p>\n{abstract}\n</p>\n<li>4 authors<li>Sep 14, 2024<li>3",
    ]
    for link in (
        "/papers/2409.01234",
        "https://example.org/papers/2409.01234v2?x=1#top",
        "//arxiv.org/abs/2409.01234",
    ):
        for card in cards:
            (entry,) = parse_page(f"<html><body>{card.format(link)}</body></html>", SAVED).entries
            assert (entry.title, entry.abstract, entry.n_authors, entry.date, entry.votes) == expected
            assert entry.arxiv == "2409.01234"


@pytest.mark.parametrize(
    "link",
    ["/papers", "/papers/trending", "/papers/12345.6", "/models/2409.01234x", "", "/papers/2409.012345"],
)
def test_a_link_to_something_else_is_no_number(link, papers, write_html) -> None:
    text = write_html(papers, PAGE_DAY).replace("<a class='title'>", f"<a class='title' href='{link}'>")
    assert parse_page(text, SAVED).entries == papers


def test_links_beside_the_title_add_no_papers(papers, write_html) -> None:
    entries = numbered(papers)
    text = write_html(entries, PAGE_DAY).replace(
        "</article>",
        "<button>Up</button><div>72</div><a href='https://arxiv.org/abs/2502.00000'>arXiv page</a></article>",
        1,
    )
    assert "arXiv page" in text
    assert parse_page(text, SAVED).entries == entries


def test_a_linked_title_begins_a_paper_however_long_and_whatever_lacks(papers, write_html) -> None:
    unmarked = [replace(paper, n_authors=None, date=None, votes=None) for paper in papers]
    unmarked[1] = replace(unmarked[1], title="On " + "Very " * 40 + "Long Titles")
    entries = numbered(unmarked)
    assert parse_page(write_html(entries, PAGE_DAY), SAVED).entries == entries


def test_a_link_in_an_abstract_is_a_part_of_it(papers, write_html) -> None:
    entries = numbered(papers)
    text = write_html(entries, PAGE_DAY).replace(
        "We ask what", "After <a href='/papers/2401.00001'>others</a> we ask what"
    )
    assert parse_page(text, SAVED).entries[1].abstract == entries[1].abstract.replace(
        "We ask", "After others we ask"
    )


def test_the_number_tells_the_year_that_an_old_page_leaves_out(papers, write_html) -> None:
    entries = (
        replace(papers[0], date="2023-02-28", arxiv="2302.12345"),
        replace(papers[1], date="2022-12-31", arxiv="2301.00001"),
    )
    page = parse_page(write_html(entries, date(2023, 3, 3)).replace(", 2022", ""), SAVED)
    assert page.entries == entries


def test_a_file_that_breaks_off_in_a_tag_gives_what_stands_before_it(papers, write_html) -> None:
    text = write_html(papers, PAGE_DAY)
    cut = text[: text.index("Proofs by Columns")] + "Proofs by Columns</a></h3><p class='half"
    assert parse_page(cut, SAVED).entries == papers[:4]

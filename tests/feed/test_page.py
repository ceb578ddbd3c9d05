"""Reading a feed page: every paper of the real ones, and of ours whatever becomes of the file."""

import re
import textwrap
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.feed import FeedEntry, parse_page, read_page
from calculemus.feed.matching import plain_title

SAVED = date(2025, 3, 10)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def test_every_paper_of_the_real_pages_is_found_under_its_listed_title(real_pages, feed_dir) -> None:
    assert [len(real_pages[name].entries) for name in ("arithmetic", "gsm8k")] == [101, 51]
    index = feed_dir.parent / "systems" / "INDEX.tsv"
    rows = [line.split("\t") for line in index.read_text("utf-8").splitlines()[1:]]
    for name, page in real_pages.items():
        assert {entry.title for entry in page.entries} == {row[4] for row in rows if name in row[3]}
    assert len({entry.title for page in real_pages.values() for entry in page.entries}) == 144


def test_the_real_marks_are_those_that_stand_between_a_title_and_the_next(real_pages, feed_dir) -> None:
    for name, page in real_pages.items():
        text = (feed_dir / f"{name}.txt").read_text("utf-8")
        starts = [text.index(f"\n{entry.title}\n") for entry in page.entries]
        assert starts == sorted(starts)
        for entry, start, end in zip(page.entries, starts, [*starts[1:], len(text)], strict=True):
            block = text[start:end]
            assert block.split("\n")[3] == entry.abstract
            authors = re.search(r"• (\d+) author", block)
            assert entry.n_authors == (int(authors[1]) if authors else None)
            dated = re.search(r"^([A-Z][a-z]{2}) (\d+)(?:, (\d{4}))?(?: (\d+))?$", block, re.MULTILINE)
            assert entry.votes == (int(dated[4]) if dated and dated[4] else None)
            year = dated and (dated[3] or "2025")
            shown = dated and f"{year}-{MONTHS.index(dated[1]) + 1:02}-{int(dated[2]):02}"
            assert entry.date == shown


def test_our_page_is_read_in_full(papers) -> None:
    found = [(e.title.split(":")[0], e.n_authors, e.date, e.votes) for e in papers]
    assert found == [
        ("Abacus Routing", 4, "2025-02-28", 17),
        ("Is a Carry a Memory? On What Small Transformers Keep", 1, "2024-12-30", None),
        ("Größenordnung", 12, "2025-03-01", None),
        ("Rounding Without Regret", None, None, None),
        ("Proofs by Columns", 3, "2024-02-29", 1204),
        ("A Benchmark of Sums That Nobody Asked For", 7, "2023-05-09", None),
    ]
    assert papers[0].abstract.endswith("Code is at https://example.org/abacus")
    assert papers[3].abstract.startswith("Stochastic rounding")
    assert all(entry.arxiv is None for entry in papers)


def without_blank_lines(text: str) -> str:
    return re.sub(r"\n+", "\n", text)


def wrapped(text: str) -> str:
    return "\n".join(
        textwrap.fill(line, 72, break_on_hyphens=False) if line[:1].isalpha() else line
        for line in text.split("\n")
    )


CHANGES = {
    "windows line ends": lambda text: text.replace("\n", "\r\n"),
    "old mac line ends": lambda text: text.replace("\n", "\r"),
    "no-break spaces": lambda text: text.replace("• ", "•\u00a0").replace("Feb 28 17", "Feb\u00a028\u202f17"),
    "invisible characters": lambda text: text.replace("Routing", "Rou\u00adting").replace(
        "Daily", "\u200bDaily"
    ),
    "letters in pieces": lambda text: text.replace("ö", "o\u0308").replace("ß", "ß"),
    "no blank lines": without_blank_lines,
    "lines broken at 72 characters": wrapped,
    "no head": lambda text: "Mar 3\n\n" + text[text.index("Abacus") :],
    "no foot": lambda text: text[: text.index("Previous")],
    "blanks at line ends": lambda text: text.replace("\n", " \t\n"),
    "marks on one line": lambda text: re.sub(r"  (• .*)\n·\n", r"\1 · ", text),
    "other bullets": lambda text: text.replace("  • ", "∙ ").replace("·", "|"),
    "no bullets": lambda text: text.replace("  • ", "").replace("·\n", ""),
    "links between": lambda text: text.replace("\n\nAbacus", "\n\nUpvote\n\n5\n\nAbacus"),
    "a paper twice": lambda text: text.replace(
        "Previous", text[text.index("Is a Carry") : text.index("Größen")]
    ),
    "months in full": lambda text: text.replace("Feb 28", "Published on February 28").replace(
        "Dec 30", "30 Dec"
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_our_page_reads_the_same_after(change: str, ours, papers) -> None:
    changed = CHANGES[change](ours)
    assert changed != ours
    assert parse_page(changed, SAVED).entries == papers


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_is_read_in_the_encodings_that_browsers_and_editors_write(
    tmp_path, encoding, ours, papers
) -> None:
    path = tmp_path / "page.txt"
    path.write_bytes(ours.encode(encoding))
    assert read_page(path, SAVED).entries == papers


def without(text: str, pattern: str) -> str:
    changed, n_changes = re.subn(pattern, "", text, count=1, flags=re.MULTILINE)
    assert n_changes == 1
    return changed


@pytest.mark.parametrize(
    ("pattern", "number", "lost"),
    [
        (r"  • 4 authors\n", 0, {"n_authors": None}),
        (r"^Feb 28 17\n", 0, {"date": None, "votes": None}),
        (r"(?<=^Feb 28) 17$", 0, {"votes": None}),
        (r"^Feb 28 (?=17)", 0, {"date": None}),
        (r"  • 1 author\n·\nDec 30, 2024\n", 1, {"n_authors": None, "date": None}),
        (
            r"(?<=People estimate before they calculate).*",
            2,
            {"abstract": "People estimate before they calculate"},
        ),
        (r"^We ask what.*\n", 1, {"abstract": ""}),
        (r"  • 7 authors\n·\nMay 9, 2023\n", 5, {"n_authors": None, "date": None}),
    ],
)
def test_what_a_paper_lacks_changes_no_other_paper(pattern, number, lost, ours, papers) -> None:
    found = parse_page(without(ours, pattern), SAVED).entries
    expected = list(papers)
    values = {name: getattr(papers[number], name) for name in FeedEntry.__slots__} | lost
    if not values["abstract"]:  # the figure counts votes only beside an abstract
        values["votes"] = None
    expected[number] = FeedEntry(**values)
    assert list(found) == expected


def test_abstracts_cut_short_are_read_all_the_same(ours, papers) -> None:
    for end in ("…", "...", ""):
        cut = "\n".join(line[:120].strip() + end if len(line) > 160 else line for line in ours.split("\n"))
        marked = [entry for entry in papers if entry.n_authors is not None]
        found = [entry for entry in parse_page(cut, SAVED).entries if entry.n_authors is not None]
        assert [(e.title, e.abstract) for e in found] == [
            (e.title, e.abstract[:120].strip() + end) for e in marked
        ]


def test_a_page_of_titles_alone_gives_titles() -> None:
    listed = "Submitted by\n\nsomebody\n\n67\n\n{}\n\n· 12 authors\n\n3\n\n"
    titles = [f"Paper Number {i}" for i in range(5)]
    page = parse_page("Daily Papers\n\nMar 3\n\n" + "".join(map(listed.format, titles)), SAVED)
    assert [(e.title, e.abstract, e.n_authors, e.votes) for e in page.entries] == [
        (t, "", 12, None) for t in titles
    ]


@pytest.mark.parametrize(
    ("head", "today", "page_date", "paper_date"),
    [
        ("Mar 3", date(2025, 3, 10), "2025-03-03", "2025-02-28"),
        ("Mar 3", date(2025, 3, 2), "2024-03-03", "2024-02-28"),
        ("Feb 27", date(2025, 3, 10), "2025-02-27", "2024-02-28"),
        ("Mar 3, 2023", date(2025, 3, 10), "2023-03-03", "2023-02-28"),
        ("Thu, Mar 3", date(2025, 3, 10), "2025-03-03", "2025-02-28"),
        ("", date(2025, 3, 10), "2025-03-10", "2025-02-28"),
        ("", date(2025, 2, 27), "2025-02-27", "2024-02-28"),
    ],
)
def test_a_year_left_out_is_the_latest_that_fits(ours, head, today, page_date, paper_date) -> None:
    page = parse_page(ours.replace("Mar 3\n", head + "\n"), today)
    assert (page.date, page.entries[0].date) == (page_date, paper_date)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [("Feb 29", "2024-02-29"), ("Feb 30", None), ("Nov 31, 2024", None), ("2024-11-05 3", "2024-11-05")],
)
def test_a_day_that_is_rare_or_none_at_all(ours, shown, expected) -> None:
    assert parse_page(ours.replace("Feb 28 17", shown), SAVED).entries[0].date == expected


def test_a_missing_today_never_gives_a_date_in_the_future(ours) -> None:
    page = parse_page(ours)
    assert max(entry.date for entry in page.entries if entry.date) <= page.date


WORDS = (
    "Adding",
    "carry",
    "naïve",
    "GSM8K:",
    "–",
    "漢字",
    "C++",
    "2.0",
    "(and)",
    "why?",
    "e.g.",
    "authors",
    "May",
)
words = st.sampled_from(WORDS)
titles = st.lists(words, min_size=1, max_size=8).map(lambda chosen: " ".join(["On", *chosen]))
abstracts = st.lists(words, min_size=1, max_size=5).map(lambda chosen: " ".join(["We", *chosen] * 40))
numbers = st.none() | st.integers(1, 3000)
dates = st.none() | st.dates(date(2019, 1, 1), SAVED).map(date.isoformat)


@st.composite
def listings(draw: st.DrawFn) -> list[FeedEntry]:
    """Papers of which at least half show that they are papers."""
    entries = draw(
        st.lists(
            st.builds(FeedEntry, titles, abstracts, numbers, dates),
            min_size=1,
            max_size=6,
            unique_by=lambda e: plain_title(e.title) or e.title,
        )
    )
    first = FeedEntry(draw(titles) + " First", draw(abstracts), 3, "2024-01-05")
    voted = [
        entry
        if entry.date is None
        else FeedEntry(entry.title, entry.abstract, entry.n_authors, entry.date, draw(numbers))
        for entry in entries
    ]
    shown = sum(e.n_authors is not None or e.date is not None for e in voted) + 1
    return [first, *voted] if 2 * shown >= len(voted) + 1 else [first, voted[0]]


@given(listings())
def test_whatever_a_page_lists_is_read_back(write_text, entries: list[FeedEntry]) -> None:
    assert list(parse_page(write_text(entries, SAVED), SAVED).entries) == entries

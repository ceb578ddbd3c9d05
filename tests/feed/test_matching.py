"""Finding the card of a paper: by number, by title, by a title like it."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.catalog import read_catalog
from calculemus.feed import FeedEntry, match_entries, plain_title, plan_cards

TITLE = "SpecDec++: Boosting Speculative Decoding via Adaptive Candidate Lengths"


@pytest.fixture(scope="module")
def cards():
    entries = [
        FeedEntry(TITLE, "", arxiv="2405.19715"),
        FeedEntry("Successor Heads: Recurring, Interpretable Attention Heads In The Wild", ""),
        FeedEntry("Why Can't Transformers Learn Multiplication?", "", arxiv="2510.00184"),
    ]
    return plan_cards(entries, (), Path(), "2025-03-03")


def found(cards, title: str, arxiv: str | None = None) -> tuple[str | None, str]:
    (match,) = match_entries([FeedEntry(title, "", arxiv=arxiv)], cards)
    return match.card and match.card.id, match.how


def test_a_number_finds_its_card_whatever_the_title(cards) -> None:
    assert found(cards, "Quite another title", "2405.19715") == ("specdec_plus_plus", "arxiv")


def test_a_number_goes_before_a_title(cards) -> None:
    assert found(cards, TITLE, "2510.00184") == ("why_cant_transformers", "arxiv")


@pytest.mark.parametrize(
    "title",
    [
        TITLE.upper(),
        "SpecDec++ — Boosting Speculative Decoding via Adaptive Candidate Lengths",
        "  specdec++:  boosting   speculative decoding via adaptive candidate-lengths.",
        "SpecDec++: Boosting Spéculative Decoding via Adaptive Candidate Lengths",
        "ＳｐｅｃＤｅｃ++: Boosting Speculative Decoding via “Adaptive” Candidate Lengths!",
    ],
)
def test_a_title_is_known_again_in_other_case_signs_and_spacing(cards, title) -> None:
    assert found(cards, title) == ("specdec_plus_plus", "title")
    assert found(cards, title, "2411.00001") == ("specdec_plus_plus", "title")


def test_an_apostrophe_may_be_curled(cards) -> None:
    assert found(cards, "Why Can’t Transformers learn multiplication") == ("why_cant_transformers", "title")


@pytest.mark.parametrize(
    ("title", "how"),
    [
        ("SpecDec: Boosting Speculative Decoding via Adaptive Candidate Length", "probably"),
        ("Successor Head: Recurring, Interpretable Attention Heads in the Wild", "probably"),
        ("Boosting Speculative Decoding", "new"),
        ("Successor Heads", "new"),
        ("漢字", "new"),
        ("!?", "new"),
    ],
)
def test_a_title_that_is_nearly_one_of_a_card_is_probably_it(cards, title, how) -> None:
    card, found_how = found(cards, title)
    assert found_how == how
    assert (card is None) == (how == "new")


def test_two_numbers_are_two_papers_however_like_their_titles(cards) -> None:
    nearly = TITLE.replace("Lengths", "Length")
    assert found(cards, nearly)[1] == "probably"
    assert found(cards, nearly, "2411.00001") == (None, "new")


def test_without_cards_everything_is_new() -> None:
    assert found([], TITLE) == (None, "new")


def test_no_two_cards_of_the_catalog_are_taken_for_each_other() -> None:
    cards = read_catalog().cards
    for card in cards:
        others = [other for other in cards if other.arxiv != card.arxiv or other.arxiv == "unknown"]
        others = [other for other in others if other is not card]
        (match,) = match_entries([FeedEntry(card.title, "")], others)
        assert match.how == "new"
    own = match_entries([FeedEntry(card.title, "", arxiv=card.arxiv) for card in cards], cards)
    assert [match.card and match.card.title for match in own] == [card.title for card in cards]


def test_every_paper_of_the_real_pages_is_covered_by_the_card_of_its_title(real_pages, feed_dir) -> None:
    rows = [
        line.split("\t")
        for line in (feed_dir.parent / "systems" / "INDEX.tsv").read_text("utf-8").splitlines()
    ]
    ids = {row[4]: row[0] for row in rows[1:]}
    for page in real_pages.values():
        for match in match_entries(page.entries, read_catalog().cards):
            assert match.card is not None
            assert (match.card.id, match.how) == (ids[match.entry.title], "title")


def test_a_letter_more_or_less_leaves_every_real_paper_found(real_pages) -> None:
    entries = [replace(e, title=e.title[:-1] + "xs") for page in real_pages.values() for e in page.entries]
    assert {match.how for match in match_entries(entries, read_catalog().cards)} == {"probably"}


@given(st.text(max_size=40))
def test_a_plain_title_is_its_own_plain_title(text) -> None:
    plain = plain_title(text)
    assert plain_title(plain) == plain
    assert plain_title(f"  “{text}” —") == plain

"""Importing a page: what is covered, what is new, and that a second time adds nothing."""

from datetime import date
from pathlib import Path

import pytest

from calculemus import catalog
from calculemus.card import read_card
from calculemus.errors import FeedError
from calculemus.feed import FeedEntry, import_page

OURS = Path(__file__).with_name("page.txt")
SAVED = date(2025, 3, 10)
NAMES = [
    *("abacus_routing", "benchmark_sums_that", "carry_memory_what", "grossenordnung", "proofs_columns"),
    "rounding_without_regret",
]


@pytest.fixture(autouse=True)
def user_folder(tmp_path, monkeypatch) -> Path:
    """A user without cards."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(catalog.CARDS_VARIABLE, raising=False)
    return tmp_path / "home" / "calculemus" / "cards"


def test_new_papers_become_cards_of_the_user_that_the_catalog_reads(user_folder) -> None:
    imported = import_page(OURS, today=SAVED)
    assert [match.how for match in imported.matches] == ["new"] * 6
    assert sorted(path.stem for path in user_folder.iterdir()) == NAMES
    assert [read_card(card.path) for card in imported.planned] == list(imported.planned)
    known = catalog.read_catalog(user_folder)  # named, so that it is not the catalog read before
    assert not [fault for fault in known.faults if "is taken by" not in str(fault)]
    assert {known.get(name).id for name in NAMES} == set(NAMES)


def test_a_second_time_adds_nothing_and_changes_nothing(user_folder) -> None:
    import_page(OURS, today=SAVED)
    before = {path.name: (path.read_text("utf-8"), path.stat().st_mtime_ns) for path in user_folder.iterdir()}
    again = import_page(OURS, today=SAVED)
    assert [match.how for match in again.matches] == ["title"] * 6
    assert again.planned == ()
    assert {
        path.name: (path.read_text("utf-8"), path.stat().st_mtime_ns) for path in user_folder.iterdir()
    } == before


def test_a_dry_run_writes_nothing_and_says_the_same(user_folder, tmp_path) -> None:
    dry = import_page(OURS, is_dry=True, today=SAVED)
    assert list(tmp_path.iterdir()) == []
    assert import_page(OURS, today=SAVED) == dry


def test_cards_go_to_a_folder_that_is_named(tmp_path, user_folder) -> None:
    folder = tmp_path / "mine" / "cards"
    import_page(OURS, folder, today=SAVED)
    assert sorted(path.stem for path in folder.iterdir()) == NAMES
    assert not user_folder.exists()
    assert import_page(OURS, folder, today=SAVED).planned == ()


def test_papers_of_the_catalog_are_covered_and_the_others_new(tmp_path, write_text, papers) -> None:
    known = catalog.read_catalog().get("adamerging")
    covered = FeedEntry(known.title.upper(), papers[0].abstract, 7, "2023-10-04")
    nearly = FeedEntry(known.title.replace("Learning", "Learners"), papers[1].abstract, 7, "2023-10-05")
    path = tmp_path / "page.txt"
    path.write_text(write_text([papers[0], covered, nearly], date(2025, 3, 3)), "utf-8")
    imported = import_page(path, tmp_path / "cards", today=SAVED)
    assert [(match.how, match.card and match.card.id) for match in imported.matches] == [
        ("new", None),
        ("title", "adamerging"),
        ("probably", "adamerging"),
    ]
    assert [card.id for card in imported.planned] == ["abacus_routing"]


def test_an_id_of_the_catalog_an_alias_and_a_broken_card_are_not_taken_again(
    tmp_path, write_text, papers
) -> None:
    folder = tmp_path / "cards"
    folder.mkdir()
    (folder / "broken.toml").write_text("id = ")
    alias = next(
        card.aliases[0] for card in catalog.read_catalog() if card.aliases and card.aliases[0].isidentifier()
    )
    entries = [FeedEntry(f"{name}: of Sums", papers[0].abstract, 3) for name in ("PAL", alias, "Broken")]
    path = tmp_path / "page.txt"
    path.write_text(write_text(entries, date(2025, 3, 3)), "utf-8")
    imported = import_page(path, folder, today=SAVED)
    assert [card.id for card in imported.planned] == ["pal_2", f"{alias}_2", "broken_2"]
    assert (folder / "broken.toml").read_text() == "id = "
    assert [fault for fault in imported.known.faults if "broken.toml" in str(fault)]


def test_a_page_in_another_layout_adds_nothing(tmp_path, user_folder) -> None:
    path = tmp_path / "page.txt"
    path.write_text("Title: Sums\nAuthors: A. B.\n", "utf-8")
    with pytest.raises(FeedError):
        import_page(path)
    assert not user_folder.exists()
    assert len([card for card in catalog.read_catalog() if card.is_system]) == 144


def test_all_real_papers_are_covered(real_pages, feed_dir, user_folder) -> None:
    for name, n_papers in (("arithmetic", 101), ("gsm8k", 51)):
        imported = import_page(feed_dir / f"{name}.txt")
        assert len(imported.found("arxiv", "title")) == len(imported.matches) == n_papers
    assert not user_folder.exists()

"""Planned cards: ids, summaries, and files that the catalog reads."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.card import INTERFACES, ROOMS, read_card
from calculemus.errors import OutputError
from calculemus.feed import FeedEntry, guess_room, plan_cards, write_card
from calculemus.feed.planning import INTERFACE_OF, summarise


def plan(title: str, taken: tuple[str, ...] = (), **values: object):
    (card,) = plan_cards([FeedEntry(title, **{"abstract": "", **values})], taken, Path("cards"), "2025-03-03")
    return card


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("AdaMerging: Adaptive Model Merging", "adamerging"),
        ("Orca-Math: Unlocking the potential of SLMs", "orca_math"),
        ("All for One: LLMs Solve Mental Math", "all_for_one"),
        ("Task Arithmetic in the Tangent Space: Improved Editing", "task_arithmetic_tangent"),
        ("A Survey on Mixture of Experts", "survey_mixture_experts"),
        ("Let's Verify Math Questions", "lets_verify_math"),
        ("SpecDec++: Boosting", "specdec_plus_plus"),
        ("3D Sums: Adding Volumes", "paper_3d_sums"),
        ("Größe zählt", "grosse_zahlt"),
        ("On and Off", "off"),
        ("To Be or How", "be"),
        ("On a To", "on_a_to"),
        (": Nothing Before the Colon", "nothing_before_colon"),
        ("Donaudampfschifffahrtsgesellschaftskapitänsmütze", "donaudampfschifffahrtsgesellschaftskapit"),
    ],
)
def test_an_id_is_the_short_name_or_the_first_words_that_tell_something(title, name) -> None:
    assert plan(title).id == name


def test_a_title_without_latin_letters_is_named_by_its_number_or_a_digest() -> None:
    assert plan("数の見積もり", arxiv="2503.01234").id == "paper_2503_01234"
    one, other = plan("数の見積もり").id, plan("数の見積").id
    assert one != other
    assert one.startswith("paper_")


def test_an_id_that_is_taken_gets_a_number() -> None:
    assert plan("Pal: Another One", ("pal",)).id == "pal_2"
    assert plan("Pal: Another One", ("pal", "pal_2", "pal_3")).id == "pal_4"
    entries = [FeedEntry(f"Pal: Number {i}", "") for i in range(3)]
    assert [card.id for card in plan_cards(entries, (), Path(), "2025-03-03")] == ["pal", "pal_2", "pal_3"]


def test_a_card_says_what_the_page_said_and_what_nobody_has_read() -> None:
    entry = FeedEntry(
        "Proofs by Columns", "We prove sums in Lean. They hold.", 3, "2024-02-29", 9, "2402.00001"
    )
    (card,) = plan_cards([entry], (), Path("cards"), "2025-03-03")
    assert (card.title, card.authors, card.date, card.arxiv) == (entry.title, 3, "2024-02-29", "2402.00001")
    assert (card.room, card.interface) == ("proving", "Prover")
    assert card.summary == entry.abstract
    assert (card.entry, card.feed, card.path) == ("", (), Path("cards/proofs_columns.toml"))
    assert card.claim.text == card.claim.baseline == card.scope.shows == "not read yet"
    start = "Imported from a feed page: read the paper and fill in this card. "
    assert card.scope.not_established.startswith(start)
    assert "guessed" in card.scope.not_established
    assert "no date" not in card.scope.not_established


@pytest.mark.parametrize(
    ("arxiv", "date"),
    [("2306.01708", "2023-06"), (None, "2025"), ("2313.01708", "2025"), ("2300.01708", "2025")],
)
def test_a_date_that_the_page_lacks_comes_from_the_number_or_is_the_year_of_the_page(arxiv, date) -> None:
    card = plan("Sums", arxiv=arxiv)
    assert (card.date, card.authors) == (date, 0)
    assert "The page gave no date" in card.scope.not_established


@pytest.mark.parametrize(
    ("abstract", "summary"),
    [
        ("", ""),
        ("One. Two. Three.", "One. Two."),
        ("One", "One"),
        ("It is 3.5 times as fast, e.g. in Lean. Two! Three?", "It is 3.5 times as fast, e.g. in Lean. Two!"),
        (
            "As A. Turing says, vs. Church et al. It holds. Two.",
            "As A. Turing says, vs. Church et al. It holds. Two.",
        ),
        (f"A {'word ' * 50}end. A {'word ' * 50}end.", f"A {'word ' * 50}end."),
        ("数を足す。桁を運ぶ。終わり。", "数を足す。 桁を運ぶ。"),
        (f"Many, {'long, ' * 99}words", f"Many, {'long, ' * 65}".rstrip(" ,") + " …"),
        ("無" * 500, "無" * 400 + " …"),
        ('He asks "why?" We answer. Done.', 'He asks "why?" We answer.'),
    ],
)
def test_a_summary_is_the_first_sentence_and_a_second_short_one(abstract, summary) -> None:
    assert summarise(abstract) == summary


def test_a_card_without_an_abstract_says_so() -> None:
    assert plan("Sums").summary == "The feed page had no abstract."


def test_every_room_has_an_interface_to_begin_with() -> None:
    assert set(INTERFACE_OF) == set(ROOMS)
    assert set(INTERFACE_OF.values()) <= set(INTERFACES)


texts = st.text(min_size=1, max_size=60).filter(lambda text: text.strip() and "\x7f" not in text)


@given(texts, st.text(max_size=300), st.none() | st.integers(0, 500))
def test_every_card_that_is_written_is_read_back(tmp_path_factory, title, abstract, n_authors) -> None:
    folder = tmp_path_factory.mktemp("cards") / "new"
    entry = FeedEntry(title.strip(), abstract.replace("\x7f", "").strip(), n_authors)
    (card,) = plan_cards([entry], (), folder, "2025-03-03")
    write_card(card)
    assert read_card(card.path) == card
    assert [path.name for path in folder.iterdir()] == [f"{card.id}.toml"]


def test_a_folder_that_cannot_be_made_or_written_is_named(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    (card,) = plan_cards([FeedEntry("Sums", "")], (), tmp_path / "file" / "cards", "2025-03-03")
    with pytest.raises(OutputError, match=r"making the folder '.*file/cards'.*; expected a place"):
        write_card(card)
    (card,) = plan_cards([FeedEntry("Sums", "")], (), tmp_path, "2025-03-03")
    card.path.mkdir()
    with pytest.raises(OutputError, match=r"writing '.*sums\.toml'"):
        write_card(card)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "sums.toml"]


@pytest.mark.parametrize(
    ("title", "abstract", "room"),
    [
        ("Proofs in Lean", "", "proving"),
        ("Merging Models by Task Arithmetic", "", "merging"),
        ("Six Bits", "We quantize the KV cache and lower latency.", "numerics"),
        ("A Benchmark of Proofs", "", "evaluating"),
        ("A Benchmark", "Theorem proving in Lean 4 with a prover and formal proofs on miniF2F", "proving"),
        ("Sums", "Nothing that tells.", "solving"),
        ("数", "", "solving"),
        ("Cacophony", "Rebenchmarked clean leanings", "proving"),
    ],
)
def test_a_room_is_the_one_with_most_words_the_title_counting_three(title, abstract, room) -> None:
    assert guess_room(FeedEntry(title, abstract)) == room


def test_most_real_papers_are_guessed_into_the_room_of_their_card(real_pages, feed_dir) -> None:
    rows = [
        line.split("\t")
        for line in (feed_dir.parent / "systems" / "INDEX.tsv").read_text("utf-8").splitlines()
    ]
    rooms = {row[4]: row[1] for row in rows[1:]}
    guessed = {e.title: guess_room(e) for page in real_pages.values() for e in page.entries}
    right = sum(guessed[title] == room for title, room in rooms.items())
    always_merging = sum(room == "merging" for room in rooms.values())
    assert right > 2 * always_merging
    assert right > len(rooms) / 2

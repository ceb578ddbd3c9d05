"""Laws of the ranking, on the whole catalog and on small ones."""

import csv
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from calculemus.claims.status import Entry
from calculemus.search import Filter, SearchIndex, parse_query
from calculemus.search.engine import MOST_WORDS

ALL = 10**6
MakeEntry = Callable[..., Entry]


def found(index: SearchIndex, text: str, filters: Sequence[Filter] = ()) -> list[str]:
    return [hit.entry.card.id for hit in index.search(text, filters, limit=ALL)]


def test_the_exact_title_finds_its_card_first(index: SearchIndex, everything: Sequence[Entry]) -> None:
    by_title: dict[str, set[str]] = {}
    for entry in everything:
        by_title.setdefault(entry.card.title, set()).add(entry.card.id)
    assert [
        title for title, names in by_title.items() if set(found(index, title)[: len(names)]) != names
    ] == []


def test_case_and_punctuation_of_a_title_do_not_matter(
    index: SearchIndex, everything: Sequence[Entry]
) -> None:
    for entry in everything:
        title = entry.card.title
        assert found(index, title.upper()) == found(index, title.replace(":", " --- ")) == found(index, title)


def test_every_card_is_found_first_by_its_id_and_by_its_preprint(
    index: SearchIndex, everything: Sequence[Entry]
) -> None:
    assert [e.card.id for e in everything if found(index, e.card.id)[0] != e.card.id] == []
    assert [e.card.id for e in everything if found(index, e.card.id.replace("_", " "))[0] != e.card.id] == []
    by_number: dict[str, set[str]] = {}
    for entry in everything:
        by_number.setdefault(entry.card.arxiv, set()).add(entry.card.id)
    by_number.pop("unknown", None)
    assert [n for n, names in by_number.items() if set(found(index, n)[: len(names)]) != names] == []


def test_every_card_is_among_the_first_by_each_of_its_other_names(
    index: SearchIndex, everything: Sequence[Entry]
) -> None:
    for entry in everything:
        for name in entry.card.aliases:
            assert entry.card.id in found(index, name)[:2], name


def test_an_id_comes_before_a_title_and_a_title_before_other_words(make_entry: MakeEntry) -> None:
    index = SearchIndex(
        [
            make_entry("other", "Much", "trace trace trace trace"),
            make_entry("named", "Trace"),
            make_entry("trace", "Something else"),
        ]
    )
    assert found(index, "trace") == ["trace", "named", "other"]


def test_a_word_in_the_title_counts_more_than_in_the_summary_and_there_more_than_in_the_scope(
    make_entry: MakeEntry,
) -> None:
    filler = "five other words stand here"
    index = SearchIndex(
        [
            make_entry("a", filler, filler, f"heron {filler}"),
            make_entry("b", filler, f"heron {filler}", filler),
            make_entry("c", f"heron {filler}", filler, filler),
            *(make_entry(f"d{i}", filler, filler, filler) for i in range(5)),
        ]
    )
    assert found(index, "heron") == ["c", "b", "a"]


def test_words_side_by_side_count_more_than_apart(make_entry: MakeEntry) -> None:
    index = SearchIndex(
        [
            make_entry("apart", summary="red herons near a blue lake"),
            make_entry("beside", summary="red lake near a blue herons"),
            *(make_entry(f"other{i}", summary="nothing of this kind is here") for i in range(5)),
        ]
    )
    assert found(index, "red lake") == ["beside", "apart"]
    assert found(index, "blue lake") == ["apart", "beside"]


WORDS = ["merging", "quantisation", "chain", "of", "thought", "the", "speculative", "proof", "arithmetic"]


@given(st.permutations(WORDS), st.permutations(WORDS))
def test_the_order_of_the_words_changes_no_card_that_is_found(
    index: SearchIndex, one: list[str], other: list[str]
) -> None:
    assert set(found(index, " ".join(one))) == set(found(index, " ".join(other)))


@given(st.lists(st.sampled_from(WORDS), max_size=5), st.integers(1, 40))
def test_fewer_hits_are_the_first_of_more_and_scores_never_rise(
    index: SearchIndex, said: list[str], limit: int
) -> None:
    hits = index.search(" ".join(said), limit=ALL)
    assert index.search(" ".join(said), limit=limit) == hits[:limit]
    assert all(first.score >= second.score for first, second in pairwise(hits))


FILTERS = ["room:merging", "room:solving", "status:built", "status:planned", "after:2024", "after:2024-06-15"]
FILTERS += ["before:2025-01", "needs:logits", "interface:recipe", "feed:gsm8k", "paper:2211.10435"]


def fits(entry: Entry, text: str) -> bool:
    """Say by the words of the manual whether a card fits a filter, the plain way."""
    kind, _, value = text.partition(":")
    card = entry.card
    return {
        "room": card.room == value,
        "status": (entry.status == "planned") == (value == "planned"),
        "after": card.date[: len(value)] >= value and len(card.date) >= len(value),
        "before": card.date[: len(value)] < value,
        "needs": f"needs-{value}" in card.tags,
        "interface": card.interface.lower() == value,
        "feed": value in card.feed,
        "paper": card.arxiv == value,
    }[kind]


@given(
    st.lists(st.sampled_from(FILTERS), max_size=3), st.sampled_from(["", "model", "merge weights of models"])
)
def test_filters_leave_exactly_what_fits_in_the_same_order(
    index: SearchIndex, everything: Sequence[Entry], asked: list[str], text: str
) -> None:
    by_id = {entry.card.id: entry for entry in everything}
    _, filters = parse_query(" ".join(asked))
    expected = [name for name in found(index, text) if all(fits(by_id[name], one) for one in asked)]
    assert found(index, text, filters) == expected


def test_no_words_list_every_card_by_date(index: SearchIndex, everything: Sequence[Entry]) -> None:
    dates = [hit.entry.card.date for hit in index.search(" ", limit=ALL)]
    assert dates == sorted((entry.card.date for entry in everything), reverse=True)


def test_similar_cards_are_never_the_card_itself(index: SearchIndex, everything: Sequence[Entry]) -> None:
    for entry in everything:
        hits = [hit.entry.card.id for hit in index.similar(entry.card.id)]
        assert len(hits) == len(set(hits)) == 5
        assert entry.card.id not in hits


def test_a_copy_of_a_card_is_what_is_most_similar_to_it(
    everything: Sequence[Entry], make_entry: MakeEntry
) -> None:
    for entry in everything[::15]:
        copy = make_entry("a_copy", entry.card.title, entry.card.summary)
        index = SearchIndex([*everything, copy])
        assert index.similar("a_copy")[0].entry.card.id == entry.card.id


@given(st.text(max_size=60))
@example('"quoted" \'single\' "open')
@example("a AND b OR NOT c NEAR(d e, 3) {title}: x* ^y -z + (")
@example("🙂 👩‍👩‍👧 ½ ² ™ ﬁ İ ß नमस्ते 数学 عربي e\u0301")
@example("null\x00byte \udcff lone surrogate \ud800")
@example("the of and")
@example("' ; DROP TABLE card; --")
def test_no_text_breaks_a_search(index: SearchIndex, text: str) -> None:
    words, filters = parse_query(text) if ":" not in text else (text, ())
    assert all(hit.entry.card.id for hit in index.search(words, filters))


@pytest.mark.parametrize(
    "text",
    ["x" * 10_000, "merge " * 2000, " ".join(f"qw{i}zx" for i in range(1500)), "(" * 10_000, "🙂" * 10_000],
)
def test_ten_thousand_characters_break_no_search(index: SearchIndex, text: str) -> None:
    assert len(index.search(text)) <= 10


def test_of_a_long_text_the_first_words_count(make_entry: MakeEntry) -> None:
    index = SearchIndex([make_entry("a", "A heron"), make_entry("b", "A swan")])
    first = " ".join(f"qw{i}zx" for i in range(MOST_WORDS - 1)) + " heron"
    assert found(index, first) == ["a"]
    assert found(index, f"zxqw {first}") == []


@pytest.mark.parametrize("text", ["the", "of and to", "🙂", "?!", "-"])
def test_what_says_nothing_finds_nothing(index: SearchIndex, text: str) -> None:
    assert found(index, text) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("quantisation", "quantization"),
        ("personalised behaviours", "personalized behaviors"),
        ("modelling", "modeling"),
        ("optimise the centre", "optimize the center"),
        ("maths programmes", "math programs"),
        ("merges", "merging"),
        ("CoT", "chain of thought"),
        ("MCTS for LLMs", "Monte Carlo tree search for language models"),
        ("fine-tuned", "fine tuned"),
    ],
)
def test_spellings_and_abbreviations_of_one_word_find_the_same(
    index: SearchIndex, one: str, other: str
) -> None:
    hits = index.search(one, limit=ALL)
    assert hits
    assert hits == index.search(other, limit=ALL)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("specualtive", "speculative"), ("finetuning", "fine tuning"), ("mergelok", "mergelock")],
)
def test_a_misspelt_word_finds_what_the_right_one_finds_first(
    index: SearchIndex, typed: str, meant: str
) -> None:
    assert found(index, typed)[0] == found(index, meant)[0]


def test_the_start_of_a_word_finds_it(index: SearchIndex) -> None:
    assert "specdecpp" in found(index, "specul")


def test_the_spelling_of_a_copied_text_is_not_mended(make_entry: MakeEntry) -> None:
    index = SearchIndex([make_entry("a", "A heron"), make_entry("b", "A swan")])
    copied = " ".join(f"qw{i}zx" for i in range(20))
    assert found(index, "hreon") == ["a"]
    assert found(index, f"{copied} hreon") == []


def test_meaning_that_tells_nothing_changes_no_order(index: SearchIndex, everything: Sequence[Entry]) -> None:
    flat = SearchIndex(everything, lambda text: {entry.card.id: 0.5 for entry in everything})
    for text in ("merge models", "robust weights", "specualtive decoding"):
        by_words = found(index, text)
        assert found(flat, text)[: len(by_words)] == by_words
        assert len(found(flat, text)) == len(everything)


def test_meaning_ranks_what_no_word_finds(everything: Sequence[Entry]) -> None:
    near = {entry.card.id: float(entry.card.id == "tall_mask") for entry in everything}
    index = SearchIndex(everything, lambda text: near)
    assert found(index, "qwzx")[0] == "tall_mask"
    assert found(index, "🙂") == []
    assert found(index, "pal")[0] == "pal"
    assert index.similar("pal")[0].entry.card.id == "tall_mask"
    assert "pal" not in [hit.entry.card.id for hit in index.similar("pal", limit=ALL)]


def test_a_catalog_without_cards_finds_nothing() -> None:
    assert SearchIndex([]).search("merge") == []
    assert SearchIndex([], lambda text: {}).search("merge") == []


def test_of_forty_questions_most_are_answered_in_the_first_five(
    index: SearchIndex, everything: Sequence[Entry]
) -> None:
    with Path(__file__).with_name("queries.tsv").open(encoding="utf-8", newline="") as file:
        questions = list(csv.DictReader(file, delimiter="\t"))
    known = {entry.card.id for entry in everything}
    shares = []
    for question in questions:
        right = set(question["ids"].split(","))
        assert right <= known
        shares.append(len(right & set(found(index, question["query"])[:5])) / len(right))
    assert len(shares) == 40
    # bench/catalog_search.py measures; this is a floor, so that cards may be reworded.
    assert sum(shares) / 40 >= 0.85

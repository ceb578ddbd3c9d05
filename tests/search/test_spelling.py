"""Words brought to one spelling, and words nearly spelt like known ones."""

from collections import Counter
from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.claims.status import Entry
from calculemus.search.engine import texts
from calculemus.search.spelling import LEAST, LONGEST, Speller, distance
from calculemus.search.words import ABBREVIATIONS, STOP_WORDS, american, words

SHORT_WORDS = st.text("abc", max_size=6)


def slips(first: str, second: str) -> int:
    """The definition of optimal string alignment, as a recursion."""

    @cache
    def upto(i: int, j: int) -> int:
        if not (i and j):
            return i + j
        best = min(
            upto(i - 1, j) + 1, upto(i, j - 1) + 1, upto(i - 1, j - 1) + (first[i - 1] != second[j - 1])
        )
        if i > 1 and j > 1 and first[i - 2 : i] == second[j - 2 : j][::-1]:
            best = min(best, upto(i - 2, j - 2) + 1)
        return best

    return upto(len(first), len(second))


@given(SHORT_WORDS, SHORT_WORDS, st.integers(0, 6))
def test_the_distance_is_that_of_its_definition_up_to_the_bound(first: str, second: str, most: int) -> None:
    assert distance(first, second, most) == min(slips(first, second), most + 1)


@given(st.sets(st.text("abcd", min_size=4, max_size=8), max_size=30), st.text("abcd", min_size=4, max_size=8))
def test_the_nearest_words_are_those_of_brute_force(known: set[str], word: str) -> None:
    allowed = 1 if len(word) < 6 else 2
    ranked = sorted((slips(word, other) - 0.5 * (word[0] == other[0]), other) for other in known)
    near = [(cost, other) for cost, other in ranked if slips(word, other) <= allowed]
    expected = [other for cost, other in near if cost == near[0][0]][:2]
    assert Speller(dict.fromkeys(known, 1)).nearest(word) == expected


def test_of_equally_near_words_the_more_used_come_first() -> None:
    speller = Speller({"lance": 1, "dance": 9, "fance": 5})
    assert speller.nearest("xance") == ["dance", "fance"]


@pytest.mark.parametrize("word", ["", "abc", "x" * (LONGEST + 1)])
def test_very_short_and_very_long_words_are_not_mended(word: str) -> None:
    speller = Speller({"abcd": 1, "x" * LONGEST: 1, "abc": 1})
    assert speller.nearest(word) == speller.halves(word) == []


def test_the_beginning_of_a_word_needs_four_letters() -> None:
    speller = Speller({"quantize": 1, "quantile": 1, "qua": 1})
    assert speller.beginning("quant") == ["quantize", "quantile"]
    assert speller.beginning("qua") == []
    assert LEAST == 4


def test_words_written_together_are_cut_where_both_halves_are_known() -> None:
    speller = Speller({"fine": 1, "tuned": 1, "finetune": 1, "d": 1})
    assert speller.halves("finetuned") == ["fine tuned"]
    assert speller.halves("tunedx") == []


@pytest.mark.parametrize(
    ("british", "us"),
    [
        ("quantisation", "quantization"),
        ("generalises", "generalizes"),
        ("analysed", "analyzed"),
        ("behavioural", "behavioral"),
        ("colour", "color"),
        ("neighbouring", "neighboring"),
        ("modelling", "modeling"),
        ("labelled", "labeled"),
        ("cancelling", "canceling"),
        ("centre", "center"),
        ("centred", "centered"),
        ("fibres", "fibers"),
        ("dialogues", "dialogs"),
        ("defence", "defense"),
        ("learnt", "learned"),
    ],
)
def test_british_words_become_american(british: str, us: str) -> None:
    assert american(british) == us


@pytest.mark.parametrize(
    "word",
    ["four", "hour", "your", "called", "filling", "tree", "more", "shared", "score", "basis", "analysis"],
)
def test_words_that_only_look_british_stay(word: str) -> None:
    assert american(word) == word


def test_bringing_words_to_one_spelling_twice_changes_nothing(everything: Sequence[Entry]) -> None:
    said = Counter(word for entry in everything for text in texts(entry).values() for word in words(text))
    assert [word for word in said if words(word) != [word]] == []


@pytest.mark.parametrize("short", ABBREVIATIONS)
def test_an_abbreviation_and_its_plural_are_what_they_stand_for(short: str) -> None:
    assert words(short.upper()) == words(f"{short}s") == words(ABBREVIATIONS[short])
    assert short not in STOP_WORDS


@given(st.text(max_size=40))
def test_words_are_of_small_letters_and_digits_alone(text: str) -> None:
    assert all(word == word.lower() and "_" not in word and not word.isspace() for word in words(text))

"""Minimum Bayes risk: brute force over utilities, and the vote as a special case."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import InvalidParameterError
from calculemus.problem import Problem
from calculemus.solving.mbr import Mbr, expected_f1
from calculemus.solving.vote import Vote

QUESTION = Problem("q", "How many?", "7")
WORDS = st.lists(st.sampled_from("abc"), max_size=5).map(" ".join)


def f1(a: str, b: str, longest: int) -> float:
    """Compute precision and recall of runs of words from the sides' lists, one run at a time."""
    runs = [
        [
            tuple(words[i : i + length])
            for length in range(1, longest + 1)
            for i in range(len(words) - length + 1)
        ]
        for words in (a.split(), b.split())
    ]
    left = list(runs[1])
    shared = 0
    for each in runs[0]:
        if each in left:
            left.remove(each)
            shared += 1
    if not runs[0] and not runs[1]:
        return 1.0
    if not shared:
        return 0.0
    precision, recall = shared / len(runs[0]), shared / len(runs[1])
    return 2 * precision * recall / (precision + recall)


@given(st.lists(WORDS, min_size=1, max_size=5), st.integers(1, 3))
def test_the_expected_utility_is_the_mean_f1_with_all_samples(texts, longest) -> None:
    expected = [sum(f1(a, b, longest) for b in texts) / len(texts) for a in texts]
    assert expected_f1(texts, longest) == pytest.approx(expected)


@given(st.lists(st.sampled_from(["#### 1", "#### 2", "#### 3", "I wonder."]), min_size=1, max_size=9))
def test_with_equality_of_answers_it_is_a_vote(drive, in_order, texts) -> None:
    chosen = drive(Mbr(len(texts), utility="answer"), QUESTION, in_order(*texts)).solution
    voted = drive(Vote(len(texts)), QUESTION, in_order(*texts)).solution
    assert (chosen.answer, chosen.candidates) == (voted.answer, voted.candidates)
    counts = Counter(text for text in texts if text != "I wonder.")
    assert counts[chosen.answer or ""] == max(counts.values(), default=0)


def test_the_chain_that_reasons_like_the_others_is_chosen(drive, in_order) -> None:
    texts = ("3 * 6 = 18 eggs #### 18", "I guess #### 18", "3 * 6 = 18 #### 18", "6 * 6 = 36 #### 36")
    solution = drive(Mbr(4), QUESTION, in_order(*texts)).solution
    assert solution.answer == "3 * 6 = 18 #### 18"
    assert solution.candidates == ("36",)
    utilities = [node.meta["utility"] for node in solution.trace.nodes]
    assert max(utilities) == utilities[2]


def test_mbr_refuses_temperature_zero_with_several_chains() -> None:
    with pytest.raises(InvalidParameterError, match="'temperature' is 0 with n=30"):
        Mbr(temperature=0)

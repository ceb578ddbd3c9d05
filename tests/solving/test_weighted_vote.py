"""Weighted votes: equal weights are a vote, and weights are added up as the paper says."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.engine.requests import Value
from calculemus.errors import InvalidParameterError
from calculemus.problem import Problem
from calculemus.solving.vote import Vote
from calculemus.solving.weighted_vote import WeightedVote

QUESTION = Problem("q", "How many?", "7")
ANSWERS = st.lists(st.sampled_from(["#### 1", "#### 2", "#### 3", "I wonder."]), min_size=1, max_size=9)


@given(texts=ANSWERS, weight=st.sampled_from([0.1, 0.3, 1.0, 7.0]))
def test_with_equal_weights_it_is_a_vote(drive, in_order, texts, weight) -> None:
    answer = in_order(*texts)

    def reply(request):
        return (weight,) * len(request.prompts) if isinstance(request, Value) else answer(request)

    weighted = drive(WeightedVote(len(texts), scorer="value"), QUESTION, reply).solution
    plain = drive(Vote(len(texts)), QUESTION, in_order(*texts)).solution
    assert (weighted.answer, weighted.candidates) == (plain.answer, plain.candidates)


@given(st.lists(st.tuples(st.sampled_from("123"), st.integers(1, 9)), min_size=1, max_size=9))
def test_the_largest_sum_of_weights_wins(drive, in_order, votes) -> None:
    answer = in_order(*(f"#### {text}" for text, _ in votes))

    def reply(request):
        return tuple(w / 8 for _, w in votes) if isinstance(request, Value) else answer(request)

    won = drive(WeightedVote(len(votes), scorer="value"), QUESTION, reply).solution.answer
    sums = {text: sum(w for other, w in votes if other == text) for text, _ in votes}
    assert sums[won[-1]] == max(sums.values())


def test_a_chain_weighs_its_probability_normalised_by_length(drive, completion) -> None:
    # Two chains of weight exp(-1.5) = 0.22 each against one of weight exp(-0.9) = 0.41.
    replies = (
        completion("#### 1", (-1.0, -2.0)),
        completion("#### 2", (-0.9,)),
        completion("#### 1", (-1.5, -1.5, -1.5)),
    )
    assert 2 * math.exp(-1.5) > math.exp(-0.9)
    assert drive(WeightedVote(3), QUESTION, lambda request: replies).solution.answer == "#### 1"
    # Without the length the one chain outweighs both.
    assert math.exp(-3.0) + math.exp(-4.5) < math.exp(-0.9)
    by_sum = drive(WeightedVote(3, scorer="logprob"), QUESTION, lambda request: replies)
    assert by_sum.solution.answer == "#### 2"


def test_a_weight_below_zero_counts_as_zero(drive, in_order) -> None:
    answer = in_order("#### 1", "#### 1", "#### 2")

    def reply(request):
        return (0.4, -5.0, 0.3) if isinstance(request, Value) else answer(request)

    assert drive(WeightedVote(3, scorer="value"), QUESTION, reply).solution.answer == "#### 1"


def test_weighted_vote_refuses_temperature_zero_with_several_chains() -> None:
    with pytest.raises(InvalidParameterError, match="'temperature' is 0 with n=40"):
        WeightedVote(temperature=0)

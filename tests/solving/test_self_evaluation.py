"""Self-evaluation: what is asked, what the answer means, and what the labels are."""

import math
from itertools import product
from typing import Any

import pytest

from calculemus.engine.requests import Chat, Prefix, Score, Scored
from calculemus.errors import EngineCapabilityError, InvalidParameterError
from calculemus.rng import Rng
from calculemus.solving.attempting import Attempt
from calculemus.solving.self_evaluation import (
    QUESTIONS,
    ask,
    chance_of_no,
    check_self_evaluation,
    is_not_better,
    places,
    question_of,
    share_of_no,
    single_token,
)

QUESTION = QUESTIONS["tiny"]


def test_the_chance_is_the_softmax_over_the_two_answers() -> None:
    scored = (Scored((1,), (math.log(0.1),)), Scored((2,), (math.log(0.3),)))
    assert chance_of_no(scored, QUESTION) == pytest.approx(0.75)
    hopeless = (Scored((1,), (0.0,)), Scored((2,), (-2000.0,)))
    assert chance_of_no(hopeless, QUESTION) == pytest.approx(0.0)


def test_an_answer_of_several_pieces_is_refused_with_their_ids() -> None:
    scored = (Scored((1,), (-1.0,)), Scored((7, 8), (-1.0, -1.0)))
    with pytest.raises(
        EngineCapabilityError, match=r"cuts the answer ' rest' into 2 pieces \(ids \[7, 8\]\)"
    ):
        chance_of_no(scored, QUESTION)


def test_training_lists_the_pieces_of_an_answer_that_is_no_single_token() -> None:
    assert single_token([7], " rest", [" rest"]) == 7
    with pytest.raises(
        InvalidParameterError, match=r"' yes' into 2 pieces, \[' y', 'es'\]; expected one token"
    ):
        single_token([7, 8], " yes", [" y", "es"])


@pytest.mark.parametrize(
    ("so_far", "asked"),
    [
        ("1 + 1", "1 + 1\n need more?"),
        (Prefix("1", (5,)), Prefix("1\n need more?", (5,), "\n need more?")),
        (Chat((("assistant", "2"),)), Chat((("assistant", "2\n need more?"),))),
    ],
)
def test_the_question_goes_on_from_what_was_written(so_far: Any, asked: Any) -> None:
    assert ask(so_far, QUESTION) == Score(asked, (" more", " rest"))


def test_a_model_is_asked_in_the_words_of_its_prompt_set() -> None:
    assert question_of("tiny") is QUESTION
    assert question_of(None) == question_of("unheard of") == QUESTIONS["default"]
    assert len({question.digest for question in QUESTIONS.values()}) == len(QUESTIONS)


def test_an_engine_without_log_probabilities_is_refused(able: Any) -> None:
    from dataclasses import replace

    check_self_evaluation(able)
    for poorer in (replace(able, logprobs=False), replace(able, kinds=frozenset({"Sample"}))):
        with pytest.raises(EngineCapabilityError, match="gives no log-probabilities of given tokens"):
            check_self_evaluation(poorer)


def test_a_tie_counts_as_not_better() -> None:
    table = {(own, fresh): is_not_better(own, fresh) for own, fresh in product((0, 1), repeat=2)}
    assert table == {(1, 0): True, (1, 1): True, (0, 0): True, (0, 1): False}


def attempts(*outcomes_and_counts: tuple[bool, int]) -> list[Attempt]:
    return [Attempt((1, i), 1, "", ok, count=n) for i, (ok, n) in enumerate(outcomes_and_counts)]


def test_the_share_is_the_mean_label_of_all_pairs_with_another_sample() -> None:
    some = attempts((True, 2), (False, 3), (False, 1), (True, 1))
    singles = [place for place, each in enumerate(some) for _ in range(each.count)]
    for place, share in enumerate(share_of_no(some)):
        others = singles.copy()
        others.remove(place)
        labels = [is_not_better(some[place].is_correct, some[other].is_correct) for other in others]
        assert share == pytest.approx(sum(labels) / len(labels))


def test_questions_stand_behind_the_end_and_behind_different_parts() -> None:
    solution = Attempt(tuple(range(12)), 4, "", True)
    found = places(solution, 5, Rng(1))
    assert found[0] == 11  # all of the text, the mark of the end left out
    assert len(set(found)) == 5
    assert all(5 <= place < 11 for place in found[1:])
    assert places(solution, 5, Rng(2)) != found
    assert places(solution, 99, Rng(1)) == (11, 5, 6, 7, 8, 9, 10)
    assert places(Attempt((1, 2, 3), 1, "", True, is_ended=False), 1, Rng(1)) == (3,)

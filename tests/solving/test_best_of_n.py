"""Best of N: the exact law of the maximum, its controls, and what engines must be able to do."""

from collections import defaultdict
from dataclasses import replace

import pytest

from calculemus.engine.exact import answer_law
from calculemus.engine.requests import Sample, Score, Scored, Value
from calculemus.engine.toy import ToyLM
from calculemus.errors import EngineCapabilityError, InvalidParameterError
from calculemus.problem import Problem
from calculemus.solving.best_of_n import BestOfN

QUESTION = Problem("q", "How many?", "7")
REWARDS = {"1": 0.5, "2": 0.1, "3": 0.9, "4": 0.5, "12": 0.2, "33": 0.9}
TOY = ToyLM(
    "1234",
    [0.3, 0.3, 0.2, 0.2, 0.0],
    [[0, 0.5, 0, 0, 0.5], [0, 0, 0, 0, 1], [0, 0, 0.4, 0, 0.6], [0, 0, 0, 0, 1]],
    max_length=2,
    rewards=REWARDS,
)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_the_reward_of_the_chosen_follows_the_law_of_the_maximum(n) -> None:
    law: dict[float, float] = defaultdict(float)
    for answer, probability in answer_law(BestOfN(n, 1.0, scorer="value"), QUESTION, TOY).items():
        law[REWARDS[answer or ""]] += probability
    texts = TOY.texts()
    for level in sorted(set(REWARDS.values())):
        at_most = sum(p for text, p in texts.items() if REWARDS[text] <= level)
        below = sum(p for text, p in texts.items() if REWARDS[text] < level)
        assert law[level] == pytest.approx(at_most**n - below**n, abs=1e-12)
    assert set(law) == set(REWARDS.values())


def test_among_equal_scores_the_first_is_chosen(drive, in_order) -> None:
    answer = in_order("#### 1", "#### 2", "#### 3")

    def reply(request):
        return (0.2, 0.7, 0.7) if isinstance(request, Value) else answer(request)

    solution = drive(BestOfN(3, scorer="value"), QUESTION, reply).solution
    assert solution.answer == "#### 2"
    assert solution.candidates == ("3", "1")


def test_a_chain_without_an_answer_is_not_chosen_for_its_score(drive, completion) -> None:
    replies = (completion("I wonder.", (-0.1,)), completion("#### 5", (-4.0,)))
    assert drive(BestOfN(2), QUESTION, lambda request: replies).solution.answer == "#### 5"


def test_the_mean_does_not_prefer_short_chains_as_the_sum_does(drive, completion) -> None:
    replies = (completion("#### 1", (-1.0,)), completion("So\n#### 2", (-0.6, -0.6, -0.6)))
    assert drive(BestOfN(2), QUESTION, lambda request: replies).solution.answer == "So\n#### 2"
    by_sum = drive(BestOfN(2, scorer="logprob"), QUESTION, lambda request: replies)
    assert by_sum.solution.answer == "#### 1"


def test_the_model_is_asked_to_judge_each_chain(drive, in_order) -> None:
    answer = in_order("2 * 3 = 6\n#### 6", "#### 7")

    def reply(request):
        if isinstance(request, Sample):
            return answer(request)
        right = "#### 7" in request.prompt
        return (Scored(None, (-0.1 if right else -3.0,)), Scored(None, (-2.0 if right else -0.2,)))

    driven = drive(BestOfN(2, scorer="judge"), QUESTION, reply)
    assert driven.solution.answer == "#### 7"
    judged = driven.asked[1]
    assert [type(request) for request in judged] == [Score, Score]
    assert "Q: How many?\n\nProposed solution:\n2 * 3 = 6\n#### 6\n" in judged[0].prompt
    scores = [node.meta["score"] for node in driven.solution.trace.nodes]
    assert scores[1] == pytest.approx(1 / (1 + 2.718281828459045**-1.9))


def test_chance_chooses_each_of_two_about_as_often(drive, in_order) -> None:
    solver = BestOfN(2, scorer="random")
    won = [
        drive(solver, replace(QUESTION, id=f"q{i}"), in_order("#### 1", "#### 2")).solution.answer
        for i in range(400)
    ]
    assert 150 < won.count("#### 1") < 250  # five standard deviations
    again = drive(solver, replace(QUESTION, id="q0"), in_order("#### 1", "#### 2")).solution.answer
    assert again == won[0]


@pytest.mark.parametrize(
    ("scorer", "lacks", "named"),
    [
        ("mean_logprob", {"logprobs": False}, "log-probabilities"),
        ("logprob", {"logprobs": False}, "log-probabilities"),
        ("value", {"kinds": frozenset({"Sample", "Score"})}, "'Value'"),
        ("judge", {"kinds": frozenset({"Sample", "Value"})}, "'Score'"),
    ],
)
def test_an_engine_that_cannot_give_the_score_is_refused_before_anything_is_asked(
    drive, able, scorer, lacks, named
) -> None:
    asked = []
    with pytest.raises(EngineCapabilityError, match=named):
        drive(BestOfN(2, scorer=scorer), QUESTION, asked.append, replace(able, **lacks))
    assert asked == []


def test_best_of_n_refuses_temperature_zero_with_several_chains() -> None:
    with pytest.raises(InvalidParameterError, match="'temperature' is 0 with n=100"):
        BestOfN(temperature=0)

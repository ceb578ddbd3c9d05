"""Votes: the exact law of the multinomial, ties, early stopping."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.cost import Budget
from calculemus.engine.exact import answer_law
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.toy import ToyLM
from calculemus.errors import BudgetExceededError, InvalidParameterError
from calculemus.problem import Problem
from calculemus.solving.cot import Cot
from calculemus.solving.vote import Vote

QUESTION = Problem("q", "How many?", "7")
# Four answers of one digit and different probabilities, of which no sums of logarithms are equal.
DIGITS = ToyLM("1234", [0.4, 0.3, 0.2, 0.1, 0.0], [[0, 0, 0, 0, 1]] * 4, max_length=1)


def compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Yield all ways to write ``total`` as an ordered sum of ``parts`` counts."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in compositions(total - first, parts - 1):
            yield (first, *rest)


def multinomial_law(probabilities: dict[str, float], n: int) -> dict[str, float]:
    """Return the probability that each answer wins a vote of ``n``, ties going to the likelier answer."""
    law: dict[str, float] = defaultdict(float)
    answers = list(probabilities)
    for counts in compositions(n, len(answers)):
        chance = math.factorial(n)
        for answer, count in zip(answers, counts, strict=True):
            chance *= probabilities[answer] ** count / math.factorial(count)
        winner = max(zip(counts, answers, strict=True), key=lambda pair: (pair[0], probabilities[pair[1]]))
        law[winner[1]] += chance
    return law


@pytest.mark.parametrize("early_stop", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_each_answer_wins_with_the_probability_of_the_multinomial(n, early_stop) -> None:
    law = answer_law(Vote(n, 1.0, early_stop=early_stop), QUESTION, DIGITS)
    assert law == pytest.approx(multinomial_law(DIGITS.texts(), n), abs=1e-12)
    assert math.fsum(law.values()) == pytest.approx(1)


@pytest.mark.slow
def test_twenty_thousand_votes_through_the_scheduler_follow_the_multinomial() -> None:
    n_votes, n = 20_000, 5
    tries = ((QUESTION, sample) for sample in range(n_votes))
    won = Counter(s.answer for _, _, s in Scheduler(DIGITS).solve_all(Vote(n, 1.0), tries))
    expected = multinomial_law(DIGITS.texts(), n)
    distance = sum(abs(won[answer] / n_votes - expected[answer]) for answer in expected) / 2
    assert distance < 0.01
    assert set(won) <= set(expected)


def test_spellings_of_one_number_share_a_vote(drive, in_order) -> None:
    texts = ("#### 3", "#### 1/2", "#### 3", "#### 0.5", r"so \boxed{\frac12}")
    solution = drive(Vote(5), QUESTION, in_order(*texts)).solution
    assert solution.answer == "#### 1/2"
    assert solution.candidates == ("3",)


def test_a_tie_goes_to_the_larger_sum_of_log_probabilities(drive, completion) -> None:
    replies = tuple(
        completion(f"#### {text}", (logprob,))
        for text, logprob in [("1", -3.0), ("2", -1.0), ("1", -1.0), ("2", -2.5)]
    )
    assert drive(Vote(4), QUESTION, lambda request: replies).solution.answer == "#### 2"


def test_a_tie_without_log_probabilities_goes_to_who_came_first(drive, in_order) -> None:
    texts = ("#### 8", "#### 9", "#### 9", "#### 8")
    assert drive(Vote(4), QUESTION, in_order(*texts)).solution.answer == "#### 8"


def test_a_vote_in_which_nobody_answers_has_no_answer(drive, in_order) -> None:
    solution = drive(Vote(2), QUESTION, in_order("I wonder.", "")).solution
    assert solution.answer is None
    assert solution.failure == "no answer in any of 2 samples"


def test_who_gives_no_answer_does_not_vote(drive, in_order) -> None:
    solution = drive(Vote(4), QUESTION, in_order("I wonder.", "Who knows?", "I wonder.", "#### 4")).solution
    assert solution.answer == "#### 4"


def test_one_chain_is_one_sample_of_cot(drive, in_order) -> None:
    voted = drive(Vote(1), QUESTION, in_order("3 + 4 = 7\n#### 7"))
    single = drive(Cot(temperature=0.7), QUESTION, in_order("3 + 4 = 7\n#### 7"))
    assert voted.asked == single.asked
    assert voted.solution.answer == single.solution.answer


VOTES = st.lists(st.sampled_from(["1", "2", "3", None]), min_size=1, max_size=12)


def first_decided(votes: list[str | None]) -> int:
    """Return after how many votes, counted one by one, no way to go on changes the winner."""
    for seen in range(len(votes)):
        counts = [count for _, count in Counter(v for v in votes[:seen] if v).most_common(2)]
        first, second = (*counts, 0, 0)[:2]
        if first - second > len(votes) - seen:
            return seen
    return len(votes)


@given(VOTES)
def test_stopping_early_never_changes_the_answer_and_stops_at_the_first_chance(
    drive, in_order, votes
) -> None:
    texts = [f"#### {vote}" if vote else "I wonder." for vote in votes]
    patient = drive(Vote(len(votes)), QUESTION, in_order(*texts))
    hasty = drive(Vote(len(votes), early_stop=True), QUESTION, in_order(*texts))
    assert hasty.solution.answer == patient.solution.answer
    assert sum(request.n for request in hasty.asked) == first_decided(votes)
    assert [request.n for request in patient.asked] == [len(votes)]


def test_a_vote_that_runs_out_of_budget_returns_the_leader_so_far(drive, in_order) -> None:
    replies = iter([in_order("#### 5", "#### 6", "#### 5"), BudgetExceededError("no tokens are left")])

    def answer(request):
        reply = next(replies)
        return reply if isinstance(reply, Exception) else reply(request)

    solution = drive(Vote(5, early_stop=True), QUESTION, answer).solution
    assert (solution.answer, solution.truncated) == ("#### 5", True)


def test_without_room_for_the_first_chains_the_budget_error_passes_through(drive) -> None:
    with pytest.raises(BudgetExceededError):
        drive(Vote(3), QUESTION, lambda request: BudgetExceededError("no tokens are left"))


def test_the_scheduler_marks_a_vote_cut_short_by_its_budget() -> None:
    scheduler = Scheduler(DIGITS, budget=Budget(requests=1))
    tries = ((QUESTION, sample) for sample in range(20))
    solutions = [s for _, _, s in scheduler.solve_all(Vote(3, 1.0, early_stop=True), tries)]
    for solution in solutions:
        first, second = (node.text for node in solution.trace.nodes)
        assert solution.truncated is (first != second)
        assert solution.answer in (first, second)
    assert {solution.truncated for solution in solutions} == {True, False}


def test_temperature_zero_with_several_chains_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match=r"'temperature' is 0 with n=8.*set n=1"):
        Vote(8, 0.0)
    assert Vote(1, 0.0).n == 1

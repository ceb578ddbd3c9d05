"""pass@k and maj@k: against enumeration of all choices, in exact fractions."""

import math
from collections import Counter
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus import Rng
from calculemus.errors import StatisticsError
from calculemus.stats import accuracy, maj_at_k, pass_at_k, pass_at_k_mean
from calculemus.stats.vote import Ballot, counted_share, drawn_share


@pytest.mark.parametrize("n", range(1, 13))
def test_pass_at_k_is_the_share_of_choices_with_a_right_sample(n):
    for correct in range(n + 1):
        for k in range(1, n + 1):
            choices = list(combinations(range(n), k))
            share = Fraction(sum(choice[0] < correct for choice in choices), len(choices))
            assert pass_at_k(n, correct, k) == float(share)


@pytest.mark.parametrize(("chance", "k"), [(0.1, 2), (0.1, 5), (0.5, 3), (0.02, 8)])
def test_pass_at_k_is_unbiased_and_the_plug_in_is_not(chance, k):
    counts = Rng(1).child(repr(chance), k).generator().binomial(10, chance, 5000)
    values = np.array([pass_at_k(10, int(c), k) for c in counts])
    truth = 1 - (1 - chance) ** k
    error = values.std() / math.sqrt(5000)
    assert abs(values.mean() - truth) < 3 * error
    assert (1 - (1 - counts / 10) ** k).mean() < truth - 3 * error


def test_pass_at_k_of_very_many_samples_is_exact():
    assert pass_at_k(5000, 1, 2500) == 0.5


def table(
    seed: int, problems: int, samples: int, labels: int
) -> tuple[list[list[str | None]], list[list[bool]]]:
    """Draw answers; label "0" is right and label "1" abstains."""
    drawn = Rng(seed).generator().integers(0, labels, (problems, samples))
    groups = [[None if value == 1 else f"answer {value}" for value in row] for row in drawn]
    return groups, (drawn == 0).tolist()


def test_one_sample_passes_and_wins_as_often_as_it_is_right():
    groups, correct = table(2, 50, 6, 3)
    single = accuracy(correct)
    for estimate in (
        pass_at_k_mean([(6, sum(row)) for row in correct], 1),
        maj_at_k(groups, correct, 1),
        maj_at_k(groups, correct, 1, weights=[[2.0] * 6] * 50),
    ):
        assert estimate.value == pytest.approx(single.value, abs=1e-12)
        assert (estimate.low, estimate.high) == pytest.approx((single.low, single.high), abs=1e-12)
        assert (estimate.n_problems, estimate.n_samples) == (50, 300)


def enumerated(groups, correct, weights, k) -> Fraction:
    """Vote with every choice of k samples, in exact arithmetic."""
    right = {group for group, is_right in zip(groups, correct, strict=True) if is_right}
    total = Fraction(0)
    for choice in combinations(range(len(groups)), k):
        tally: Counter = Counter()
        for i in choice:
            if groups[i] is not None:
                tally[groups[i]] += Fraction(weights[i])
        winners = [group for group in tally if tally[group] == max(tally.values())]
        if winners:
            total += Fraction(sum(group in right for group in winners), len(winners))
    return total / math.comb(len(groups), k)


answers = st.lists(st.sampled_from(["7", "8", "9", "10", None]), min_size=1, max_size=9)


@given(answers, st.sets(st.sampled_from(["7", "8"])), st.data())
@settings(max_examples=60, deadline=None)
def test_maj_at_k_agrees_with_enumeration(groups, right, data):
    k = data.draw(st.integers(1, len(groups)))
    weights = data.draw(
        st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0]), min_size=len(groups), max_size=len(groups))
    )
    correct = [group in right for group in groups]
    plain = float(enumerated(groups, correct, [1] * len(groups), k))
    assert maj_at_k([groups] * 2, [correct] * 2, k).value == pytest.approx(plain, abs=1e-12)
    exact = [Fraction(weight).limit_denominator(10) for weight in weights]
    weighted = float(enumerated(groups, correct, exact, k))
    assert maj_at_k([groups] * 2, [correct] * 2, k, [weights] * 2).value == pytest.approx(weighted, abs=1e-12)


def test_ties_share_and_silence_is_wrong():
    right = [True, False]
    assert maj_at_k([["7", "8"]] * 2, [right] * 2, 2).value == 0.5
    assert maj_at_k([["7", "8", "9"]] * 2, [[True, False, False]] * 2, 3).value == pytest.approx(1 / 3)
    assert maj_at_k([["7", None]] * 2, [right] * 2, 2).value == 1
    assert maj_at_k([[None, None]] * 2, [[False, False]] * 2, 2).value == 0
    assert maj_at_k([[None, None]] * 2, [[False, False]] * 2, 2, [[1.0, 1.0]] * 2).value == 0


def test_weights_overrule_numbers():
    groups, correct = [["7", "8", "8"]] * 2, [[True, False, False]] * 2
    assert maj_at_k(groups, correct, 3).value == 0
    assert maj_at_k(groups, correct, 3, [[1.0, 0.4, 0.4]] * 2).value == 1
    assert maj_at_k(groups, correct, 3, [[0.3, 0.1, 0.2]] * 2).value == 0.5  # 0.1 + 0.2 ties with 0.3


def test_counting_has_no_limit_of_samples():
    # Of 2,000 samples 1,200 are right: a vote of 999 is almost surely right, and 1 is right in 60 %.
    assert counted_share((1200,), (800,), 0, 1) == 0.6
    assert counted_share((1200,), (800,), 0, 99) == pytest.approx(0.9795, abs=0.003)
    assert counted_share((40,), (30, 20), 10, 100) == 1


def test_drawn_votes_come_near_the_counted_ones_and_state_their_error():
    groups, correct = table(3, 40, 30, 4)
    exact = maj_at_k(groups, correct, 10)
    drawn = maj_at_k(groups, correct, 10, weights=[[1.0] * 30] * 40)
    assert "Monte-Carlo" not in exact.method
    assert "Monte-Carlo error" in drawn.method
    assert "in 40 of 40 problems" in drawn.method
    errors = [drawn_share(ballot_of(groups[i], correct[i]), 10, Rng(0))[1] for i in range(40)]
    assert abs(drawn.value - exact.value) < 4 * math.sqrt(sum(e * e for e in errors)) / 40
    assert drawn == maj_at_k(groups, correct, 10, weights=[[1.0] * 30] * 40)
    assert drawn.value != maj_at_k(groups, correct, 10, weights=[[1.0] * 30] * 40, rng=Rng(1)).value


def test_each_problem_draws_its_own_votes():
    # Problems that differ by the scale of their weights have one truth; equal errors would not even out.
    groups, correct = table(6, 1, 30, 4)
    weights = [[1.0 + i] * 30 for i in range(10)]
    shares = {drawn_share(ballot_of(groups[0], correct[0], w), 10, Rng(0))[0] for w in weights}
    assert len(shares) > 5


def test_the_method_counts_the_problems_whose_votes_were_drawn():
    many, few = table(7, 1, 30, 3), table(8, 1, 5, 3)
    votes = maj_at_k(many[0] + few[0], many[1] + few[1], 4, [[1.0] * 30, [1.0] * 5])
    assert "in 1 of 2 problems" in votes.method


def ballot_of(groups, correct, weights=None) -> Ballot:
    numbers = {group: i for i, group in enumerate(dict.fromkeys(g for g in groups if g is not None))}
    verdicts = {group: bool(c) for group, c in zip(groups, correct, strict=True) if group is not None}
    classes = tuple(-1 if group is None else numbers[group] for group in groups)
    return Ballot(
        classes, tuple(verdicts[group] for group in numbers), tuple(weights or (1.0,) * len(groups))
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_the_order_of_problems_is_irrelevant(weighted):
    groups, correct = table(4, 30, 25, 4)
    weights = [[1.0 + i] * 25 for i in range(30)] if weighted else None
    order = Rng(5).generator().permutation(30).tolist()
    straight = maj_at_k(groups, correct, 8, weights)
    shuffled = maj_at_k(
        [groups[i] for i in order], [correct[i] for i in order], 8, weights and [weights[i] for i in order]
    )
    assert (shuffled.value, shuffled.low, shuffled.high) == pytest.approx(
        (straight.value, straight.low, straight.high), abs=1e-12
    )


def test_clusters_widen_the_interval():
    counts = [(4, c) for c in (0, 4, 1, 3, 2, 2, 4, 0)] * 4
    alone = pass_at_k_mean(counts, 2)
    grouped = pass_at_k_mean(counts, 2, clusters=list(range(8)) * 4)
    assert grouped.value == alone.value
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.5, 0.7])
def test_pass_at_k_covers_95_percent(share):
    generator = Rng(6).child(repr(share)).generator()
    truth = 1 - np.mean((1 - generator.beta(share, 1 - share, 2_000_000)) ** 4)
    held = 0
    for _ in range(1500):
        right = generator.binomial(8, generator.beta(share, 1 - share, 100))
        estimate = pass_at_k_mean([(8, int(c)) for c in right], 4)
        held += estimate.low <= truth <= estimate.high
    assert 0.93 <= held / 1500 <= 0.97


PAIR = [[True, False]] * 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pass_at_k(3, 1, 4), "k is 4 and there are 3 samples"),
        (lambda: pass_at_k(3, 4, 1), "4 of 3 samples are correct"),
        (lambda: pass_at_k(3, 1, 0), "k is 0; expected at least 1"),
        (lambda: pass_at_k_mean([(3, 1)], 1), "there are 1 problems; expected at least 2"),
        (lambda: pass_at_k_mean([(3, 1), (2, 1)], 3), "k is 3 and there are 2 samples"),
        (lambda: maj_at_k([["7", "8"]], [[True, False]], 1), "there are 1 problems"),
        (lambda: maj_at_k([["7", "8"]] * 2, PAIR, 3), "problem 0: k is 3 and there are 2 samples"),
        (lambda: maj_at_k([["7", "8"]] * 2, PAIR[:1], 1), "answers to 2 problems and verdicts on 1"),
        (lambda: maj_at_k([["7", "8"]] * 2, PAIR, 1, [[1.0, 1.0]]), "weights for 1"),
        (lambda: maj_at_k([["7", "8"], ["7"]], PAIR, 1), "problem 1: there are 1 answers and 2 verdicts"),
        (
            lambda: maj_at_k([["7", "8"]] * 2, PAIR, 1, [[1.0], [1.0]]),
            "2 answers and 2 verdicts and 1 weights",
        ),
        (
            lambda: maj_at_k([["7", "8"], ["7", "7"]], PAIR, 1),
            "problem 1: the class '7' is right in one sample",
        ),
        (lambda: maj_at_k([["7", "8"]] * 2, PAIR, 1, [[1.0, -1.0]] * 2), "a weight is -1.0"),
        (lambda: maj_at_k([["7", "8"]] * 2, PAIR, 1, [[1.0, math.nan]] * 2), "a weight is nan"),
    ],
)
def test_attempts_that_cannot_be_counted_are_refused_by_name(call, message):
    with pytest.raises(StatisticsError) as caught:
        call()
    assert message in str(caught.value)

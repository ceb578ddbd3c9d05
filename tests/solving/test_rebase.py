"""REBASE: shares that add up, their limits, and expected samples of places against sums over all texts."""

import itertools
import math
from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.cost import Budget
from calculemus.engine.exact import answer_law, solutions
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.engine.toy import ToyLM
from calculemus.errors import EngineCapabilityError, InvalidParameterError
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.rebase import Rebase, allocate, softmax

QUESTION = Problem("q", "How many?", "7")
BY_SYMBOL = {"step": "tokens", "step_tokens": 1, "temperature": 1.0}


def toy(symbols: str = "123", max_length: int = 4, seed: int = 1, **options) -> ToyLM:
    """Return a model of short texts, with random rewards."""
    texts = {"".join(t) for n in range(max_length + 1) for t in itertools.product(symbols, repeat=n)}
    draws = Rng(seed, ("rewards",)).generator()
    rewards = {text: float(draws.random()) for text in sorted(texts)}
    return ToyLM.random(Rng(seed), symbols, max_length, rewards=rewards, **options)


def reference(weights: list[float], total: int) -> list[int]:
    """Deal out in fractions: whole parts first, then one each to the largest remainders."""
    quotas = [total * Fraction(weight) / sum(map(Fraction, weights)) for weight in weights]
    shares = [math.floor(quota) for quota in quotas]
    while sum(shares) < total:
        short = [quota - share for quota, share in zip(quotas, shares, strict=True)]
        index = max(range(len(weights)), key=lambda i: (short[i], weights[i], -i))
        shares[index] += 1
    return shares


@pytest.mark.slow
def test_a_hundred_thousand_deals_add_up() -> None:
    draws = Rng(0, ("deals",)).generator()
    for _ in range(100):
        rewards = draws.random((1000, int(draws.integers(1, 24)))) * draws.choice([1e-3, 1, 30])
        for row, t_balance, total in zip(
            rewards.tolist(),
            (10 ** draws.uniform(-3, 3, 1000)).tolist(),
            draws.integers(0, 257, 1000),
            strict=True,
        ):
            shares = allocate(softmax(row, t_balance), int(total))
            assert sum(shares) == total
            assert min(shares) >= 0


def test_single_precision_would_not_add_up() -> None:
    draws, n_off = Rng(1, ("deals",)).generator(), 0
    for _ in range(2000):
        weights = np.exp(draws.random(16, np.float32) / np.float32(0.2))
        left, rest, dealt = 256, weights.sum(dtype=np.float32), 0
        for weight in -np.sort(-weights):
            share = math.ceil(np.float32(left) * weight / rest)
            left, rest, dealt = left - share, rest - weight, dealt + share
        n_off += dealt != 256
        assert sum(allocate(weights.tolist(), 256)) == 256
    assert n_off > 20  # else the exact way would not be needed


@given(
    st.lists(st.floats(0, 1e300), min_size=1, max_size=8).filter(any),
    st.integers(0, 500),
)
def test_deals_are_less_than_one_off_the_formula(weights, total) -> None:
    shares = allocate(weights, total)
    assert shares == reference(weights, total)
    whole = sum(map(Fraction, weights))
    assert all(abs(n - total * Fraction(w) / whole) < 1 for n, w in zip(shares, weights, strict=True))


@given(st.integers(1, 30), st.integers(0, 200), st.floats(1e-3, 1e3))
def test_equal_rewards_get_equal_shares_but_for_one(n, total, t_balance) -> None:
    shares = allocate(softmax([0.3] * n, t_balance), total)
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, reverse=True)


def test_a_high_temperature_deals_evenly_and_a_low_one_to_the_best_alone() -> None:
    rewards = [0.1, 0.9, 0.5, 0.2]
    assert allocate(softmax(rewards, 1e12), 16) == [4, 4, 4, 4]
    assert allocate(softmax(rewards, 1e-6), 16) == [0, 16, 0, 0]
    assert allocate(softmax(rewards, 5e-324), 16) == [0, 16, 0, 0]


def test_with_less_than_one_each_the_lowest_get_none() -> None:
    assert allocate([0.5, 0.1, 0.4, 0.3], 2) == [1, 0, 1, 0]


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [1.0, -0.1], [math.nan], [math.inf]])
def test_weights_that_cannot_be_dealt_by_are_refused(weights) -> None:
    with pytest.raises(InvalidParameterError, match="allocating 3 samples"):
        allocate(weights, 3)


def expected_shares(lm: ToyLM, width: int, depth: int, t_balance: float) -> dict[str, float]:
    """Return how many samples places are dealt on average, by text, from all outcomes of all layers."""
    dealt: dict[str, float] = defaultdict(float)

    def follow(live: list[str], left: int, layer: int, reached: float) -> None:
        if not live or layer > depth:
            return
        weights = [math.exp(lm.value(f":{text}") / t_balance) for text in live] if layer > 1 else [1.0]
        shares = reference(weights, left)
        for text, share in zip(live, shares, strict=True):
            dealt[text] += reached * share
        parents = [text for text, share in zip(live, shares, strict=True) for _ in range(share)]
        options = [
            [*zip(lm.symbols, nexts, strict=False), ("", nexts[-1])]
            for nexts in (lm._next(lm._tokens(text)) for text in parents)
        ]
        for drawn in itertools.product(*options):
            chance = math.prod(p for _, p in drawn)
            going = [text + symbol for text, (symbol, _) in zip(parents, drawn, strict=True) if symbol]
            if chance:
                follow(going, left - sum(not symbol for symbol, _ in drawn), layer + 1, reached * chance)

    follow([""], width, 1, 1.0)
    del dealt[""]
    return dealt


@pytest.mark.parametrize(("width", "depth"), [(3, 2), (2, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_places_are_dealt_on_average_what_the_formula_says(width, depth, seed) -> None:
    lm = toy("12", 3, seed)
    dealt: dict[str, float] = defaultdict(float)
    solver = Rebase(width=width, depth=depth, **BY_SYMBOL)
    for solution, probability in solutions(solver, QUESTION, lm):
        nodes = solution.trace.nodes
        for node in nodes:
            text, before = node.text, node.parents
            while before:
                text, before = nodes[before[0]].text + text, nodes[before[0]].parents
            dealt[text] += probability * node.meta.get("share", 0)
    expected = expected_shares(lm, width, depth, solver.t_balance)
    assert {text: n for text, n in dealt.items() if n} == pytest.approx(
        {text: n for text, n in expected.items() if n}
    )


def test_a_width_of_one_is_plain_sampling() -> None:
    lm = toy("12", 3)
    assert answer_law(Rebase(width=1, **BY_SYMBOL), QUESTION, lm) == pytest.approx(lm.texts())


@pytest.mark.parametrize("width", [1, 5, 16])
def test_as_many_solutions_come_out_as_the_width_says(width) -> None:
    ((_, _, solution),) = Scheduler(toy()).solve_all(Rebase(width=width, **BY_SYMBOL), [(QUESTION, 0)])
    answers = [node.meta["answer"] for node in solution.trace.nodes if node.meta["answer"] is not None]
    assert len(answers) == width


def mean_reward(solver: Rebase, lm: ToyLM) -> float:
    problems = [(Problem(f"q{i}", "How many?", "7"), 0) for i in range(60)]
    rewards = [lm._reward(s.answer) for _, _, s in Scheduler(lm).solve_all(solver, problems)]
    return sum(rewards) / len(rewards)


def test_true_values_find_better_texts_than_sampling_and_a_coin_does_not() -> None:
    lm = toy()
    mean = sum(p * lm._reward(text) for text, p in lm.texts().items())
    settings = {"width": 8, "choose": "best", **BY_SYMBOL}
    assert mean_reward(Rebase(**settings), lm) > mean + 0.15
    assert abs(mean_reward(Rebase(scorer="random", **settings), lm) - mean) < 0.1


def test_only_the_best_share_of_places_goes_on() -> None:
    solver = Rebase(width=8, keep=0.25, t_balance=1e9, depth=2, **BY_SYMBOL)
    ((_, _, solution),) = Scheduler(toy()).solve_all(solver, [(QUESTION, 0)])
    shares = [node.meta["share"] for node in solution.trace.nodes if "share" in node.meta]
    assert shares == [4, 4]


def test_the_longest_solution_counts_all_its_steps() -> None:
    engine = ScriptedEngine("one two three four\n", values=lambda prompt: 1.0)
    solver = Rebase(width=2, most_tokens=7, step_tokens=5)
    ((_, _, solution),) = Scheduler(engine).solve_all(solver, [(QUESTION, 0)])
    steps = [node.text for node in solution.trace.nodes]
    assert steps == ["one two three four\n"] * 2 + ["one two"] * 2  # the end of the line is a token too
    assert solution.truncated


def test_a_short_budget_gives_the_best_so_far_and_says_so() -> None:
    lm = toy()
    scheduler = Scheduler(lm, budget=Budget(tokens=20))
    ((_, _, solution),) = scheduler.solve_all(Rebase(width=8, **BY_SYMBOL), [(QUESTION, 0)])
    assert solution.truncated
    assert solution.answer


def test_an_engine_without_values_is_refused_before_anything_is_spent() -> None:
    ((_, _, solution),) = Scheduler(ToyLM.random(Rng(1))).solve_all(Rebase(), [(QUESTION, 0)])
    assert (solution.failure or "").startswith(EngineCapabilityError.__name__)
    assert solution.cost.tokens_out == 0


@pytest.mark.parametrize("params", [{"t_balance": 0.0}, {"width": 0}, {"keep": 0.0}, {"temperature": 0.0}])
def test_settings_out_of_range_are_refused(params) -> None:
    with pytest.raises(InvalidParameterError, match=next(iter(params))):
        Rebase(**params)

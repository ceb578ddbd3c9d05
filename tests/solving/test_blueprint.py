"""The blueprint: known methods are settings of one driver, and x1 does its sums as its paper says."""

import itertools
import math
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from calculemus.engine.exact import answer_law
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.engine.toy import ToyLM
from calculemus.errors import EngineCapabilityError, InvalidParameterError
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.best_of_n import BestOfN
from calculemus.solving.blueprint import Blueprint, td_backup
from calculemus.solving.blueprint_cases import CASES, special_cases
from calculemus.solving.mcts import quality, x1_rule
from calculemus.solving.tree import Place
from calculemus.solving.vote import Vote

QUESTION = Problem("q", "How many?", "7")
BY_SYMBOL = {"step": "tokens", "step_tokens": 1, "temperature": 1.0, "depth": 5}


def toy(seed: int = 1, symbols: str = "123", length: int = 4) -> ToyLM:
    texts = ["".join(t) for n in range(length + 1) for t in itertools.product(symbols, repeat=n)]
    draws = Rng(seed, ("rewards",)).generator()
    rewards = {text: float(draws.random()) for text in texts}
    return ToyLM.random(Rng(seed), symbols, length, rewards=rewards)


def solve(solver, engine, **options):
    ((_, _, solution),) = Scheduler(engine, **options).solve_all(solver, [(QUESTION, 0)])
    return solution


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("plan", ["generate", "generate evaluate select"])
def test_a_chain_a_narrow_tree_and_a_graph_without_merges_are_one(seed, plan) -> None:
    settings = {"plan": plan, "width": 1, "branch": 1, "scorer": "value", **BY_SYMBOL}
    chain, tree, graph = (
        bits(solve(Blueprint(structure=structure, **settings), toy(seed), seed=seed))
        for structure in ("chain", "tree", "graph")
    )
    assert chain == tree == graph
    assert chain[0] in toy(seed).texts()
    merging = Blueprint(structure="graph", **settings | {"plan": plan + " merge"})
    assert bits(solve(merging, toy(seed), seed=seed)) == chain


def bits(solution):
    """All of a solution but the seconds."""
    cost = replace(solution.cost, seconds_engine=None, seconds_queue=None)
    return solution.answer, solution.candidates, solution.trace, cost


def test_best_of_n_and_a_vote_have_the_laws_of_their_own_implementations() -> None:
    lm = toy(2, "12", 2)
    sampling = {"width": 2, "temperature": 1.0, "step_tokens": 9}
    ours = replace(CASES["best_of_n"].settings, scorer="value", **sampling)
    assert answer_law(ours, QUESTION, lm) == pytest.approx(
        answer_law(BestOfN(2, 1.0, scorer="value"), QUESTION, lm)
    )
    vote = replace(CASES["vote"].settings, **sampling)
    assert answer_law(vote, QUESTION, lm) == pytest.approx(answer_law(Vote(2, 1.0), QUESTION, lm))
    assert answer_law(vote, QUESTION, lm) != pytest.approx(answer_law(ours, QUESTION, lm), abs=1e-3)


def even(seed: int) -> ToyLM:
    """A model that draws all of its symbols alike, and its 15 texts' rewards."""
    texts = ["".join(t) for n in range(4) for t in itertools.product("12", repeat=n)]
    draws = Rng(seed, ("even",)).generator()
    rewards = {text: float(draws.random()) for text in texts}
    return ToyLM("12", [0.5, 0.5, 0.0], [[1 / 3] * 3] * 2, max_length=3, rewards=rewards)


def test_planning_finds_the_best_of_all_texts() -> None:
    for seed in range(2):
        lm = even(seed)
        case = replace(CASES["rap"].settings, scorer="value", branch=8, simulations=600, **BY_SYMBOL)
        solution = solve(case, lm)
        assert lm._reward(solution.answer) == max(lm._reward(text) for text in lm.texts())


def test_x1_is_led_by_values_and_can_end_with_the_first_whole_solution() -> None:
    gains = {True: [], False: []}
    for seed in range(12):
        lm = even(seed)
        mean = sum(p * lm._reward(text) for text, p in lm.texts().items())
        for stops in gains:
            settings = {"branch": 3, "simulations": 20, "stops_at_first": stops, "rollout": 0.0, **BY_SYMBOL}
            solution = solve(replace(CASES["x1"].settings, **settings), lm)
            gains[stops].append(lm._reward(solution.answer) - mean)
            whole = [node for node in solution.trace.nodes if node.meta["answer"] is not None]
            assert 1 <= len(whole) <= 3 or not stops
    assert sum(gains[False]) / 12 > 0.25
    assert sum(gains[False]) > sum(gains[True]) + 0.1


def test_the_update_of_x1_comes_to_numbers_worked_out_by_hand() -> None:
    """Two children with Q 0.5 and 0.8, visited once and three times; gamma 0.9, learning rate 0.25."""
    root = Place("", visits=4, total=4 * 0.4)
    a = Place("", parent=root, visits=1, total=0.5)
    b = Place("", parent=root, visits=3, total=3 * 0.8)
    root.children = [a, b]
    td_backup(0.25, 0.9)([root, a], 1.0)
    assert (a.visits, quality(a)) == (2, pytest.approx(0.75 * 0.5 + 0.25 * 1.0))  # 0.625
    expected = 0.75 * 0.4 + 0.25 * 0.9 * (2 * 0.625 + 3 * 0.8) / 5
    assert (root.visits, quality(root)) == (5, pytest.approx(expected))
    fresh = Place("", parent=root)
    td_backup(0.25, 0.9)([root, fresh], 0.3)
    assert (fresh.visits, quality(fresh)) == (1, pytest.approx(0.3))


def test_the_choice_of_x1_does_not_change_with_the_scale_of_rewards() -> None:
    draws = Rng(9, ("scale",)).generator()
    for _ in range(50):
        values = draws.random(4).tolist()
        visits = [int(n) for n in draws.integers(1, 9, 4)]
        wanted = []
        for scale, shift in ((1.0, 0.0), (250.0, -40.0), (1e-3, 7.0)):
            root = Place("", visits=sum(visits) + 1)
            root.children = [
                Place("", parent=root, visits=n, total=n * (scale * value + shift))
                for n, value in zip(visits, values, strict=True)
            ]
            rule = x1_rule()
            wanted.append([rule(root, child) for child in root.children])
        assert wanted[1] == pytest.approx(wanted[0])
        assert wanted[2] == pytest.approx(wanted[0])
        n, m = sum(visits) + 1, visits[0]
        stretched = (values[0] - min(values)) / (max(values) - min(values))
        by_hand = stretched + math.sqrt(n - 1) / (1 + m) * (1.25 + math.log((n + 19652) / 19652))
        assert wanted[0][0] == pytest.approx(by_hand)


def test_equal_thoughts_of_a_graph_are_one_that_goes_on_from_all_of_them() -> None:
    engine = ScriptedEngine(lambda prompt, seed: "same\n", values=lambda prompt: 0.5)
    settings = {"width": 4, "branch": 4, "scorer": "value", "depth": 2}
    plan = "generate merge evaluate select"
    solution = solve(Blueprint(structure="graph", plan=plan, **settings), engine)
    assert len(solution.trace.nodes) == 4 + 4
    plain = solve(Blueprint(**settings), engine)
    assert len(plain.trace.nodes) == 4 + 16


def test_a_scheme_that_needs_what_the_engine_lacks_is_refused_before_the_first_token(drive, able) -> None:
    asked = []
    for case, kinds in ((CASES["x1"], {"Sample", "Score"}), (CASES["llama_berry"], {"Sample", "Value"})):
        with pytest.raises(EngineCapabilityError, match=r"Value|Score"):
            drive(case.settings, QUESTION, asked.append, replace(able, kinds=frozenset(kinds)))
    assert asked == []
    bare = replace(able, kinds=frozenset({"Sample"}), logprobs=False)
    engine = toy(1)
    solver = Blueprint(plan="generate", width=1, branch=1, **BY_SYMBOL)
    driven = drive(
        solver, QUESTION, lambda request: tuple(engine.draw(request.prompt, request.sampling, 1)[:1]), bare
    )
    assert driven.solution.answer


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"plan": "generate sellect"}, "'sellect'; did you mean select"),
        ({"plan": "generate refine"}, "'tree' with the operator 'refine'"),
        ({"structure": "chain"}, "'chain' with width=5 and branch=2"),
        ({"temperature": 0.0}, "'temperature' is 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, named) -> None:
    with pytest.raises(InvalidParameterError, match=re.escape(named)):
        Blueprint(**settings)


def test_every_special_case_is_settings_alone_and_is_shown_by_a_test() -> None:
    here = Path(__file__)
    tests = here.read_text("utf-8") + here.with_name("test_blueprint_cases.py").read_text("utf-8")
    for row, case in zip(special_cases(), CASES.values(), strict=True):
        assert f"def {row['shown by']}(" in tests
        assert len(repr(case.settings).split(",")) <= len(fields(Blueprint))
        assert Blueprint.from_params(case.settings.params()) == case.settings
        assert row["structure"] == case.settings.structure
    assert len({row["settings"] for row in special_cases()}) == len(CASES)

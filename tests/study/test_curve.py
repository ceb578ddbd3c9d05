"""Curves: sizes follow from the pilot, points stand at what was sampled, methods meet at equal budgets."""

from pathlib import Path

import pytest

from calculemus.engine.toy import ToyLM
from calculemus.errors import InvalidParameterError
from calculemus.grading import get_grader
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng
from calculemus.store import Store
from calculemus.study.curve import Curve, draw_curve, fill, size_for
from calculemus.study.systems import Live

PROBLEMS = ProblemSet("toys", tuple(Problem(f"q{i}", f"How many are {i}?", "12") for i in range(40)))
METHODS = ("vote:n={k}", "best_of_n:n={k},scorer=random", "direct")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Curve:
    live = Live("toy")
    live._engines["toy"] = ToyLM.random(Rng(1), "12", 3)
    with live, Store.open(tmp_path_factory.mktemp("curve") / "store.db") as store:
        return draw_curve(store, METHODS, [64, 16], PROBLEMS, get_grader("default"), live.open, n_pilot=10)


def test_a_size_takes_the_place_of_k_and_of_its_parts() -> None:
    assert fill("a:x={k},y={k/4},z={k/8}", 16) == "a:x=16,y=4,z=2"
    assert fill("a:y={k/8}", 4) == "a:y=1"


@pytest.mark.parametrize(("budget", "tokens", "size"), [(800, 800.0, 8), (1600, 800.0, 16), (10, 800.0, 4)])
def test_the_size_is_in_proportion_to_the_budget(budget, tokens, size) -> None:
    assert size_for(budget, 8, tokens) == size


def test_methods_sample_about_the_budget_and_the_points_say_what(drawn) -> None:
    assert drawn.budgets == (16, 64)
    for method in METHODS[:2]:
        for budget, point in zip(drawn.budgets, drawn.points(method), strict=True):
            assert point.tokens == pytest.approx(budget, rel=0.5)
            cost = point.system.cost
            assert point.tokens == cost["tokens_out"] + cost["tokens_discarded"]
    one = {point.system.accuracy for point in drawn.points("direct")}
    assert len(one) == 1


def test_every_budget_has_its_own_paired_comparison(drawn) -> None:
    for method in METHODS:
        pairs = [point.pair for point in drawn.points(method)]
        assert all(pair is None for pair in pairs) is (method == METHODS[0])
        if method != METHODS[0]:
            assert {pair.a for pair in pairs if pair} == {c.baseline for c in drawn.comparisons}
    assert drawn.to_json()["methods"][METHODS[0]][1]["system"]["name"] == drawn.comparisons[1].systems[0].name


def test_the_page_draws_a_line_for_each_method(drawn) -> None:
    from calculemus.report.curve_plot import curve_plot

    rows = curve_plot(drawn)["data"]["values"]
    assert len(rows) == len(METHODS) * 2
    assert {row["tokens"] for row in rows} == {p.tokens for m in METHODS for p in drawn.points(m)}


def test_no_budget_and_no_method_are_refused(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        for methods, budgets in (((), [8]), (METHODS, []), (METHODS, [0])):
            with pytest.raises(InvalidParameterError, match="at least one method"):
                draw_curve(store, methods, budgets, PROBLEMS, get_grader("default"), Live("toy").open)

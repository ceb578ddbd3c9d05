"""The plots are the specifications that they should be."""

import json
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from calculemus.report import plots
from calculemus.report.tally import Tally
from calculemus.study.comparison import Comparison, PairResult, ProblemView, SystemResult


def values(spec: plots.Spec | None) -> list[dict]:
    assert spec is not None
    return spec["data"]["values"]


def with_costs(comparison: Comparison, costs: list[dict[str, float]]) -> Comparison:
    systems = tuple(replace(s, cost=cost) for s, cost in zip(comparison.systems, costs, strict=True))
    return replace(comparison, systems=systems)


def tallied(views: list[ProblemView]) -> Tally:
    tally = Tally(len(views[0].samples))
    for view in views:
        tally.add(view)
    return tally


def test_the_interval_plot_shows_every_system_in_percent(comparison: Comparison):
    rows = values(plots.interval_plot(comparison))
    assert [(r["accuracy"], r["low"], r["high"]) for r in rows] == [
        (100 * s.accuracy, 100 * s.ci_low, 100 * s.ci_high) for s in comparison.systems
    ]
    assert [r["baseline"] for r in rows] == [True, False, False]


def test_the_difference_plot_shows_pairs_with_the_baseline_only(comparison: Comparison):
    rows = values(plots.difference_plot(comparison))
    pairs = [pair for pair in comparison.pairs if pair.a == comparison.baseline]
    assert len(pairs) < len(comparison.pairs)
    assert [(r["delta"], r["low"], r["high"]) for r in rows] == [
        (100 * p.delta, 100 * p.ci_low, 100 * p.ci_high) for p in pairs
    ]


def test_one_system_has_no_difference_plot(comparison: Comparison):
    alone = replace(comparison, systems=comparison.systems[:1], pairs=())
    assert plots.difference_plot(alone) is None


def test_the_steps_plot_has_wilson_intervals_of_every_group(comparison: Comparison, views: list[ProblemView]):
    rows = values(plots.steps_plot(comparison, tallied(views)))
    expected = []
    for steps, system in product([1, 2, 3, 4], range(3)):
        graded = [v.samples[system][0].outcome == "correct" for v in views if v.steps == steps]
        low, high = proportion_confint(sum(graded), len(graded), method="wilson")
        expected.append(pytest.approx([100 * sum(graded) / len(graded), 100 * low, 100 * high]))
    assert [[r["accuracy"], r["low"], r["high"]] for r in rows] == expected


def test_systems_stand_side_by_side_at_each_number_of_steps(comparison: Comparison, views: list[ProblemView]):
    places = [row["place"] for row in values(plots.steps_plot(comparison, tallied(views)))]
    assert len(set(places)) == len(places)
    assert [round(place) for place in places] == [group for group in range(4) for _ in range(3)]


def test_a_single_number_of_steps_has_no_steps_plot(comparison: Comparison, views: list[ProblemView]):
    assert plots.steps_plot(comparison, tallied([replace(view, steps=3) for view in views])) is None


def test_problems_without_steps_have_no_steps_plot(comparison: Comparison, views: list[ProblemView]):
    assert plots.steps_plot(comparison, tallied([replace(view, steps=None) for view in views])) is None


def test_a_system_has_one_colour_in_all_plots(comparison: Comparison, views: list[ProblemView]):
    priced = with_costs(comparison, [{"tokens_out": 1.0}, {}, {"tokens_out": 3.0}])
    specs = [
        plots.interval_plot(priced),
        plots.difference_plot(priced),
        plots.steps_plot(priced, tallied(views)),
        plots.cost_plot(priced, "tokens_out"),
    ]
    domains = {json.dumps(spec).count('"domain": ["A  small model", "B  large model"') > 0 for spec in specs}
    assert domains == {True}


def test_names_that_end_alike_stay_apart(comparison: Comparison):
    end = "/the/same/long/end/of/a/path/samples.jsonl#answer"
    systems = tuple(replace(s, name=f"{i}{end}") for i, s in enumerate(comparison.systems))
    rows = values(plots.interval_plot(replace(comparison, systems=systems, pairs=())))
    assert len({row["system"] for row in rows}) == 3


def test_a_figure_that_is_no_number_leaves_its_mark_out(comparison: Comparison):
    broken = replace(comparison.systems[0], ci_low=float("nan"))
    spec = plots.interval_plot(replace(comparison, systems=(broken, *comparison.systems[1:])))
    assert json.loads(json.dumps(spec, allow_nan=False))["data"]["values"][0]["low"] is None


def test_costs_are_listed_in_the_order_of_the_ruler(comparison: Comparison):
    priced = with_costs(comparison, [{"flops": 1.0}, {}, {"tokens_out": 3.0, "flops": 2.0}])
    assert plots.cost_names(priced) == ["tokens_out", "flops"]
    assert plots.cost_names(comparison) == []
    nothing = with_costs(comparison, [{"flops": 1.0, "bytes_read": 0.0}, {"bytes_read": 0.0}, {}])
    assert plots.cost_names(nothing) == ["flops"]


def test_costs_far_apart_get_a_logarithmic_axis(comparison: Comparison):
    near = plots.cost_plot(with_costs(comparison, [{"flops": c} for c in (1.0, 2.0, 3.0)]), "flops")
    far = plots.cost_plot(with_costs(comparison, [{"flops": c} for c in (1.0, 2.0, 3e6)]), "flops")
    assert near["encoding"]["x"]["scale"] == {"domainMin": 0}
    assert far["encoding"]["x"]["scale"]["type"] == "log"


def test_a_cost_of_zero_has_no_logarithm(comparison: Comparison):
    spec = plots.cost_plot(with_costs(comparison, [{"flops": c} for c in (0.0, 2.0, 3e6)]), "flops")
    assert "type" not in spec["encoding"]["x"]["scale"]


def system(name: str, accuracy: float, cost: float) -> SystemResult:
    return SystemResult(name, name, 100, 100, 0, accuracy, 0.0, 1.0, "", 0, 0, {"flops": cost})


def pair(a: SystemResult, b: SystemResult, width: float) -> PairResult:
    delta = b.accuracy - a.accuracy
    return PairResult(
        a.name, b.name, 100, None, None, delta, delta - width, delta + width, "", 1, "", None, 0
    )


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 5)), min_size=1, max_size=6), st.integers(0, 4))
def test_the_front_is_what_no_system_dominates(points: list[tuple[int, int]], width: int):
    systems = [system(f"s{i}", accuracy / 10, cost) for i, (accuracy, cost) in enumerate(points)]
    pairs = [pair(a, b, width / 10 + 0.01) for i, a in enumerate(systems) for b in systems[i + 1 :]]
    comparison = Comparison("p", 100, "g@1", "s0", tuple(systems), tuple(pairs))
    undominated = {
        s.name
        for s, (accuracy, cost) in zip(systems, points, strict=True)
        if not any(a - accuracy > width and c <= cost for a, c in points)
    }
    front = plots.front(comparison, "flops")
    assert {s.name for s in front} == undominated
    assert [s.cost["flops"] for s in front] == sorted(s.cost["flops"] for s in front)


def test_the_line_of_the_front_never_falls(comparison: Comparison):
    alike = with_costs(comparison, [{"flops": 3.0}, {"flops": 2.0}, {"flops": 1.0}])
    pairs = tuple(replace(p, ci_low=-0.9, ci_high=0.9) for p in alike.pairs)
    rows = values(plots.cost_plot(replace(alike, pairs=pairs), "flops"))
    by_cost = [row["best"] for row in sorted(rows, key=lambda row: row["cost"])]
    assert all(row["front"] for row in rows)
    assert by_cost == [100 * max(s.accuracy for s in comparison.systems)] * 3

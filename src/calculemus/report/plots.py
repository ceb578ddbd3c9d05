"""The plots as plain Vega-Lite specifications: figures in, dictionaries out.

A specification says what stands where. Colours, fonts and sizes come from the page's theme when it is
drawn: systems take the theme's category colours in their order, and quiet marks have the style ``quiet``.
"""

import json
import math
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from calculemus.report.tally import Tally
from calculemus.report.words import COST_TITLES, letter, p_value, percent, points, quantity, short
from calculemus.stats.proportion import wilson
from calculemus.study.comparison import Comparison, PairResult, SystemResult

Spec = dict[str, Any]

ROW_HEIGHT = 34
LOG_FROM = 20.0  # costs that differ by more are drawn on a logarithmic axis


def interval_plot(comparison: Comparison) -> Spec:
    """Draw every system's accuracy with its interval, and the baseline as a dashed line."""
    labels = labels_of(comparison)
    rows = [
        {
            "system": labels[s.name],
            "accuracy": 100 * s.accuracy,
            "low": 100 * s.ci_low,
            "high": 100 * s.ci_high,
            "baseline": s.name == comparison.baseline,
            "text": f"{s.name}: {percent(s.accuracy)} ({percent(s.ci_low)} to {percent(s.ci_high)})",
        }
        for s in comparison.systems
    ]
    reference = {
        "transform": [{"filter": "datum.baseline"}],
        "mark": {"type": "rule", "style": "quiet", "strokeDash": [3, 3]},
        "encoding": {"x": {"field": "accuracy", "type": "quantitative"}, "y": None},
    }
    titles = ("%, with 95 % interval", "Accuracy of every system with its interval")
    return _dot_plot(rows, list(labels.values()), "accuracy", titles, reference)


def difference_plot(comparison: Comparison) -> Spec | None:
    """Draw every other system's paired difference to the baseline; None where there is nothing to draw."""
    labels = labels_of(comparison)
    pairs = {pair.b: pair for pair in comparison.pairs if pair.a == comparison.baseline}
    rows = [_difference_row(pairs[name], label) for name, label in labels.items() if name in pairs]
    if not rows:
        return None
    zero = {"mark": {"type": "rule", "style": "quiet"}, "encoding": {"x": {"datum": 0}, "y": None}}
    titles = ("points, with 95 % interval", "Paired differences to the baseline with their intervals")
    return _dot_plot(rows, list(labels.values()), "delta", titles, zero)


def _difference_row(pair: PairResult, label: str) -> dict[str, Any]:
    return {
        "system": label,
        "delta": 100 * pair.delta,
        "low": 100 * pair.ci_low,
        "high": 100 * pair.ci_high,
        "text": f"{pair.b}: {points(pair.delta)} points ({points(pair.ci_low)} to {points(pair.ci_high)}), "
        f"p = {p_value(pair.p_value)}",
    }


def steps_plot(comparison: Comparison, tally: Tally) -> Spec | None:
    """Draw accuracy by number of steps with Wilson intervals; None where all problems have the same number.

    A problem with several samples counts once, with its share of correct ones: the interval is then wider
    than needed, never narrower.
    """
    groups = tally.groups()
    if len(groups) < 2:
        return None
    rows = list(_steps_rows(comparison, tally))
    ticks = [[group.label, f"n = {group.n:,}"] for group in groups]
    x = {
        "field": "place",
        "type": "quantitative",
        "scale": {"domain": [-0.5, len(groups) - 0.5], "nice": False, "zero": False},
        "axis": {
            "title": "Steps of the worked solution",
            "values": list(range(len(groups))),
            "labelExpr": f"{json.dumps(ticks)}[datum.value]",
            "grid": False,
        },
    }
    y = {"field": "accuracy", "type": "quantitative", "scale": {"domain": [0, 100]}, "title": "Accuracy, %"}
    ends = {"y": {**y, "field": "low"}, "y2": {"field": "high"}, "tooltip": {"field": "text"}}
    point = {"y": y, "tooltip": {"field": "text"}}
    return make_spec(
        rows,
        "Accuracy by the number of steps of the worked solution",
        height=300,
        encoding={"x": x, "color": colour_of(list(labels_of(comparison).values()))},
        layer=[
            {"mark": {"type": "line", "strokeWidth": 1.5, "opacity": 0.4}, "encoding": {"y": y}},
            {"mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.55}, "encoding": ends},
            {"mark": {"type": "point", "filled": True, "size": 55, "opacity": 1}, "encoding": point},
        ],
    )


def _steps_rows(comparison: Comparison, tally: Tally) -> Iterator[dict[str, Any]]:
    """Give every system its own place beside a group's tick, so that intervals do not hide each other."""
    labels = labels_of(comparison)
    gap = min(0.14, 0.7 / len(labels))
    for position, group in enumerate(tally.groups()):
        for index, system in enumerate(comparison.systems):
            correct, n = tally.accuracy(group, index)
            if n:
                low, high = wilson(correct / n, n)
                yield {
                    "place": position + gap * (index - (len(labels) - 1) / 2),
                    "label": group.label,
                    "system": labels[system.name],
                    "accuracy": 100 * correct / n,
                    "low": 100 * low,
                    "high": 100 * high,
                    "text": f"{system.name}, {group.label} steps: {percent(correct / n)} of {n:,} "
                    f"({percent(low)} to {percent(high)})",
                }


def cost_names(comparison: Comparison) -> list[str]:
    """Return the costs that are known of any system and that some system has, in the order of the ruler."""
    known = {name for system in comparison.systems for name, value in system.cost.items() if value}
    return [name for name in COST_TITLES if name in known]


def front(comparison: Comparison, cost: str) -> list[SystemResult]:
    """Return the systems that none dominates, the cheapest first.

    A system is dominated by one that costs no more and whose paired difference to it, interval and all, is
    above zero. Systems that cannot be told apart both stay.
    """
    priced = sorted(
        (s for s in comparison.systems if cost in s.cost), key=lambda s: (s.cost[cost], -s.accuracy)
    )
    ahead = {(pair.b, pair.a) for pair in comparison.pairs if pair.ci_low > 0}
    ahead |= {(pair.a, pair.b) for pair in comparison.pairs if pair.ci_high < 0}
    return [
        s
        for s in priced
        if not any((other.name, s.name) in ahead and other.cost[cost] <= s.cost[cost] for other in priced)
    ]


def cost_plot(comparison: Comparison, cost: str, on_front: Sequence[SystemResult] | None = None) -> Spec:
    """Draw accuracy against one cost; systems on the front are filled, a line is the best for its cost.

    Args:
        comparison: The figures.
        cost: The name of the cost.
        on_front: What is on the front, the cheapest first; by default what ``front`` returns.
    """
    labels = labels_of(comparison)
    systems = [system for system in comparison.systems if cost in system.cost]
    on_front = front(comparison, cost) if on_front is None else on_front
    best = accumulate((s.accuracy for s in on_front), max)
    reached = {s.name: 100 * accuracy for s, accuracy in zip(on_front, best, strict=True)}
    rows = [
        {
            "system": labels[s.name],
            "letter": labels[s.name].split()[0],
            "cost": s.cost[cost],
            "accuracy": 100 * s.accuracy,
            "low": 100 * s.ci_low,
            "high": 100 * s.ci_high,
            "front": s.name in reached,
            "best": reached.get(s.name),
            "text": f"{s.name}: {percent(s.accuracy)} at {quantity(s.cost[cost])}",
        }
        for s in systems
    ]
    title = f"{COST_TITLES[cost]}, mean per problem"
    x = {
        "field": "cost",
        "type": "quantitative",
        "title": title,
        "scale": _cost_scale([s.cost[cost] for s in systems]),
        "axis": {"format": "~s", "grid": False, "tickCount": 6},
    }
    y = {"field": "accuracy", "type": "quantitative", "scale": {"zero": False}, "title": "Accuracy, %"}
    filled = [{"filter": "datum.front"}]
    line = {"type": "line", "style": "quiet", "interpolate": "step-after", "strokeDash": [4, 3]}
    point = {"type": "point", "size": 110, "strokeWidth": 2, "opacity": 1}
    drawn = {"y": y, "color": colour_of(list(labels.values())), "tooltip": {"field": "text"}}
    label = {"type": "text", "align": "left", "dx": 9, "dy": -9}
    return make_spec(
        rows,
        f"Accuracy against {title.lower()}",
        height=300,
        encoding={"x": x},
        layer=[
            {"transform": filled, "mark": line, "encoding": {"y": {**y, "field": "best"}}},
            {
                "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.5},
                "encoding": {**drawn, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
            },
            {"mark": {**point, "filled": False}, "encoding": drawn},
            {"transform": filled, "mark": {**point, "filled": True}, "encoding": drawn},
            {"mark": label, "encoding": {"y": y, "text": {"field": "letter"}}},
        ],
    )


def _cost_scale(costs: Sequence[float]) -> Spec:
    positive = min(costs) > 0
    if positive and max(costs) / min(costs) > LOG_FROM:
        return {"type": "log", "nice": False, "padding": 40}
    return {"domainMin": 0}


def _dot_plot(
    rows: list[dict[str, Any]], labels: list[str], field: str, titles: tuple[str, str], below: Spec
) -> Spec:
    """Draw one row per system: a bar from ``low`` to ``high`` and a point at ``field``.

    ``titles`` are the axis's title and the plot's description; ``below`` is drawn under the rows.
    """
    x = {
        "type": "quantitative",
        "scale": {"zero": False, "padding": 12},
        "title": titles[0],
        "axis": {"tickCount": 7, "labelFlush": False},
    }
    y = {
        "field": "system",
        "type": "nominal",
        "scale": {"domain": labels},  # all systems, so that the rows of two plots stand side by side
        "title": None,
        "axis": {"grid": True, "labelLimit": 260},
    }
    drawn = {"y": y, "color": colour_of(labels), "tooltip": {"field": "text"}}
    return make_spec(
        rows,
        titles[1],
        height=ROW_HEIGHT * len(labels),
        layer=[
            below,
            {
                "mark": {"type": "rule", "strokeWidth": 4, "strokeCap": "round", "opacity": 0.4},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, **drawn},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
                "encoding": {"x": {**x, "field": field}, **drawn},
            },
        ],
    )


def colour_of(labels: list[str]) -> Spec:
    """Give every system the colour of its place, in every plot; the page has the legend."""
    return {"field": "system", "type": "nominal", "scale": {"domain": labels}, "legend": None}


def labels_of(comparison: Comparison) -> dict[str, str]:
    """Return by name what the plots call each system: its letter keeps shortened names apart."""
    return {s.name: f"{letter(i)}  {short(s.name)}" for i, s in enumerate(comparison.systems)}


def make_spec(rows: list[dict[str, Any]], description: str, **rest: Any) -> Spec:
    """Return a specification as wide as its place, with the rows as its data."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": description,
        "data": {"values": [_finite(row) for row in rows]},
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        **rest,
    }


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """Write None for what is not a number: JSON has no NaN, and a plot leaves the mark out."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}

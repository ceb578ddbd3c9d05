"""The plot of accuracy over what methods sample."""

from calculemus.report.plots import Spec, colour_of, labels_of, make_spec
from calculemus.report.words import percent, quantity
from calculemus.study.curve import Curve


def curve_plot(curve: Curve) -> Spec:
    """Draw accuracy against sampled tokens, a line for each method, in the colours of the last comparison."""
    labels = list(labels_of(curve.comparisons[-1]).values())
    rows = [
        {
            "system": label,
            "tokens": point.tokens,
            "accuracy": 100 * point.system.accuracy,
            "low": 100 * point.system.ci_low,
            "high": 100 * point.system.ci_high,
            "letter": label.split()[0] if budget == curve.budgets[-1] else None,
            "text": f"{point.system.name}: {percent(point.system.accuracy)} at {quantity(point.tokens)}",
        }
        for method, label in zip(curve.methods, labels, strict=True)
        for budget, point in zip(curve.budgets, curve.points(method), strict=True)
    ]
    x = {
        "field": "tokens",
        "type": "quantitative",
        "title": "Sampled tokens, kept and discarded, mean per problem",
        "scale": {"type": "log", "nice": False, "padding": 20},
        "axis": {"format": "~s", "grid": False, "tickCount": 6},
    }
    y = {"field": "accuracy", "type": "quantitative", "scale": {"zero": False}, "title": "Accuracy, %"}
    drawn = {"y": y, "tooltip": {"field": "text"}}
    bar = {"type": "rule", "strokeWidth": 2, "opacity": 0.25}
    return make_spec(
        rows,
        "Accuracy against sampled tokens, a line for each method",
        height=380,
        encoding={"x": x, "color": colour_of(labels)},
        layer=[
            {"mark": bar, "encoding": {**drawn, "y": {**y, "field": "low"}, "y2": {"field": "high"}}},
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": drawn},
            {"mark": {"type": "point", "filled": True, "size": 60, "opacity": 1}, "encoding": drawn},
            {
                "transform": [{"filter": "datum.letter"}],  # colours come round again after eight methods
                "mark": {"type": "text", "align": "left", "dx": 7, "fontWeight": "bold"},
                "encoding": {**drawn, "text": {"field": "letter"}},
            },
        ],
    )

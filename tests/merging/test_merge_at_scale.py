"""The study: a full design, alike training, and trends that are shown or not."""

from collections import Counter
from itertools import product
from pathlib import Path

import pytest
from scipy.stats import binomtest

from calculemus.cost import Cost
from calculemus.errors import InvalidParameterError
from calculemus.merging.bench_panel import Panel, digit_panel
from calculemus.merging.contest import merge, scores
from calculemus.merging.merge_at_scale import Cell, MergeAtScale, Outcome, trends
from calculemus.tiny.digit_family import DigitRecipe

STUDY = MergeAtScale((8, 16), (5, 20), scales=(0.3, 1.0), expert_steps=20, models="digits")


def outcomes(held_in: dict[Cell, float]) -> list[Outcome]:
    return [Outcome(cell, cell.method, figure, None, 1, Cost()) for cell, figure in held_in.items()]


def test_the_design_has_every_combination_once() -> None:
    cells = STUDY.cells()
    expected = set(product(STUDY.sizes, STUDY.budgets, STUDY.numbers, STUDY.methods))
    assert {(c.size, c.budget, c.number, c.method) for c in cells} == expected
    assert len(cells) == len(expected)


@pytest.mark.slow
def test_a_run_has_the_outcome_of_every_cell_with_its_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = list(STUDY.run())
    assert [outcome.cell for outcome in found] == STUDY.cells()
    assert all(outcome.cost.bytes_read and outcome.cost.seconds_engine for outcome in found)
    assert Counter(outcome.n_parameters for outcome in found).most_common(1)[0][1] == len(found) // 2
    one = next(o for o in found if o.cell == Cell(16, 20, 2, "linear"))
    panel = digit_panel(DigitRecipe(base_steps=20, expert_steps=20, width=16, n_layers=2))
    experts = {
        task.name: scores(panel, merge(two_copies(panel, i), "linear"))[task.name].accuracy
        for i, task in enumerate(panel.tasks[:2])
    }
    some = Panel(panel.source, panel.base, panel.experts[:2], panel.tasks[:2], (), panel.make)
    merged = scores(some, merge(some, "linear"))
    by_hand = sum(merged[name].accuracy / experts[name] for name in experts) / 2
    assert one.held_in == pytest.approx(by_hand)


def two_copies(panel: Panel, number: int) -> Panel:
    """A panel of one expert, twice: its average is the expert."""
    expert = panel.experts[number]
    return Panel(panel.source, panel.base, [expert] * 2, panel.tasks[:2], (), panel.make)


def test_a_clear_trend_is_shown_with_the_exact_sign_test() -> None:
    cells = MergeAtScale(sizes=(1, 2, 3)).cells()
    found = {
        t.name: t for t in trends(outcomes({c: c.size + 0.1 * c.budget - 0.01 * c.number for c in cells}))
    }
    larger = found["a larger model is better"]
    n = 2 * 2 * 2 * 4  # steps of size, budgets, numbers, methods
    assert (larger.n_for, larger.n_against, larger.verdict) == (n, 0, "shown")
    assert larger.p_value == pytest.approx(binomtest(n, n).pvalue)
    assert found["a stronger base is better"].verdict == "shown"
    assert found["more experts are better"].verdict == "the opposite is shown"


def test_where_there_is_no_trend_it_says_not_shown() -> None:
    cells = STUDY.cells()
    found = trends(outcomes({cell: 0.5 + 0.1 * (-1) ** i for i, cell in enumerate(cells)}))
    assert {trend.verdict for trend in found} == {"not shown"}


def test_a_few_pairs_against_are_counted() -> None:
    cells = STUDY.cells()
    odd = cells[-1]
    found = {t.name: t for t in trends(outcomes({c: c.size - (100 if c == odd else 0) for c in cells}))}
    larger = found["a larger model is better"]
    assert (larger.n_for, larger.n_against) == (15, 1)
    assert larger.p_value == pytest.approx(binomtest(15, 16).pvalue)


def test_methods_that_come_closer_are_seen() -> None:
    cells = MergeAtScale(sizes=(1, 2, 3, 4), numbers=(2,)).cells()
    spread = {c: 1.0 + (0.5 if c.method == "linear" else 0.0) / c.size for c in cells}
    found = {t.name: t for t in trends(outcomes(spread))}
    alike = found["methods differ less in larger models"]
    assert (alike.n_for, alike.n_against) == (6, 0)
    assert alike.verdict == "shown"


def test_more_experts_than_there_are_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="'numbers' is"):
        next(MergeAtScale(numbers=(2, 9)).run())

"""The whole protocol on experts of a base that was trained briefly and of one that was trained long.

A unit is a method on a skill; its figure is the merge's accuracy over that of the skill's expert.
"""

from collections.abc import Mapping, Sequence
from functools import cache

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.cost import Cost, Meter
from calculemus.merging.bench_panel import Panel, arith_panel, digit_panel
from calculemus.merging.contest import across_seeds
from calculemus.merging.dealing import ONE, OTHER, deal, dealt
from calculemus.merging.mergebench import MergeBench, Row
from calculemus.tiny.arith_family import ArithRecipe
from calculemus.tiny.digit_family import DigitRecipe

WEAK, STRONG = "merges of experts from a base trained briefly", "merges of experts from a base trained long"
CONTRAST = Contrast(
    "merges of experts from a stronger base against those from a weaker one",
    WEAK,
    STRONG,
    metric="accuracy relative to the expert",
)
METHODS = ("ties:density=0.5", "dare_linear:density=0.5", "breadcrumbs", "model_stock")
_SCALES = (0.2, 0.3, 0.5, 1.0)


def panel(arm: str, seed: int, size: str) -> Panel:
    """Return the models of an arm."""
    is_strong = arm == STRONG
    if size == "smoke":
        steps = 30 if is_strong else 3
        domains = ("plain", "turned")
        return digit_panel(
            DigitRecipe(domains, base_steps=steps, expert_steps=60, width=32, n_layers=2, seed=seed)
        )
    return arith_panel(ArithRecipe(base_steps=300 if is_strong else 100, seed=seed))


@cache
def _rows(arm: str, seed: int, size: str) -> Sequence[Row]:
    """Bench the models of an arm, once."""
    bench = MergeBench(METHODS if size != "smoke" else METHODS[:2], _SCALES)
    return [row for row in bench.rows(panel(arm, seed, size)) if isinstance(row, Row)]


def ratios(rows: Sequence[Row]) -> Mapping[str, float]:
    """Return for each method and skill the accuracy of the merge over that of the expert."""
    of = {row.name.removeprefix("expert: "): row for row in rows if row.name.startswith("expert: ")}
    return {
        f"{row.name}/{task}": row.accuracies[task] / expert.accuracies[task]
        for row in rows
        if row.method
        for task, expert in of.items()
    }


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Bench the methods on the models of an arm."""
    if arm in (ONE, OTHER):
        return deal(measure(WEAK, contrast, lab), measure(STRONG, contrast, lab), arm)
    meter = Meter()
    for seed in lab.seeds:
        for row in _rows(arm, seed, lab.size):
            if row.method:
                meter.add(row.cost)
    measured = across_seeds(lab.seeds, lambda seed: ratios(_rows(arm, seed, lab.size)))
    known: Cost = meter.total
    return Measured(measured.outcomes, known)


CLAIM = Claim((CONTRAST,), control=dealt(CONTRAST), measure=measure)

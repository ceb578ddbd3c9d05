"""Trends of merging on small models: width, training of the base, and how much methods differ.

A unit is a merge: the same method on as many experts, and all else equal but for one factor.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.cost import Cost
from calculemus.merging.dealing import ONE, OTHER, deal, dealt
from calculemus.merging.merge_at_scale import Cell, MergeAtScale, Outcome, trends

_METRIC = "accuracy on the experts' tasks, relative to the experts"
SMALL, LARGE = "merges of the smallest models", "merges of the largest models"
WEAK, STRONG = "merges on bases trained briefly", "merges on bases trained long"
SIZE = Contrast("the largest models against the smallest", SMALL, LARGE, metric=_METRIC)
BASE = Contrast("bases trained long against briefly", WEAK, STRONG, metric=_METRIC)
ALIKE = Contrast(
    "largest against smallest models: how much methods differ",
    SMALL,
    LARGE,
    "lower",
    metric="best method's figure less the worst one's",
    on="spread",
)
_DESIGNS = {
    "smoke": MergeAtScale((16, 48), (4, 30), models="digits", scales=(0.4,), expert_steps=30),
    "real": MergeAtScale((64, 160, 328), (300, 1000), expert_steps=300),
}


@cache
def _run(study: MergeAtScale) -> Sequence[Outcome]:
    """Run a study once: all arms are cells of it."""
    outcomes = list(study.run())
    trends(outcomes)
    return outcomes


_LEVELS: dict[str, Callable[[MergeAtScale, Cell], bool]] = {
    SMALL: lambda study, cell: cell.size == study.sizes[0],
    LARGE: lambda study, cell: cell.size == study.sizes[-1],
    WEAK: lambda study, cell: cell.budget == study.budgets[0],
    STRONG: lambda study, cell: cell.budget == study.budgets[-1],
}


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Return the merges at one level of a factor."""
    if arm in (ONE, OTHER):
        return deal(measure(SMALL, contrast, lab), measure(LARGE, contrast, lab), arm)
    figures: dict[str, tuple[float, ...]] = {}
    total = Cost(seconds_engine=0, bytes_read=0)
    for seed in lab.seeds:
        study = replace(_DESIGNS.get(lab.size, MergeAtScale()), seed=seed)
        chosen = [outcome for outcome in _run(study) if _LEVELS[arm](study, outcome.cell)]
        for unit, figure in _figures(chosen, arm, contrast.on).items():
            figures[unit] = (*figures.get(unit, ()), figure)
        for outcome in chosen:
            total += outcome.cost
    return Measured(figures, total)


def _figures(outcomes: Sequence[Outcome], arm: str, on: str) -> dict[str, float]:
    """Return the figures of merges by what else they are than the arm says."""

    def unit(cell: Cell) -> str:
        kept = cell.budget if arm in (SMALL, LARGE) else cell.size
        return f"{kept}/{cell.number}" + ("" if on == "spread" else f"/{cell.method}")

    if on != "spread":
        return {unit(outcome.cell): outcome.held_in for outcome in outcomes}
    together: dict[str, list[float]] = {}
    for outcome in outcomes:
        together.setdefault(unit(outcome.cell), []).append(outcome.held_in)
    return {name: max(values) - min(values) for name, values in together.items()}


CLAIM = Claim((SIZE, BASE, ALIKE), control=dealt(SIZE), measure=measure)

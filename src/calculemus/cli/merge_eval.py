"""Measuring a merged model beside its parents, as ``calculemus compare`` does."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calculemus.cli.compare_text import print_comparison
from calculemus.cli.output import print_text
from calculemus.events import note
from calculemus.grading import get_grader
from calculemus.merging.model_card import Accuracy, Measured, Parent, write_card
from calculemus.merging.preparing import Prepared
from calculemus.problems import ProblemSet
from calculemus.store import Store, default_store_path
from calculemus.study.compare import compare
from calculemus.study.comparison import Comparison
from calculemus.study.systems import Live, open_systems

SOLVER = "cot"
MOST_PARAMETERS = 2_000_000_000
"""Numbers in all parents together up to which they are measured, too."""
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def measure(
    out: Path,
    prepared: Prepared,
    parents: Sequence[Parent],
    problems: ProblemSet,
    store: Path | None,
    *,
    show: bool,
) -> Any:
    """Measure the merged model and, where that is cheap, its parents; the model card gets the accuracies.

    Args:
        out: The merged model.
        prepared: What it was made by.
        parents: What it was made of.
        problems: What is to be solved.
        store: Where the runs are kept; None for the user's store.
        show: Print the tables.

    Returns:
        The comparison as plain values.
    """
    models = [*_cheap(prepared, parents), str(out)]
    with Live() as live, Store.open(store or default_store_path()) as opened:
        systems = open_systems([f"{SOLVER}@{model}" for model in models], live=live)
        comparison = compare(opened, systems, problems, get_grader("default"))
    write_card(out, prepared, parents, _measured(comparison))
    if show:
        print_text("")
        print_comparison(comparison)
    return comparison.to_json()


def _cheap(prepared: Prepared, parents: Sequence[Parent]) -> list[str]:
    """Return the parents that are measured, too: models of their own, small enough together."""
    n = sum(model.n_parameters for model in prepared.models.values())
    if n > MOST_PARAMETERS:
        note(f"the parents have {n:,} parameters and are not measured; 'calculemus compare' does that")
        return []
    names = [parent.name for parent in parents]
    whole = [name for name in names if Path(name).is_dir() or _HUB_ID.fullmatch(name)]
    if len(whole) < len(names):
        left_out = ", ".join(name for name in names if name not in whole)
        note(f"{left_out}: not measured, since it is no folder of a whole model")
    return whole


def _measured(comparison: Comparison) -> Measured:
    rows = [
        Accuracy(system.name, system.accuracy, system.ci_low, system.ci_high) for system in comparison.systems
    ]
    return Measured(comparison.problems, comparison.n, comparison.grader, rows)

"""Comparisons of stored runs, made once and kept as long as their runs have no new verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calculemus.errors import PageError
from calculemus.store import Overview, Run, Store
from calculemus.store.browsing import Browser
from calculemus.study.choose import choose_grader
from calculemus.study.compare import Entrant, Missing, compare_entrants, read_entrants, unique_names
from calculemus.study.comparison import Comparison, PairResult
from calculemus.study.pairs import compare_pairs
from calculemus.verdict import OUTCOMES
from calculemus.web.keeping import Kept

_LETTERS = "cwue"
_NONE, _MIXED = "-", "m"


@dataclass(frozen=True)
class Compared:
    """A comparison with what it was made of.

    Attributes:
        comparison: The figures.
        entrants: The runs, in its order.
        groups: For each problem of the set the group it counts with.
        solved: Right samples of each run and problem: 0 none, 1 some, 2 all.
        figures: What pages have made of the comparison, kept with it.
    """

    comparison: Comparison
    entrants: tuple[Entrant, ...]
    groups: tuple[str, ...]
    solved: NDArray[np.int8]
    figures: dict[str, Any] = field(default_factory=dict)

    def differing(self, places: Sequence[int]) -> list[int]:
        """Return the problems on which some of the runs at ``places`` are right and others are not."""
        part = self.solved[list(places)]
        return np.flatnonzero(part.max(axis=0) != part.min(axis=0)).tolist()

    def mark(self, place: int, position: int) -> str:
        """Return a run's outcome on one problem as a letter, as the report has them."""
        counts = self.entrants[place].scores.counts[position]
        found = [letter for letter, n in zip(_LETTERS, counts, strict=True) if n]
        if len(found) < 2:
            return found[0] if found else _NONE
        return _MIXED if found[0] == "c" else "w"

    def pair(self, a: int, b: int) -> PairResult:
        """Return the paired difference of two runs on the problems that both have answered."""
        first, second = self.entrants[a], self.entrants[b]
        both = first.scores.answered & second.scores.answered
        if both.sum() < 2:
            raise PageError(
                f"comparing '{first.name}' with '{second.name}': {int(both.sum())} problems were answered by "
                "both; expected at least 2. Choose another pair"
            )
        tables = {entrant.name: entrant.scores.on(both).table() for entrant in (first, second)}
        groups = [group for group, is_in in zip(self.groups, both, strict=True) if is_in]
        return compare_pairs(tables, first.name, groups)[0]


_kept = Kept[Compared](8)


def compared(store: Store, runs: Sequence[Overview], asked: str, baseline: str, missing: Missing) -> Compared:
    """Compare stored runs, or return what was found before if nothing has changed since.

    Args:
        store: Where they are.
        runs: At least one.
        asked: The grader; empty for the usual one.
        baseline: The key of the run that the others are held against, or its start; empty for the first.
        missing: What to do about problems that a run did not answer.

    Raises:
        PageError: No grader has graded all the runs, or the baseline is none of them.
    """
    grader = _grader(runs, asked)
    names = unique_names([each.run.name for each in runs])
    chosen = _baseline(runs, names, baseline)
    state = [(each.run, sorted(each.tallies[grader].items())) for each in runs]
    key = repr((str(store.path), grader, chosen, missing, [(r.key, r.name, r.created, t) for r, t in state]))
    return _kept.get(key, lambda: _compare(store, [each.run for each in runs], grader, chosen, missing))


def _compare(store: Store, runs: Sequence[Run], grader: str, baseline: str, missing: Missing) -> Compared:
    entrants = read_entrants(store, runs, grader)
    comparison = compare_entrants(store, entrants, grader, baseline, missing)
    groups = tuple(Browser(store).groups(runs[0]))
    return Compared(comparison, tuple(entrants), groups, _solved(entrants))


def graders_of(runs: Sequence[Overview]) -> list[str]:
    """Return the graders that have graded all of the runs."""
    return [name for name in runs[0].tallies if all(name in each.tallies for each in runs)]


def _grader(runs: Sequence[Overview], asked: str) -> str:
    chosen = choose_grader(graders_of(runs), asked or None, "comparing runs")
    if chosen is not None:
        return chosen
    without = next((each.run.name for each in runs if not each.tallies), runs[0].run.name)
    raise PageError(
        f"comparing runs: no grader has graded all {len(runs)} of them, '{without}' for one; expected a "
        "grader that has. Grade what lacks: calculemus regrade RUN --grader default"
    )


def _baseline(runs: Sequence[Overview], names: Sequence[str], asked: str) -> str:
    for each, name in zip(runs, names, strict=True):
        if not asked or each.run.key.startswith(asked.lower()) or name == asked:
            return name
    raise PageError(
        f"comparing runs: the baseline '{asked[:80]}' is none of them; expected the key of one of the "
        f"{len(runs)} runs. Choose one in the form"
    )


def _solved(entrants: Sequence[Entrant]) -> NDArray[np.int8]:
    """Return for each run and problem whether none (0), some (1) or all (2) of its samples are right."""
    rows = []
    for entrant in entrants:
        counts = entrant.scores.counts
        right, n = counts[:, OUTCOMES.index("correct")], counts.sum(axis=1)
        rows.append(np.where(right == 0, 0, np.where(right < n, 1, 2)).astype(np.int8))
    return np.stack(rows)

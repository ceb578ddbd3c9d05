"""Compare systems on one problem set: answers, verdicts, accuracies, and every pair on the same problems."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from calculemus.errors import InvalidParameterError, StatisticsError
from calculemus.grading.base import Grader, grader_id
from calculemus.problems.problemset import ProblemSet
from calculemus.stats import accuracy
from calculemus.store import Run, Store
from calculemus.study.agreement import Agreement
from calculemus.study.comparison import Comparison, SystemResult
from calculemus.study.costs import mean_costs, on_front
from calculemus.study.failures import failure_note
from calculemus.study.live import LiveSystem
from calculemus.study.pairs import MAX_ALL_PAIRS, compare_pairs
from calculemus.study.recorded import RecordedSystem
from calculemus.study.run import generate, grade
from calculemus.study.scores import Flags, Scores, Table
from calculemus.study.system import System

Missing = Literal["common", "wrong"]


@dataclass(frozen=True)
class _Entrant:
    """One system in the comparison, under a name that is its own."""

    name: str
    run: Run
    scores: Scores


def compare(
    store: Store,
    systems: Sequence[System],
    problems: ProblemSet,
    grader: Grader,
    baseline: str | None = None,
    missing: Missing = "common",
) -> Comparison:
    """Answer, grade and compare; what the store has already is not done again.

    Args:
        store: Where runs are kept.
        systems: At least one. A name that is taken gets a number.
        problems: What they are compared on.
        grader: Gives the verdicts.
        baseline: The name of the system that the others are compared with; by default the first.
        missing: What to do about problems that a system gave no answer to: compare on those that all
            answered (``common``), or count them as ``wrong``.

    Raises:
        InvalidParameterError: No system, or none with the baseline's name.
        UnknownProblemsError: Recorded solutions name problems that the set does not have.
        StatisticsError: Fewer than two problems are left to compare on.
    """
    names = unique_names([system.name for system in systems])
    baseline = _check_baseline(names, baseline)
    # Before any work: what is wrong with one system is said at once, not after the systems before it.
    notes = _remarks(systems, problems)
    for system in systems:
        if isinstance(system, LiveSystem):
            system.check(problems)
    agreement = Agreement()
    entrants = [
        _enter(store, name, system, problems, grader, agreement)
        for name, system in zip(names, systems, strict=True)
    ]
    counted, missing_notes = _counted(entrants, problems, missing)
    notes += missing_notes + _failures(store, entrants)
    if len(entrants) > MAX_ALL_PAIRS:
        notes.append(f"of {len(entrants)} systems, only the pairs with the baseline were compared")
    tables = {entrant.name: entrant.scores.on(counted).table() for entrant in entrants}
    clusters = [problem.group for problem, is_in in zip(problems, counted, strict=True) if is_in]
    return Comparison(
        problems=problems.name,
        n=len(clusters),
        grader=grader_id(grader),
        baseline=baseline,
        systems=tuple(_results(store, entrants, tables, problems, counted)),
        pairs=tuple(compare_pairs(tables, baseline, clusters)),
        notes=(*notes, *agreement.notes()),
    )


def unique_names(names: Sequence[str]) -> list[str]:
    """Give the second and later of equal names a number: a, a-2, a-3."""
    taken: dict[str, None] = {}
    for name in names:
        number, free = 2, name
        while free in taken or (free != name and free in names):
            number, free = number + 1, f"{name}-{number}"
        taken[free] = None
    return list(taken)


def _check_baseline(names: Sequence[str], baseline: str | None) -> str:
    if not names:
        raise InvalidParameterError("comparing systems: there are none; expected at least one")
    if baseline is None or baseline in names:
        return baseline or names[0]
    near = difflib.get_close_matches(baseline, names, n=1)
    raise InvalidParameterError(
        f"comparing systems: the baseline '{baseline}' is none of them; expected one of "
        f"{', '.join(names[:20])}{', ...' if len(names) > 20 else ''}"
        + (f". Did you mean '{near[0]}'?" if near else "")
    )


def _remarks(systems: Sequence[System], problems: ProblemSet) -> list[str]:
    """Return what is to be said of the recorded files, each remark once."""
    remarks: dict[str, None] = {}
    for system in systems:
        if isinstance(system, RecordedSystem):
            remarks |= dict.fromkeys(system.remarks(problems))
    return list(remarks)


def _enter(
    store: Store, name: str, system: System, problems: ProblemSet, grader: Grader, agreement: Agreement
) -> _Entrant:
    """Have one system answer and be graded."""
    run = generate(store, system, problems)
    grade(store, run, grader)
    outcomes = store.outcomes(run, grader_id(grader))
    if isinstance(system, RecordedSystem):
        agreement.add(name, system.authors_flags(problems), outcomes)
    return _Entrant(name, run, Scores.count(problems, outcomes))


def _failures(store: Store, entrants: Sequence[_Entrant]) -> list[str]:
    """Return what is to be said of methods that raised or gave up; recorded answers do not say why."""
    failed = [entrant for entrant in entrants if entrant.run.spec.get("kind") == "live"]
    notes = (failure_note(store, entrant.run, entrant.name) for entrant in failed)
    return [note for note in notes if note is not None]


def _counted(entrants: Sequence[_Entrant], problems: ProblemSet, missing: Missing) -> tuple[Flags, list[str]]:
    """Return which problems are compared on, and what is to be said of those that systems lack."""
    answered = {entrant.name: entrant.scores.answered for entrant in entrants}
    lacking = [f"{name} lacks {int((~has).sum()):,}" for name, has in answered.items() if not has.all()]
    everywhere = np.ones(len(problems), dtype=np.bool_)
    if not lacking:
        return everywhere, []
    who = ", ".join(lacking[:10]) + (f", and {len(lacking) - 10} more lack some" if len(lacking) > 10 else "")
    if missing == "wrong":
        return everywhere, [f"missing answers count as wrong: {who} of {len(problems):,}"]
    common = np.logical_and.reduce(list(answered.values()))
    if common.sum() < 2:
        raise StatisticsError(
            f"comparing systems on '{problems.name}': {int(common.sum())} of {len(problems):,} problems were "
            f"answered by all of them ({who}); expected at least 2. Leave out the system that lacks most, or "
            "count missing answers as wrong (--missing wrong)"
        )
    n = int(common.sum())
    return common, [f"compared on the {n:,} of {len(problems):,} problems that all systems answered: {who}"]


def _results(
    store: Store,
    entrants: Sequence[_Entrant],
    tables: Mapping[str, Table],
    problems: ProblemSet,
    counted: Flags,
) -> Iterator[SystemResult]:
    """Yield one line for each system."""
    kept = [problem for problem, is_in in zip(problems, counted, strict=True) if is_in]
    clusters = [problem.group for problem in kept]
    only = None if counted.all() else {problem.id for problem in kept}
    costs = {entrant.name: mean_costs(store, entrant.run, only) for entrant in entrants}
    front = on_front(tables, costs, clusters)
    for entrant in entrants:
        scores = entrant.scores.on(counted)
        estimate = accuracy(tables[entrant.name], clusters)
        yield SystemResult(
            name=entrant.name,
            run=entrant.run.key,
            n=len(kept),
            n_samples=int(scores.counts.sum()),
            correct=scores.total("correct"),
            accuracy=estimate.value,
            ci_low=estimate.low,
            ci_high=estimate.high,
            ci_method=estimate.method,
            unparsed=scores.total("unparsed"),
            errors=scores.total("error"),
            cost=costs[entrant.name],
            on_front=front.get(entrant.name),
        )

"""Compare systems on one problem set: answers, verdicts, accuracies, and every pair on the same problems."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from calculemus.errors import InvalidParameterError, StatisticsError
from calculemus.grading.base import Grader, grader_id
from calculemus.problems.problemset import ProblemSet
from calculemus.stats import accuracy
from calculemus.store import Run, Store
from calculemus.store.browsing import Browser
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
class Entrant:
    """One system in the comparison, under a name that is its own.

    Attributes:
        name: What tables call it.
        run: Its answers.
        scores: What one grader says of them.
    """

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
    groups = [problem.group for problem in problems]
    found = conclude(store, entrants, groups, grader_id(grader), baseline, missing, notes, agreement.notes())
    return replace(found, problems=problems.name)  # as it is called now, whatever it was when a run began


def compare_entrants(
    store: Store,
    entrants: Sequence[Entrant],
    grader: str,
    baseline: str | None = None,
    missing: Missing = "common",
) -> Comparison:
    """Compare runs that are stored, answered and graded.

    Args:
        store: Where they are.
        entrants: What ``read_entrants`` returned, at least one.
        grader: ``name@version`` whose verdicts count; an answer without one counts as missing.
        baseline: The name of the entrant that the others are compared with; by default the first.
        missing: As for ``compare``.

    Raises:
        InvalidParameterError: No run, or none with the baseline's name.
        StatisticsError: Fewer than two problems are left to compare on.
    """
    baseline = _check_baseline([entrant.name for entrant in entrants], baseline)
    groups = Browser(store).groups(entrants[0].run)
    return conclude(store, entrants, groups, grader, baseline, missing)


def read_entrants(store: Store, runs: Sequence[Run], grader: str) -> list[Entrant]:
    """Return stored runs with what a grader says of them, each under a name of its own.

    Raises:
        InvalidParameterError: The runs are on several problem sets.
    """
    sets = {run.problems_digest: run for run in reversed(runs)}
    if len(sets) > 1:
        some = "; ".join(f"'{run.problems_name}' ({run.name})" for run in [*sets.values()][::-1][:5])
        raise InvalidParameterError(
            f"comparing runs: they are on {len(sets)} problem sets: {some}; expected one, because only "
            "answers to the same problems can be held against each other. Choose runs on one of them"
        )
    browser = Browser(store)
    names = unique_names([run.name for run in runs])
    return [
        Entrant(name, run, Scores.placed(run.n_problems, browser.outcome_counts(run, grader)))
        for name, run in zip(names, runs, strict=True)
    ]


def conclude(
    store: Store,
    entrants: Sequence[Entrant],
    groups: Sequence[str],
    grader: str,
    baseline: str,
    missing: Missing = "common",
    notes: Sequence[str] = (),
    last_notes: Sequence[str] = (),
) -> Comparison:
    """Return the comparison of systems that have answered and are graded.

    Args:
        store: Where their runs are.
        entrants: The systems, under different names.
        groups: For each problem of the set the group it counts with.
        grader: ``name@version`` of who graded.
        baseline: The name of one of them.
        missing: As for ``compare``.
        notes: What is to be said before what is found here.
        last_notes: What is to be said after it.

    Raises:
        StatisticsError: Fewer than two problems are left to compare on.
    """
    name = entrants[0].run.problems_name
    counted, missing_notes = _counted(entrants, name, missing)
    told = [*notes, *missing_notes, *_failures(store, entrants)]
    if len(entrants) > MAX_ALL_PAIRS:
        told.append(f"of {len(entrants)} systems, only the pairs with the baseline were compared")
    tables = {entrant.name: entrant.scores.on(counted).table() for entrant in entrants}
    clusters = [group for group, is_in in zip(groups, counted, strict=True) if is_in]
    return Comparison(
        problems=name,
        n=len(clusters),
        grader=grader,
        baseline=baseline,
        systems=tuple(_results(store, entrants, tables, clusters, counted)),
        pairs=tuple(compare_pairs(tables, baseline, clusters)),
        notes=(*told, *last_notes),
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
) -> Entrant:
    """Have one system answer and be graded."""
    run = generate(store, system, problems)
    grade(store, run, grader)
    outcomes = store.outcomes(run, grader_id(grader))
    if isinstance(system, RecordedSystem):
        agreement.add(name, system.authors_flags(problems), outcomes)
    return Entrant(name, run, Scores.count(problems, outcomes))


def _failures(store: Store, entrants: Sequence[Entrant]) -> list[str]:
    """Return what is to be said of methods that raised or gave up; recorded answers do not say why."""
    failed = [e for e in entrants if e.run.spec.get("kind") == "live" and e.scores.total("error")]
    notes = (failure_note(store, entrant.run, entrant.name) for entrant in failed)
    return [note for note in notes if note is not None]


def _counted(entrants: Sequence[Entrant], name: str, missing: Missing) -> tuple[Flags, list[str]]:
    """Return which problems of the set ``name`` are compared on, and what is to be said of what lacks."""
    n_problems = len(entrants[0].scores.counts)
    answered = {entrant.name: entrant.scores.answered for entrant in entrants}
    lacking = [f"{system} lacks {int((~has).sum()):,}" for system, has in answered.items() if not has.all()]
    everywhere = np.ones(n_problems, dtype=np.bool_)
    if not lacking:
        return everywhere, []
    who = ", ".join(lacking[:10]) + (f", and {len(lacking) - 10} more lack some" if len(lacking) > 10 else "")
    if missing == "wrong":
        return everywhere, [f"missing answers count as wrong: {who} of {n_problems:,}"]
    common = np.logical_and.reduce(list(answered.values()))
    if common.sum() < 2:
        raise StatisticsError(
            f"comparing systems on '{name}': {int(common.sum())} of {n_problems:,} problems were "
            f"answered by all of them ({who}); expected at least 2. Leave out the system that lacks most, or "
            "count missing answers as wrong (--missing wrong)"
        )
    n = int(common.sum())
    return common, [f"compared on the {n:,} of {n_problems:,} problems that all systems answered: {who}"]


def _results(
    store: Store,
    entrants: Sequence[Entrant],
    tables: Mapping[str, Table],
    clusters: Sequence[str],
    counted: Flags,
) -> Iterator[SystemResult]:
    """Yield one line for each system."""
    only = None if counted.all() else np.flatnonzero(counted).tolist()
    costs = {entrant.name: mean_costs(store, entrant.run, only) for entrant in entrants}
    front = on_front(tables, costs, clusters)
    for entrant in entrants:
        scores = entrant.scores.on(counted)
        estimate = accuracy(tables[entrant.name], clusters)
        yield SystemResult(
            name=entrant.name,
            run=entrant.run.key,
            n=len(clusters),
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

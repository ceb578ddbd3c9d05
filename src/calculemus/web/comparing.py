"""The comparison of stored runs: who is better, how surely, at what cost, and on which problems."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from calculemus.errors import InvalidParameterError, PageError, StatisticsError
from calculemus.report import plots, tables, words
from calculemus.store import Overview, Store
from calculemus.store.browsing import Browser
from calculemus.study.comparison import Comparison, SystemResult
from calculemus.study.costs import front_cost
from calculemus.study.pairs import MAX_ALL_PAIRS
from calculemus.web.compared import Compared, compared, graders_of
from calculemus.web.pages import Asked, Page
from calculemus.web.runs import distinct, runs_text
from calculemus.web.showing import no_store, storable, turning
from calculemus.web.site import Site

MOST = 500
"""Runs in one comparison."""
PROBLEMS = 50
"""Problems on a page."""
IN_MATRIX = 16
"""Runs that a matrix of all pairs is drawn of: more fit no screen, and a pair can be chosen."""
_SETS = 20
_MISSING = ("common", "wrong")


def comparison(site: Site, asked: Asked) -> dict[str, Any]:
    """Return a comparison of runs on one problem set."""
    keys = list(dict.fromkeys([*asked.texts("run"), *asked.text("runs").split(",")]))
    keys = [key for key in keys if key]
    if not 1 <= len(keys) <= MOST:
        raise PageError(
            f"comparing runs: {len(keys)} were named; expected 1 to {MOST}. Mark runs in the list of runs, "
            "then choose 'Compare'"
        )
    with site.reading() as store:
        if store is None:
            raise no_store(site.store)
        browser = Browser(store)
        runs = _unlike(browser.overviews(keys))
        missing = "wrong" if asked.text("missing") == "wrong" else "common"
        try:
            found = compared(store, runs, asked.text("grader"), asked.text("baseline"), missing)
        except StatisticsError as error:
            raise InvalidParameterError(str(error)) from error
        record = {
            "runs": runs_text([each.run for each in runs]),
            "graders": graders_of(runs),
            "asked": {name: asked.text(name) for name in ("grader", "baseline", "missing", "a", "b")},
            "missing": missing,
            **_problems(browser, found, asked),
        }
    if not found.figures:
        found.figures.update(storable(_figures(found.comparison)))
    return {**storable(record), **found.figures}


def _unlike(runs: Sequence[Overview]) -> list[Overview]:
    """Leave out a run that was named twice, by different starts of its key."""
    return list({each.run.key: each for each in runs}.values())


def _figures(found: Comparison) -> dict[str, Any]:
    """Return the tables and plots of a comparison; of many runs those that stay readable."""
    costs = plots.cost_names(found)
    first = front_cost([system.cost for system in found.systems])
    shown = first if first in costs else next(iter(costs), None)
    has_all_pairs = len(found.systems) <= MAX_ALL_PAIRS
    fronts = {cost: plots.front(found, cost) if has_all_pairs else plain_front(found, cost) for cost in costs}
    drawn = {"intervals": plots.interval_plot(found), "differences": plots.difference_plot(found)}
    for cost in costs if has_all_pairs else filter(None, [shown]):
        drawn[f"cost-{cost}"] = plots.cost_plot(found, cost, fronts[cost])
    pairs = {pair.b: pair for pair in found.pairs if pair.a == found.baseline}
    on_front = {system.name for system in fronts.get(shown or "", ())}
    return {
        "problems": found.problems,
        "n_problems": found.n,
        "grader": found.grader,
        "baseline": found.baseline,
        "notes": list(found.notes),
        "finding": finding(found),
        "systems": [
            {
                **asdict(system),
                "letter": words.letter(place),
                "is_baseline": system.name == found.baseline,
                "on_front": system.name in on_front if shown in system.cost else None,
                "pair": asdict(pairs[system.name]) if system.name in pairs else None,
            }
            for place, system in enumerate(found.systems)
        ],
        "costs": [{"name": cost, "title": words.COST_TITLES[cost]} for cost in costs],
        "cost": shown,
        "front": [system.name for system in fronts.get(shown or "", ())],
        "has_all_pairs": has_all_pairs,
        "matrix": _matrix(found) if found.pairs and len(found.systems) <= IN_MATRIX else None,
        "plots": {name: spec for name, spec in drawn.items() if spec is not None},
    }


def finding(found: Comparison) -> str:
    """Say in a sentence who is ahead; of many runs only who has the best figure."""
    if len(found.systems) <= MAX_ALL_PAIRS:
        return tables.finding(found)
    best = max(found.systems, key=lambda system: system.accuracy)
    ahead = sum(pair.ci_low > 0 for pair in found.pairs)
    behind = sum(pair.ci_high < 0 for pair in found.pairs)
    return (
        f"{best.name} has the best figure of {len(found.systems)} runs, {words.percent(best.accuracy)} "
        f"({words.percent(best.ci_low)} to {words.percent(best.ci_high)}). Held against {found.baseline}, "
        f"{ahead} are separably ahead and {behind} separably behind."
    )


def plain_front(found: Comparison, cost: str) -> list[SystemResult]:
    """Return the runs that no other beats in cost and accuracy by their figures alone, the cheapest first."""
    front: list[SystemResult] = []
    priced = [system for system in found.systems if cost in system.cost]
    for system in sorted(priced, key=lambda each: (each.cost[cost], -each.accuracy)):
        if not front or system.accuracy > front[-1].accuracy:
            front.append(system)
    return front


def _matrix(found: Comparison) -> list[list[dict[str, Any] | None]]:
    names = [system.name for system in found.systems]
    return [
        [
            cell
            and {
                "delta": cell.delta,
                "is_separable": cell.is_separable,
                "tone": cell.tone,
                "p_value": cell.pair.p_value,
                "about": tables.describe(cell, names),
            }
            for cell in line
        ]
        for line in tables.matrix(found)
    ]


def _problems(browser: Browser, found: Compared, asked: Asked) -> dict[str, Any]:
    """Return the pair that was chosen, and a page of the problems on which runs differ."""
    keys = [entrant.run.key for entrant in found.entrants]
    pair = [keys.index(asked.text(name)) for name in ("a", "b") if asked.text(name) in keys]
    if len(pair) < 2 or pair[0] == pair[1]:
        pair = []
    places = pair or (range(len(keys)) if len(keys) <= MAX_ALL_PAIRS else [])
    differing = found.differing(places) if len(places) > 1 else []
    start = asked.whole("start", 0)
    page = differing[start : start + PROBLEMS]
    return {
        "pair": {**asdict(found.pair(*pair)), "places": pair} if pair else None,
        **turning(len(differing), start, PROBLEMS),
        "places": list(places),
        "differing": [
            {
                "position": line.position,
                "id": line.problem_id,
                "question": line.question,
                "marks": [found.mark(place, line.position) for place in places],
            }
            for line in browser.problem_lines(found.entrants[0].run, page)
        ],
    }


def _places(site: Site) -> Iterable[Mapping[str, str]]:
    """Yield for each of the newest problem sets its newest runs of different names."""
    with site.reading() as store:
        if store is None:
            return
        browser = Browser(store)
        chosen = [distinct(browser.same_problems(run, 200), run) for run in browser.newest_sets(_SETS)]
        keys = [[run.key for run in runs] for runs in chosen if len(runs) > 1]
        found = [each for each in keys if _can_compare(store, browser.overviews(each))]
    for each in found:
        yield {"runs": ",".join(each)}


def _can_compare(store: Store, runs: Sequence[Overview]) -> bool:
    try:
        compared(store, runs, "", "", "common")
    except (PageError, StatisticsError):
        return False
    return True


PAGES = (Page("comparison", "/compare", "comparison.html.j2", comparison, _places),)

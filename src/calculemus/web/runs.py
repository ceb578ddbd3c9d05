"""The runs of a store, and one run: what it was, how it did, and its answers in pages."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from calculemus.stats.proportion import wilson
from calculemus.store import Overview, Run, Store
from calculemus.store.browsing import AnswerLine, Browser
from calculemus.study.choose import choose_grader
from calculemus.study.diff import named_settings
from calculemus.study.run_records import overview_record
from calculemus.verdict import OUTCOMES
from calculemus.web.keeping import Kept
from calculemus.web.pages import Asked, Page, Params
from calculemus.web.showing import no_store, storable, turning
from calculemus.web.site import Site

RUNS, LINES = 50, 50
"""Runs and answers on a page."""
COMPARED = 12
"""Runs that a comparison takes by itself."""
_EXPORTED = 200
_WORDS = 8
_costs = Kept[dict[str, float]](1000)


def runs(site: Site, asked: Asked) -> dict[str, Any]:
    """Return a page of the runs that have all words of the search, newest first."""
    query, grader, start = asked.text("q"), asked.text("grader"), asked.whole("start", 0)
    words = query.replace("\0", " ").split()[:_WORDS]
    n, found = 0, list[Overview]()
    with site.reading() as store:
        if store is not None:
            n, found = Browser(store).page_of_runs(words, start, RUNS)
    return storable(
        {
            "query": query,
            "grader": grader,
            "graders": sorted({name for overview in found for name in overview.tallies}),
            **turning(n, start, RUNS),
            "runs": [_line(overview, grader or None) for overview in found],
        }
    )


def _line(overview: Overview, asked: str | None) -> dict[str, Any]:
    """Return a run's line, judged by a grader; by none where that grader has not looked at it."""
    has = list(overview.tallies)
    names = {name for grader in has for name in (grader, grader.rpartition("@")[0])}
    grader = choose_grader(has, asked, "listing runs") if asked is None or asked in names else None
    record = overview_record(overview)
    return {
        **{
            name: record[name]
            for name in ("key", "name", "problems", "n_problems", "rows", "finished", "created")
        },
        **(graded(overview, grader) if grader else {"grader": None}),
    }


def graded(overview: Overview, grader: str) -> dict[str, Any]:
    """Return what one grader says of a run: accuracy with its 95 % interval, and counts.

    Several answers to one problem are not independent: the interval is of as many problems as there are,
    which is never too narrow for them.
    """
    counts = overview.tallies[grader]
    n, share = sum(counts.values()), overview.accuracy(grader)
    low, high = wilson(share, min(n, overview.run.n_problems))
    return {
        "grader": grader,
        "accuracy": share,
        "ci_low": low,
        "ci_high": high,
        "graded": n,
        "outcomes": {outcome: counts.get(outcome, 0) for outcome in OUTCOMES},
    }


def run(site: Site, asked: Asked) -> dict[str, Any]:
    """Return one run with a page of its answers."""
    with site.reading() as store:
        if store is None:
            raise no_store(site.store)
        browser = Browser(store)
        (overview,) = browser.overviews([asked.params["key"]])
        return storable(_run(store, browser, overview, asked))


def _run(store: Store, browser: Browser, overview: Overview, asked: Asked) -> dict[str, Any]:
    found = overview.run
    doing = f"showing the run {found.key[:12]}"
    grader = choose_grader(list(overview.tallies), asked.text("grader") or None, doing)
    outcome = asked.text("outcome") if grader and asked.text("outcome") in OUTCOMES else ""
    start = asked.whole("start", 0)
    n = overview.tallies[grader].get(outcome, 0) if grader and outcome else found.n_answers
    lines = browser.lines(found, grader, outcome or None, start, LINES)
    others = distinct(browser.same_problems(found, 200), found)
    return {
        **{
            name: value
            for name, value in overview_record(overview).items()
            if name not in ("accuracy", "outcomes")
        },
        "settings": [{"name": name, "value": value} for name, value in named_settings(found.spec)],
        "graders": [graded(overview, name) for name in overview.tallies],
        "mean_cost": _mean_costs(store, found),
        "grader": grader,
        "asked_grader": asked.text("grader"),
        "outcome": outcome,
        **turning(n, start, LINES),
        "lines": [line_record(line) for line in lines],
        "comparison": runs_text(others) if len(others) > 1 else None,
        "n_compared": len(others),
    }


def _mean_costs(store: Store, found: Run) -> dict[str, float]:
    """Return mean costs, which take a look at every answer, and keep them as long as there are no more."""
    state = (str(store.path), found.key, found.created, found.n_answers)
    return _costs.get(state, lambda: store.mean_costs(found))


def line_record(line: AnswerLine) -> dict[str, Any]:
    """Return an answer as a list shows it."""
    return {name: getattr(line, name) for name in AnswerLine.__dataclass_fields__}


def distinct(newest: Iterable[Run], first: Run | None = None) -> list[Run]:
    """Return the newest runs of different names, the oldest first; ``first`` is always among them."""
    taken: dict[str, Run] = {} if first is None else {first.name: first}
    for each in newest:
        if len(taken) < COMPARED and each.n_answers:
            taken.setdefault(each.name, each)
    return sorted(taken.values(), key=lambda each: (each.created, each.key))


def runs_text(chosen: Sequence[Run]) -> str:
    """Return what an address calls several runs by."""
    return ",".join(each.key for each in chosen)


def _pages(site: Site) -> Iterable[Params]:
    with site.reading() as store:
        n = Browser(store).page_of_runs((), 0, 1)[0] if store else 0
    yield {}
    yield from ({"start": str(start)} for start in range(RUNS, n, RUNS))


def newest(site: Site, limit: int) -> list[Run]:
    """Return the newest runs; none where there is no store."""
    with site.reading() as store:
        return store.runs(limit) if store else []


def _keys(site: Site) -> Iterable[Mapping[str, str]]:
    return ({"key": each.key} for each in newest(site, _EXPORTED))


PAGES = (
    Page("runs", "/runs", "runs.html.j2", runs, _pages),
    Page("run", "/runs/{key}", "run.html.j2", run, _keys),
)

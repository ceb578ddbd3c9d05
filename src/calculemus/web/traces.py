"""One problem of a run: what was asked, what each sample gave, and the tree of how it got there."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from calculemus.errors import PageError
from calculemus.solution import Trace
from calculemus.store import Run, Store, StoredRow
from calculemus.store.browsing import Browser
from calculemus.study.choose import choose_grader
from calculemus.study.opening import stored_opening
from calculemus.study.run_records import sample_record
from calculemus.verdict import Verdict
from calculemus.web.keeping import Kept
from calculemus.web.pages import Asked, Page
from calculemus.web.runs import newest
from calculemus.web.showing import cut, no_store, storable, turning
from calculemus.web.site import Site
from calculemus.web.trees import NODES, ordered, tree

_SAMPLES = 200
_ELSEWHERE = 20
_EXPORTED_RUNS, _EXPORTED_PROBLEMS, _EXPORTED_SAMPLES = 20, 50, 8
Read = tuple[StoredRow, list[tuple[int, int]]]
_answers = Kept[Read](8)
_CANDIDATES = 20
_CANDIDATE = 200


def problem(site: Site, asked: Asked) -> dict[str, Any]:
    """Return one problem of a run, and one of its samples in full."""
    with site.reading() as store:
        if store is None:
            raise no_store(site.store)
        found = Browser(store).overviews([asked.params["key"]])[0].run
        position = asked.whole("position", 0)
        if position >= found.n_problems:
            raise PageError(
                f"showing a problem of the run {found.key[:12]} ({found.name}): its set "
                f"{found.problems_name} has {found.n_problems} problems, and {position} was asked for; "
                f"expected 0 to {found.n_problems - 1}. Mend the address"
            )
        return storable(_problem(store, found, position, asked))


def _problem(store: Store, run: Run, position: int, asked: Asked) -> dict[str, Any]:
    browser, given = Browser(store), store.problem(run, position)
    numbers = browser.samples(run, position, _SAMPLES)
    verdicts = browser.verdicts(run, position)
    grader = choose_grader(store.graders(run), None, "showing a problem")
    record = {
        "run": {"key": run.key, "name": run.name, "problems": run.problems_name, "n": run.n_problems},
        "position": position,
        "before": position - 1 if position else None,
        "after": position + 1 if position + 1 < run.n_problems else None,
        "id": given.id,
        "question": given.question,
        "gold": given.answer,
        "solution": given.solution,
        "grader": grader,
        "samples": [{"sample": number, "verdicts": _judged(verdicts.get(number, {}))} for number in numbers],
        "prompt": stored_opening(run.spec, given),
        "elsewhere": _elsewhere(browser, run, grader, position),
        "shown": None,
        "trace": None,
        "node": None,
    }
    if numbers:
        sample = asked.whole("sample", numbers[0])
        record.update(_sample(browser, run, position, sample, asked))
        record["shown"]["verdicts"] = _judged(verdicts.get(sample, {}))
    return record


def _judged(verdicts: Mapping[str, Verdict]) -> dict[str, dict[str, Any]]:
    return {
        grader: {"outcome": verdict.outcome, "extracted": verdict.extracted, "how": verdict.how}
        for grader, verdict in verdicts.items()
    }


def _sample(browser: Browser, run: Run, position: int, sample: int, asked: Asked) -> dict[str, Any]:
    """Return a sample with a page of its trace, and one of its steps in full where that was asked for."""
    row, order = _read(browser, run, position, sample)
    nodes = row.solution.trace.nodes
    is_response = len(nodes) == 1 and nodes[0].text == row.solution.answer and not nodes[0].meta
    more = max(0, len(row.solution.candidates) - _CANDIDATES)
    # Only what is shown is made of the trace: one of 10,000 steps would take most of a page's time.
    solution = replace(row.solution, trace=Trace())
    shown = {
        name: value
        for name, value in sample_record(replace(row, solution=solution)).items()
        if name != "trace"
    }
    candidates = [cut(text, _CANDIDATE) for text in row.solution.candidates[:_CANDIDATES]]
    start = asked.whole("from", 0)
    return {
        "shown": {**shown, "candidates": candidates, "more_candidates": more},
        "trace": None
        if is_response or not nodes
        else {**turning(len(nodes), start, NODES), "nodes": tree(nodes, order, start)},
        "node": _node(nodes, asked),
    }


def _read(browser: Browser, run: Run, position: int, sample: int) -> Read:
    """Return an answer with the order of its trace. An answer never changes, and readers turn its pages."""

    def make() -> Read:
        row = browser.answer(run, position, sample)
        return row, ordered(row.solution.trace.nodes)

    return _answers.get((browser.path, run.key, run.created, position, sample), make)


def _node(nodes: Any, asked: Asked) -> dict[str, Any] | None:
    """Return one step with its whole text."""
    if not asked.text("node"):
        return None
    number = asked.whole("node", 0)
    if number >= len(nodes):
        raise PageError(
            f"showing step {number} of a trace: it has {len(nodes)} steps; expected 0 to {len(nodes) - 1}. "
            "Mend the address"
        )
    return {"number": number, "kind": nodes[number].kind, "text": nodes[number].text}


def _elsewhere(browser: Browser, run: Run, grader: str | None, position: int) -> list[dict[str, Any]]:
    """Return how the newest other runs on the same problem set did on the problem."""
    if grader is None:
        return []
    others = [each for each in browser.same_problems(run, _ELSEWHERE + 1) if each.key != run.key][:_ELSEWHERE]
    outcomes = browser.first_outcomes(others, grader, position)
    return [
        {"key": each.key, "name": each.name, "created": each.created, "outcome": outcome}
        for each, outcome in zip(others, outcomes, strict=True)
    ]


def _places(site: Site) -> Iterable[Mapping[str, str]]:
    """Yield the first problems of the newest runs, with the first samples of each."""
    chosen = newest(site, _EXPORTED_RUNS)
    for run in chosen:
        with site.reading() as store:
            assert store is not None, "a run comes from a store"
            samples = {
                place: Browser(store).samples(run, place, _EXPORTED_SAMPLES)
                for place in range(min(run.n_problems, _EXPORTED_PROBLEMS))
            }
        for place, numbers in samples.items():
            where = {"key": run.key, "position": str(place)}
            yield where
            yield from ({**where, "sample": str(number)} for number in numbers[1:])


PAGES = (Page("problem", "/runs/{key}/problems/{position}", "problem.html.j2", problem, _places),)

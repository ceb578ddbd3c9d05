"""What is known of stored runs, as plain lists and dictionaries: commands and pages say the same."""

from typing import Any

from calculemus.store import Overview, Store, StoredRow
from calculemus.study.export import row_record


def overview_record(overview: Overview) -> dict[str, Any]:
    """Return a run with its accuracy and counts of outcomes by grader."""
    run = overview.run
    return {
        "key": run.key,
        "name": run.name,
        "problems": run.problems_name,
        "problems_digest": run.problems_digest,
        "n_problems": run.n_problems,
        "rows": run.n_answers,
        "finished": run.finished,
        "created": run.created,
        "accuracy": {grader: overview.accuracy(grader) for grader in overview.tallies},
        "outcomes": {grader: dict(counts) for grader, counts in overview.tallies.items()},
    }


def run_record(
    store: Store, overview: Overview, grader: str | None, start: int, limit: int
) -> dict[str, Any]:
    """Return a run with its spec, its mean costs and a page of its rows."""
    run = overview.run
    page = [
        row_record(run, store.problem(run, row.position), row)
        for row in store.rows(run, grader, start, limit)
    ]
    return {
        **overview_record(overview),
        "spec": run.spec,
        "mean_cost": store.mean_costs(run),
        "grader": grader,
        "start": start,
        "page": page,
    }


def problem_record(store: Store, overview: Overview, problem_id: str) -> dict[str, Any]:
    """Return one problem of a run with its samples, each with its trace and every grader's verdict."""
    run = overview.run
    problem = store.problem(run, store.position(run, problem_id))
    verdicts: dict[int, dict[str, Any]] = {}
    for grader in overview.tallies:
        for row in store.rows_of(run, problem_id, grader):
            if row.verdict is not None:
                found = {key: getattr(row.verdict, key) for key in ("outcome", "extracted", "how")}
                verdicts.setdefault(row.sample, {})[grader] = found
    return {
        "run": run.key,
        "system": run.name,
        "id": problem.id,
        "question": problem.question,
        "gold": problem.answer,
        "solution": problem.solution,
        "meta": dict(problem.meta),
        "samples": [
            {**sample_record(row), "verdicts": verdicts.get(row.sample, {})}
            for row in store.rows_of(run, problem_id)
        ],
    }


def sample_record(row: StoredRow) -> dict[str, Any]:
    """Return one answer with its candidates, its trace and what it took."""
    solution = row.solution
    return {
        "sample": row.sample,
        "response": solution.answer,
        "candidates": list(solution.candidates),
        "trace": solution.trace.to_json(),
        "cost": solution.cost.known(),
        "truncated": solution.truncated,
        "failure": solution.failure,
    }

"""Problem by problem: every system's graded samples, side by side."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.solution import Trace
from calculemus.store import Store, StoredRow
from calculemus.study.comparison import Comparison, ProblemView, SampleView
from calculemus.study.live import LiveSystem
from calculemus.study.system import System


def problem_views(
    store: Store, comparison: Comparison, problems: ProblemSet, systems: Sequence[System] = ()
) -> Iterator[ProblemView]:
    """Yield what the report shows of each problem that was compared on, in the order of the set.

    The runs are read side by side, a page of each at a time, so that memory does not grow with them.

    Args:
        store: Where the runs are.
        comparison: Names the runs and the grader.
        problems: The set they were compared on.
        systems: What was compared, in the same order; they know their prompts. Without them none is shown.
    """
    streams = [
        groupby(store.rows(store.find(system.run), comparison.grader), key=lambda row: row.position)
        for system in comparison.systems
    ]
    heads = [next(stream, None) for stream in streams]
    for position, problem in enumerate(problems):
        samples: list[tuple[SampleView, ...]] = []
        for index, head in enumerate(heads):
            if head is not None and head[0] == position:
                samples.append(tuple(map(_sample, head[1])))
                heads[index] = next(streams[index], None)
            else:
                samples.append(())
        if comparison.n == len(problems) or all(samples):
            yield _view(problem, tuple(samples), tuple(_opening(system, problem) for system in systems))


def _opening(system: System, problem: Problem) -> str | None:
    return system.opening(problem) if isinstance(system, LiveSystem) else None


def _sample(row: StoredRow) -> SampleView:
    verdict, solution = row.verdict, row.solution
    assert verdict is not None, "a comparison grades every answer"
    nodes = solution.trace.nodes
    is_response = len(nodes) == 1 and nodes[0].text == solution.answer
    return SampleView(
        verdict.outcome,
        verdict.extracted,
        verdict.how,
        solution.answer,
        verdict.seconds,
        solution.failure,
        solution.truncated,
        solution.cost.known(),
        Trace() if is_response else solution.trace,
    )


def _view(
    problem: Problem, samples: tuple[tuple[SampleView, ...], ...], prompts: tuple[str | None, ...]
) -> ProblemView:
    steps = problem.meta.get("steps")
    return ProblemView(
        problem.id,
        problem.question,
        problem.answer,
        problem.solution,
        steps if isinstance(steps, int) else None,
        samples,
        prompts if any(prompt is not None for prompt in prompts) else (),
    )

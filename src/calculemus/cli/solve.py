"""``calculemus solve``: one question, one method, the trace as it grows."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from calculemus.cli.live import NO_BUDGET_FLAGS, NO_MODEL_FLAGS, BudgetFlags, ModelFlags
from calculemus.cli.output import check_place, print_json, print_text
from calculemus.cli.trace_text import step_heading, step_text
from calculemus.engine.opening import TINY
from calculemus.events import Event, Step, listening
from calculemus.grading.votes import extract_answer
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.solution import Solution
from calculemus.study.amounts import quantity
from calculemus.study.systems import Live, open_systems


def solve(
    question: str,
    /,
    *,
    solver: str = "cot",
    model: str = TINY,
    trace_out: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
    models: ModelFlags = NO_MODEL_FLAGS,
    budget: BudgetFlags = NO_BUDGET_FLAGS,
) -> None:
    """Solve one question, and show the trace as it grows.

    Args:
        question: What is asked.
        solver: The method, with parameters if any: cot, pal, vote:n=8,temperature=0.7.
        model: tiny (ships with the package), a model folder, a hub id, or http://HOST/v1#MODEL.
        trace_out: Write the trace as JSON to this file.
        as_json: Print the whole solution as JSON.
        models: How models are opened and asked.
        budget: What may be spent.
    """
    if trace_out is not None:
        check_place(trace_out, "trace")
    problems = ProblemSet("question", (Problem("question", question, "unknown"),))
    live = Live(None, models.options(), models.key, models.seed, budget.budget(), tier=models.tier)
    show = (lambda event: None) if as_json else _Steps().show
    with live:
        (system,) = open_systems([f"{solver}@{model}"], live=live)
        with listening(show):
            (answer,) = system.answers(problems, ())
    solution = answer.solution
    if trace_out is not None:
        _write_trace(trace_out, solution)
    if as_json:
        print_json(_facts(solution))
    else:
        _print(solution)


class _Steps:
    """Prints nodes as they come."""

    def __init__(self) -> None:
        self._console = Console(markup=False, highlight=False)

    def show(self, event: Event) -> None:
        """Print a step of the trace."""
        if isinstance(event, Step):
            self._console.print(step_heading(event.index, event.kind, event.parents), style="bold")
            self._console.print(step_text(event.text))


def _print(solution: Solution) -> None:
    known = solution.cost.known().items()
    cost = ", ".join(f"{name} {quantity(value)}" for name, value in known if value)
    if solution.failure:
        print_text(f"no answer: {solution.failure}")
    else:
        print_text(f"answer: {_extracted(solution) or (solution.answer or '').strip()}")
    if solution.truncated:
        print_text("a limit cut it short")
    print_text(f"cost: {cost or 'unknown'}")


def _extracted(solution: Solution) -> str | None:
    """Return what a grader would take for the answer: the steps before it were shown."""
    return extract_answer(solution.answer) if solution.answer is not None else None


def _facts(solution: Solution) -> dict[str, object]:
    return {
        "answer": solution.answer,
        "extracted": _extracted(solution),
        "candidates": list(solution.candidates),
        "truncated": solution.truncated,
        "failure": solution.failure,
        "cost": solution.cost.known(),
        "trace": solution.trace.to_json(),
    }


def _write_trace(path: Path, solution: Solution) -> None:
    import json

    from calculemus.files import replacing

    with replacing(path) as temporary:
        temporary.write_text(json.dumps(solution.trace.to_json(), ensure_ascii=False, indent=1), "utf-8")

"""``calculemus solve``: one question, one method, the trace as it grows."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console

from calculemus.cli.output import print_json, print_text
from calculemus.cost import Budget
from calculemus.engine.opening import TINY, EngineOptions, open_engine
from calculemus.engine.sandbox import Sandbox
from calculemus.engine.scheduler import Scheduler
from calculemus.events import Event, Step, listening
from calculemus.problem import Problem
from calculemus.solution import Solution
from calculemus.solving import get_solver

_SHOWN = 4_000  # characters of a node


def solve(
    question: str,
    /,
    *,
    solver: str = "cot",
    model: str = TINY,
    seed: int = 0,
    tokens: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    key: Annotated[str | None, Parameter(env_var=["CALCULEMUS_API_KEY", "OPENAI_API_KEY"])] = None,
    trace_out: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Solve one question, and show the trace as it grows.

    Args:
        question: What is asked.
        solver: The method, with parameters if any: cot, pal, vote:n=8,temperature=0.7.
        model: tiny (ships with the package), a model folder, a hub id, or http://HOST/v1#MODEL.
        seed: The seed of all draws.
        tokens: Sample this many tokens at most.
        key: The endpoint's key.
        trace_out: Write the trace as JSON to this file.
        as_json: Print the whole solution as JSON.
    """
    method = get_solver(solver)
    engine = open_engine(model, EngineOptions(), key)
    problem = Problem("question", question, "unknown")
    show = (lambda event: None) if as_json else _Steps().show
    try:
        with Sandbox() as sandbox, listening(show):
            scheduler = Scheduler(engine, sandbox, seed=seed, budget=Budget(tokens=tokens))
            ((_, _, solution),) = scheduler.solve_all(method, [(problem, 0)])
    finally:
        engine.close()
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
        """Print a node: its number, what it follows, its kind, its text."""
        if not isinstance(event, Step):
            return
        after = f" after {', '.join(map(str, event.parents))}" if event.parents else ""
        self._console.print(f"[{event.index}] {event.kind}{after}", style="bold")
        text = event.text if len(event.text) <= _SHOWN else event.text[:_SHOWN] + " ..."
        self._console.print(text.strip("\n"))


def _print(solution: Solution) -> None:
    cost = ", ".join(f"{name} {value:,.4g}" for name, value in solution.cost.known().items() if value)
    if solution.failure:
        print_text(f"no answer: {solution.failure}")
    else:
        print_text(f"answer: {solution.answer}")
    if solution.truncated:
        print_text("a limit cut it short")
    print_text(f"cost: {cost or 'unknown'}")


def _facts(solution: Solution) -> dict[str, object]:
    return {
        "answer": solution.answer,
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

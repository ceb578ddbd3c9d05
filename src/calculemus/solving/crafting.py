"""Building a toolset: programs that solve training problems become general functions, duplicates go.

What is made here enters the toolset only after it has run: a specific program whose answer is wrong never
gets to be a tool, and neither does a function that no longer solves the problem it was made from.
"""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from calculemus.engine.base import Engine
from calculemus.engine.programs import Sandbox
from calculemus.engine.requests import Run, Sample, Sampling
from calculemus.engine.sandbox.record import Run as RunRecord
from calculemus.engine.sandbox.source import read_program
from calculemus.engine.scheduler import Scheduler
from calculemus.grading import get_grader
from calculemus.params import AtLeast, Configured
from calculemus.problem import Problem
from calculemus.solution import Solution
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.deduping import Refused, arguments_of, by_behaviour, by_name, with_names_of_their_own
from calculemus.solving.pal import Pal
from calculemus.solving.programs import failure_of, value_text
from calculemus.solving.retrieving import pick_varied
from calculemus.solving.toolchecking import read_tool
from calculemus.solving.toolsets import Tool, Toolset

SPECIFIC = "specific"


@dataclass(frozen=True)
class Crafting(Configured):
    """How a toolset is built.

    Attributes:
        n_problems: Training problems that are used, the most varied ones.
        temperature: Of the specific programs.
        dedupe: What makes two tools one: ``behaviour``, equal results on each other's calls; ``name``, an
            equal name and number of arguments, as in the paper.
        grader: Profile that says whether an answer is right.
    """

    n_problems: Annotated[int, AtLeast(1)] = 500  # public code: 500 in the end
    temperature: Annotated[float, AtLeast(0)] = 0.3  # public code
    dedupe: Literal["behaviour", "name"] = "behaviour"
    grader: str = "default"


@dataclass(frozen=True, slots=True)
class Built:
    """A toolset, and what did not get into it."""

    toolset: Toolset
    refused: tuple[Refused, ...]


@dataclass(frozen=True)
class Abstract(Solver):
    """Rewrite the program in ``meta['specific']`` as a general function, and call that.

    Source: Yuan et al. 2023, arXiv:2309.17428, section 2.1, abstraction.

    Attributes:
        max_tokens: Longest function with its call.
    """

    max_tokens: Annotated[int, AtLeast(1)] = 768

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        return ("craft_abstract",)

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Ask for the function and its call; run them if they make a tool."""
        prompt = ctx.prompt("craft_abstract", problem, program=problem.meta[SPECIFIC])
        sampling = Sampling(0.0, max_tokens=self.max_tokens, stop=ctx.stop("craft_abstract"))
        (completion,) = yield Sample(prompt, sampling)
        code, call = part_tool(completion.text)
        function, reason = read_tool(code)
        if function is None or call is None:
            return ctx.solution(None, failure=reason or "no_call: solution() does not return a call of it")
        run: RunRecord = yield Run(f"{code}\n\nanswer = {call}")
        ctx.trace.add("code", code, call=call, name=function.name, tier=run.tier)
        if not run.ok or run.value is None:
            return ctx.solution(None, failure=failure_of(run))
        return ctx.solution(value_text(run.value))


def part_tool(text: str) -> tuple[str, str | None]:
    """Return the code before ``solution()``, and the call of its function that ``solution()`` returns."""
    try:
        program = read_program(text, "solution")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text, None
    body = program.tree.body
    kept = [node for node in body if not (isinstance(node, ast.FunctionDef) and node.name == "solution")]
    names = [node.name for node in kept if isinstance(node, ast.FunctionDef)]
    lines = program.text.splitlines()
    code = "\n".join(line for node in kept for line in lines[_first_line(node) - 1 : node.end_lineno])
    returned = [
        node.value
        for function in body
        if isinstance(function, ast.FunctionDef) and function.name == "solution"
        for node in ast.walk(function)
        if isinstance(node, ast.Return)
    ]
    call = returned[-1] if returned else None
    is_call = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in names[-1:]
    return code, ast.unparse(call) if is_call and call is not None and _is_literal(call) else None


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])


def _is_literal(call: ast.AST) -> bool:
    """Say whether a call's arguments are written out, so that it can be made anywhere."""
    return isinstance(call, ast.Call) and arguments_of(ast.unparse(call)) is not None


def build(
    problems: Iterable[Problem],
    engine: Engine,
    sandbox: Sandbox,
    settings: Crafting | None = None,
    seed: int = 0,
) -> Built:
    """Build a toolset from training problems.

    Args:
        problems: With their answers, against which programs and tools are graded.
        engine: The model that writes.
        sandbox: Where programs run.
        settings: How; by default the paper's way, with duplicates found by behaviour.
        seed: Names the draws.
    """
    settings = settings or Crafting()
    known = list(problems)
    chosen = [known[i] for i in pick_varied([p.question for p in known], settings.n_problems)]
    scheduler = Scheduler(engine, sandbox, seed=seed)
    refused: list[Refused] = []
    written = _solved(scheduler, Pal(temperature=settings.temperature), chosen, "create", settings, refused)
    specific = [
        replace(problem, meta={**problem.meta, SPECIFIC: _code(solution).text})
        for problem, solution in written
    ]
    general = _solved(scheduler, Abstract(), specific, "abstract", settings, refused)
    tools = [_tool(problem, solution) for problem, solution in general]
    kept, gone = by_behaviour(tools, sandbox) if settings.dedupe == "behaviour" else by_name(tools)
    return Built(Toolset(tuple(with_names_of_their_own(kept))), (*refused, *gone))


def _solved(
    scheduler: Scheduler,
    solver: Solver,
    problems: Sequence[Problem],
    stage: str,
    settings: Crafting,
    refused: list[Refused],
) -> list[tuple[Problem, Solution]]:
    """Return the problems that a solver gets right, in their order, and note the others."""
    grader = get_grader(settings.grader)
    found = {name: solution for name, _, solution in scheduler.solve_all(solver, [(p, 0) for p in problems])}
    right: list[tuple[Problem, Solution]] = []
    for problem in problems:
        solution = found[problem.id]
        if solution.answer is None:
            refused.append(Refused(problem.id, stage, solution.failure or "no_answer: it gives none"))
        elif not grader.grade(problem, solution.answer).correct:
            refused.append(Refused(problem.id, stage, f"wrong: it gives {solution.answer[:80]}"))
        else:
            right.append((problem, solution))
    return right


def _code(solution: Solution) -> Any:
    return next(node for node in solution.trace.nodes if node.kind == "code")


def _tool(problem: Problem, solution: Solution) -> Tool:
    node = _code(solution)
    function, _ = read_tool(node.text)
    assert function is not None, "what ran was checked to be one"
    arguments = function.args
    return Tool(
        name=function.name,
        code=node.text,
        docstring=" ".join((ast.get_docstring(function) or "").split()),
        n_args=len(arguments.posonlyargs) + len(arguments.args),
        call=node.meta["call"],
        answer=solution.answer or "",
        question=problem.question,
        problem_id=problem.id,
        tier=str(node.meta["tier"]),
    )

"""Code as Policies: a command becomes a program over a control interface, helper by helper."""

import ast
import difflib
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from calculemus.engine.requests import Request, Run, Sample, Sampling
from calculemus.engine.sandbox.names import Missing, bound_names, missing_functions, missing_names
from calculemus.engine.sandbox.record import Run as RunRecord
from calculemus.engine.sandbox.source import read_program
from calculemus.errors import ProblemError
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.problems.tabletop import INTERFACE, World, world_of
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.programs import failure_of, value_text
from calculemus.solving.scheme import Scheme

MOST_CALLS = 300  # of the control interface, by one program
ALIKE = 0.85  # how similar a name may be to one of the control interface before it is taken for a slip

Asking = Generator[Request | Sequence[Request], Any, Any]


@dataclass(frozen=True)
class CodeAsPolicies(Solver):
    """Turn a command into a program; have functions written that it calls and nobody has; run it once.

    Source: Liang et al. 2022, arXiv:2209.07753, sections III.A and III.B (hierarchical code generation). A
    problem with a table (``calculemus.problems.tabletop``) is a command: the program gets the table's control
    interface, and the answer is the log of what it called. For any other problem there is no interface, and
    the answer is the program's value.

    Attributes:
        hierarchical: Have undefined functions written; without it the program must do with what there is.
        max_depth: Functions called by functions, counted from the program.
        max_functions: Functions that are written in all.
        shots: Examples in the prompts; None shows all there are.
        max_tokens: Longest program, and longest function.
    """

    hierarchical: bool = True
    max_depth: Annotated[int, AtLeast(1)] = 5
    max_functions: Annotated[int, AtLeast(1)] = 20
    shots: Annotated[int | None, AtLeast(0)] = None
    max_tokens: Annotated[int, AtLeast(1)] = 512  # public code: max_tokens 512

    scheme: ClassVar[Scheme] = Scheme("chain", "one", ("generate", "decompose", "execute"))

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        if not self.hierarchical:
            return ("cap_flat", "cap_question")
        return ("cap_command", "cap_function", "cap_question")

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Have the program written, then what it lacks; run it once all is there."""
        world = world_of(problem)
        template = "cap_question" if world is None else self.prompts[0]
        objects = [] if world is None else list(world.places)
        sampling = Sampling(0.0, max_tokens=self.max_tokens, stop=ctx.stop(template))
        prompt = ctx.prompt(template, problem, shots=self.shots, objects=objects)
        (completion,) = yield Sample(prompt, sampling)
        policy = Policy(self, problem, ctx, () if world is None else tuple(INTERFACE))
        program = yield from policy.write(completion.text)
        if program is None:
            return ctx.solution(None, failure=policy.failure)
        if world is None:
            run = yield Run(program)
            shown = value_text(run.value) if run.ok and run.value is not None else failure_of(run)
            answer = shown if run.ok and run.value is not None else None
        else:
            run, shown, answer = yield from act(world, program)
        ctx.trace.add("output", shown, 0, status=run.status, error_kind=run.error_kind, tier=run.tier)
        return ctx.solution(answer, failure=shown if answer is None else None)


def act(world: World, program: str) -> Asking:
    """Run a program on a table; return its record, what is shown of it, and the log of its calls."""
    replies: list[Any] = []
    log: list[str] = []
    while True:
        run: RunRecord = yield Run(program, entry=None, replies=tuple(replies), hosts=tuple(INTERFACE))
        call = run.pending
        if call is None:
            break
        log.append(call.source)
        try:
            reply, world = world.call(call.name, call.args, call.kwargs)
        except ProblemError as refusal:
            return run, f"refused_call: {call.source}: {refusal}", None
        replies.append(reply)
        if len(log) == MOST_CALLS:
            return run, f"max_calls: the program makes more than {MOST_CALLS} calls", None
    if not run.ok:
        return run, failure_of(run), None
    if not log:
        return run, "no_calls: the program calls nothing of the control interface", None
    return run, "\n".join(log), "\n".join(log)


@dataclass
class Policy:
    """A program that is being written.

    Attributes:
        method: Its parameters.
        problem: The command.
        ctx: Of the problem.
        interface: Functions that are there without being written.
        functions: What was written, by name, the called before those who call them.
        asked: Names that are written or being written.
        failure: Why there will be no program; None as long as there may be one.
    """

    method: CodeAsPolicies
    problem: Problem
    ctx: Context
    interface: tuple[str, ...]
    functions: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    failure: str | None = None

    def write(self, text: str) -> Asking:
        """Return the whole program for what a model wrote first; None where there is none."""
        source, tree = self._read(text, "solution")
        node = self.ctx.trace.add("code", source)
        if tree is not None:
            yield from self._close(source, tree, node, 0)
        return None if self.failure is not None else "\n\n".join([*self.functions.values(), source])

    def _close(self, source: str, tree: ast.Module, node: int, depth: int) -> Asking:
        """Have everything written that a piece of program lacks, depth first."""
        self.failure = self.failure or refuse_calls(tree, self.interface, self.asked)
        missing = missing_functions(tree, {*self.interface, *self.asked})
        for each in missing:
            if self.failure is not None:
                return
            if each.name not in self.asked:  # a function beside it may have needed it, too
                yield from self._define(each, source, node, depth, missing)

    def _define(
        self, wanted: Missing, source: str, node: int, depth: int, missing: Sequence[Missing]
    ) -> Asking:
        """Have one function written, and what it lacks before it."""
        limit = self._limit(depth)
        if limit is not None:
            names = ", ".join(each.name for each in missing if each.name not in self.asked)
            self.failure = f"undefined: {limit}; still undefined: {names}"
            return
        self.asked.add(wanted.name)
        sampling = Sampling(0.0, max_tokens=self.method.max_tokens, stop=self.ctx.stop("cap_function"))
        prompt = self.ctx.prompt(
            "cap_function",
            self.problem,
            shots=self.method.shots,
            signature=signature_of(wanted),
            line=calling_line(wanted, source),
        )
        (completion,) = yield Sample(prompt, sampling)
        body, tree = self._read(completion.text, wanted.name)
        below = self.ctx.trace.add("code", body, node, defines=wanted.name)
        if tree is None:
            return
        if wanted.name not in bound_names(tree):
            self.failure = f"no_function: asked to define {wanted.name}(), the model wrote something else"
            return
        yield from self._close(body, tree, below, depth + 1)
        self.functions[wanted.name] = body

    def _limit(self, depth: int) -> str | None:
        """Return which limit keeps a function from being written at this depth."""
        if not self.method.hierarchical:
            return "no functions are written without 'hierarchical'"
        if depth >= self.method.max_depth:
            return f"functions call functions {depth} deep"
        if len(self.asked) >= self.method.max_functions:
            return f"{len(self.asked)} functions were written"
        return None

    def _read(self, text: str, entry: str) -> tuple[str, ast.Module | None]:
        try:
            found = read_program(text, entry)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
            self.failure = f"syntax: {type(problem).__name__}: {problem}".replace("\n", " ")
            return text, None
        return found.text, found.tree


def signature_of(wanted: Missing) -> str:
    """Return how a function is called, for a prompt that asks for its definition."""
    call = wanted.uses[0]
    return ast.unparse(call) if isinstance(call, ast.Call) else f"{wanted.name}(x)"


def calling_line(wanted: Missing, source: str) -> str:
    """Return the line in which a function is called first."""
    return source.splitlines()[wanted.uses[0].lineno - 1].strip()


def refuse_calls(tree: ast.Module, interface: Collection[str], known: Collection[str]) -> str | None:
    """Return why a program must not be run on a control interface; None where nothing speaks against it.

    Args:
        tree: The program, or a function of it.
        interface: The functions that there are.
        known: Functions that are written elsewhere.
    """
    redefined = sorted(bound_names(tree) & set(interface))
    if redefined:
        return f"redefined: the program defines {redefined[0]}, which is part of the control interface"
    undefined = {each.name for each in missing_names(tree, {*interface, *known})}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            root = node.func.value
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name) and root.id in undefined:
                called = ast.unparse(node.func)
                return (
                    f"unknown_call: {called}() is no part of the control interface{hint(called, interface)}"
                )
    for each in missing_functions(tree, {*interface, *known}):
        if hint(each.name, interface):
            return f"unknown_call: {each.name}() is no part of it{hint(each.name, interface)}"
    return None


def hint(name: str, interface: Collection[str]) -> str:
    """Return which function may have been meant, as the end of a sentence; nothing where none is alike."""
    last = name.rpartition(".")[2]
    near = difflib.get_close_matches(last, sorted(interface), n=1, cutoff=ALIKE)
    return f"; did you mean {near[0]}()?" if near else ""

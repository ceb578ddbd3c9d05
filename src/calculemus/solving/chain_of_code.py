"""Chain of Code: a program whose undefined functions the model plays, call by call."""

import ast
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from calculemus.engine.requests import Completion, Request, Run, Sample, Sampling
from calculemus.engine.sandbox.names import BUILTINS, missing_functions
from calculemus.engine.sandbox.record import Run as RunRecord
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.expecting import WORDS, Kind, expected_kind, nearest, read_value
from calculemus.solving.programs import failure_of, find_program, value_text
from calculemus.solving.scheme import Scheme
from calculemus.solving.stating import (
    Statement,
    assigning,
    parse,
    read_delta,
    showing_state,
    split_statements,
)

MOST_REPLIES = 500  # of one program, those that were given before too: a loop that asks the same must end
TRIES = 2  # at a reply that can be read
_AGAIN = "\nThe last reply could not be read. Write nothing but {what}."

Asking = Generator[Request | Sequence[Request], Any, Any]


@dataclass(frozen=True)
class ChainOfCode(Solver):
    """Ask for a program that may call what no interpreter knows, run it, and let the model play those calls.

    Source: Li et al. 2023, arXiv:2312.04474, sections 2.1 to 2.3. Where the paper hands a line that fails to
    the model, here the program waits at the call itself: loops, conditions and short circuits stay Python's,
    and only the value is the model's. Calls with equal arguments are asked once. A statement that is no
    Python at all is handed over whole, with the state before it, for a change of the state.

    Attributes:
        variant: ``interweave`` as above. ``python``: Python alone. ``lm``: the model alone says what the
            program comes to. ``try_python_except_lm``: the second where the first fails.
        max_calls: Calls and statements that the model may be asked about.
        strict: Take a function whose name is one edit away from a defined one for a slip, and not for a
            function that the model should play.
        shots: Examples in the prompt for the program; None shows all there are.
        max_tokens: Longest program, and longest account of what a program comes to.
        reply_tokens: Longest reply to one call.
    """

    variant: Literal["interweave", "try_python_except_lm", "lm", "python"] = "interweave"
    max_calls: Annotated[int, AtLeast(0)] = 64
    strict: bool = True
    shots: Annotated[int | None, AtLeast(0)] = None
    max_tokens: Annotated[int, AtLeast(1)] = 1024  # paper, appendix: max tokens 1024
    reply_tokens: Annotated[int, AtLeast(1)] = 64

    scheme: ClassVar[Scheme] = Scheme("chain", "one", ("generate", "execute", "delegate"))

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        more = {"interweave": ("coc_call", "coc_line"), "python": ()}.get(self.variant, ("coc_run",))
        return ("chain_of_code", *more)

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Ask for the program and run it, in one of the four ways."""
        sampling = Sampling(0.0, max_tokens=self.max_tokens, stop=ctx.stop("chain_of_code"))
        (completion,) = yield Sample(ctx.prompt("chain_of_code", problem, shots=self.shots), sampling)
        program = find_program(completion.text)
        code = ctx.trace.add("code", program, logprob=completion.logprob)
        if self.variant == "lm":
            return (yield from self._simulate(problem, ctx, program, code))
        lmulator = Lmulator(self, problem, ctx, program, code)
        run = yield from lmulator.run()
        is_done = run.ok and run.value is not None
        shown = value_text(run.value) if is_done else lmulator.failure(run)
        ctx.trace.add("output", shown, code, status=run.status, error_kind=run.error_kind, tier=run.tier)
        if is_done:
            return ctx.solution(shown)
        if self.variant == "try_python_except_lm":
            return (yield from self._simulate(problem, ctx, program, code))
        return ctx.solution(None, failure=shown)

    def _simulate(self, problem: Problem, ctx: Context, program: str, code: int) -> Steps:
        """Let the model say what the whole program comes to."""
        sampling = Sampling(0.0, max_tokens=self.max_tokens, stop=ctx.stop("coc_run"))
        (completion,) = yield Sample(ctx.prompt("coc_run", problem, program=program), sampling)
        answer = ctx.extract(completion.text)
        ctx.trace.add("completion", completion.text, code, answer=answer)
        if answer is None:
            return ctx.solution(None, failure="no_answer: the model says nothing that the program comes to")
        return ctx.solution(completion)


@dataclass
class Lmulator:
    """A program on its way, and the model that plays what it lacks.

    Attributes:
        method: Its parameters.
        problem: The question.
        ctx: Of the problem.
        program: What is run.
        code: Its node in the trace.
        known: Replies to calls, by call.
        n_asked: Times that the model was asked.
        gave_up: What is said of a program that goes no further.
    """

    method: ChainOfCode
    problem: Problem
    ctx: Context
    program: str
    code: int
    known: dict[str, Any] = field(default_factory=dict)
    n_asked: int = 0
    gave_up: RunRecord | None = None

    def run(self) -> Asking:
        """Run the program to its end; return its record."""
        is_interweaving = self.method.variant == "interweave"
        if is_interweaving and parse(self.program) is None:
            yield from self._complete()
        if self.gave_up is not None:
            return self.gave_up
        tree = parse(self.program)
        if not is_interweaving or tree is None or not self._missing(tree):
            return (yield Run(self.program))  # as pal does
        return (yield from self._go_through(self.program, tree, "solution"))

    def failure(self, run: RunRecord) -> str:
        """Return why a run gave no answer; a slip of the pen is called so."""
        if run.error_kind == "NameError":
            name = (run.error or "").partition("'")[2].partition("'")[0]
            near = nearest(name, self._bound(parse(self.program)))
            if near is not None:
                return (
                    f"typo: '{name}' is not defined, and '{near}' is; it is not taken for a function to play"
                )
        return failure_of(run) if not run.ok else "no_return: the program's value is None"

    def _bound(self, tree: ast.Module | None) -> list[str]:
        """Return every name that the program binds in some scope."""
        if tree is None:
            return []
        found: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.arg):
                found.add(node.arg)
            elif isinstance(node, ast.alias):
                found.add(node.asname or node.name)
        return sorted(found)

    def _missing(self, tree: ast.Module) -> dict[str, Kind]:
        """Return the functions that the model plays, with what is expected of each."""
        bound = self._bound(tree) if self.method.strict else []
        return {
            each.name: expected_kind(tree, each)
            for each in missing_functions(tree)
            if nearest(each.name, bound) is None and each.name not in BUILTINS and each.name != "solution"
        }

    def _go_through(self, program: str, tree: ast.Module, entry: str | None) -> Asking:
        """Run a program as often as it asks for more."""
        kinds = self._missing(tree)
        replies: list[Any] = []
        while True:
            run: RunRecord = yield Run(program, entry, replies=tuple(replies), hosts=tuple(kinds))
            if run.pending is None:
                return run
            written = run.pending.source
            if written not in self.known:
                yield from self._play(program, written, kinds.get(run.pending.name, "text"))
            if len(replies) == MOST_REPLIES:
                self._give_up(
                    "max_calls", f"after {MOST_REPLIES} replies the program asks for more: {written}"
                )
            if self.gave_up is not None:
                return self.gave_up
            replies.append(self.known[written])

    def _play(self, program: str, call: str, kind: Kind) -> Asking:
        """Ask what a call returns, and remember it."""
        found = yield from self._ask(
            "coc_call", WORDS[kind], lambda text: read_value(text, kind), program=program, call=call
        )
        if found:
            self.ctx.trace.add("step", f"{call} -> {found[0]!r}", self.code, expected=kind)
            self.known[call] = found[0]

    def _complete(self) -> Asking:
        """Put what the model says they do in the place of statements that are no Python."""
        statements = split_statements(self.program)
        if not any(statement.tree is not None and statement.tree.body for statement in statements):
            return  # no program at all
        done: list[Statement] = []
        for statement in statements:
            done.append((yield from self._run_line(statement, done)))
            if self.gave_up is not None:
                return
        self.program = "\n".join(statement.text for statement in done)

    def _run_line(self, statement: Statement, done: Sequence[Statement]) -> Asking:
        """Return the statement, or assignments of what it does where it is no Python."""
        if statement.tree is not None:
            return statement
        state = yield from self._state(done)
        line = statement.text
        found = yield from self._ask(
            "coc_line", "a dictionary", _read_delta, program=self.program, line=line, state=state
        )
        if not found:
            return statement
        self.ctx.trace.add("step", f"{line} -> {found[0]!r}", self.code, expected="state")
        return assigning(found[0])

    def _state(self, done: Sequence[Statement]) -> Asking:
        """Return the variables that a program has before a statement, as text."""
        program = showing_state(done)
        tree = parse(program)
        assert tree is not None, "it is made of statements that parse"
        run: RunRecord = yield from self._go_through(program, tree, None)
        return repr(run.value) if run.ok else "{}"

    def _ask(self, template: str, what: str, read: Any, **values: Any) -> Asking:
        """Return what a reply says, in a tuple; an empty one where nothing comes of it."""
        ctx = self.ctx
        sampling = Sampling(0.0, max_tokens=self.method.reply_tokens, stop=ctx.stop(template))
        again = said = ""
        for _ in range(TRIES):
            if self.gave_up is not None or self.n_asked >= self.method.max_calls:
                more = shorten(str(values.get("call", values.get("line"))))
                why = f"the model was asked {self.n_asked} times and the program asks for more: {more}"
                return self._give_up("max_calls", why)
            self.n_asked += 1
            prompt = ctx.prompt(template, self.problem, what=what, again=again, **values)
            reply: tuple[Completion, ...] = yield Sample(prompt, sampling)
            found = read(reply[0].text)
            if found:
                return found
            again, said = _AGAIN.format(what=what), shorten(reply[0].text)
        return self._give_up("unreadable_reply", f"the model was asked for {what} and wrote '{said}'")

    def _give_up(self, kind: str, why: str) -> tuple[Any, ...]:
        """Note why the program goes no further; return nothing."""
        self.gave_up = self.gave_up or RunRecord("raised", error_kind=kind, error=why)
        return ()


def shorten(text: str) -> str:
    """Return the beginning of a text, on one line."""
    return " ".join(text.split())[:80]


def _read_delta(text: str) -> tuple[Any, ...]:
    delta = read_delta(text)
    return () if delta is None else (delta,)

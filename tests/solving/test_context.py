"""What a solver is given: traces, pruned tokens, the solution, a problem without its answer."""

from dataclasses import dataclass
from typing import Any

import pytest

from calculemus import Node, Problem, Rng, Trace
from calculemus.engine.requests import Completion, Prefix, Sample, Sampling
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import InvalidParameterError
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context


def context(prompts: Any = None) -> Context:
    return Context(Rng(1, ("m", "p", 0)), ScriptedEngine("x").capabilities, prompts)


def completion(text: str, finish: str = "stop", ids: tuple[int, ...] | None = (1, 2)) -> Completion:
    return Completion(text, ids, None, finish, None, Prefix(text, ids))


def test_a_trace_grows_node_by_node() -> None:
    trace = context().trace
    root = trace.add("step", "a")
    left, right = trace.add("step", "b", root, value=0.5), trace.add("step", "c", root)
    trace.add("merged", "d", (left, right))
    trace.annotate(left, visits=3)
    assert trace.finish() == Trace(
        (
            Node("step", "a"),
            Node("step", "b", (0,), {"value": 0.5, "visits": 3}),
            Node("step", "c", (0,)),
            Node("merged", "d", (1, 2)),
        )
    )


def test_a_completion_alone_is_its_own_trace_and_says_whether_it_was_cut() -> None:
    solution = context().solution(completion("12 eggs", "length"), candidates=["7"])
    assert (solution.answer, solution.candidates, solution.truncated) == ("12 eggs", ("7",), True)
    assert solution.trace.nodes == (Node("completion", "12 eggs"),)
    assert not context().solution(completion("12 eggs")).truncated
    assert context().solution(None, failure="nothing found").trace.nodes == ()


def test_a_template_that_the_solver_does_not_list_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="'prompts' do not have it"):
        context(("pal",)).prompt("cot", Problem("p", "?", ""))


def test_the_own_draws_of_a_method_are_apart_from_those_of_its_requests() -> None:
    rng = Rng(1, ("m", "p", 0))
    own = [context().rng.child(i).key % 2**64 for i in range(10)]
    assert not set(own) & set(rng.seeds(10))


def test_pruned_completions_are_charged_as_discarded() -> None:
    @dataclass(frozen=True)
    class Best(Solver):
        def solve(self, problem: Problem, ctx: Context) -> Steps:
            completions = yield Sample("x", Sampling(temperature=1.0), 3)
            ctx.prune(*completions[1:])
            return ctx.solution(completions[0])

    engine = ScriptedEngine({"x": ["one", "one two", "one two three"]})
    ((_, _, solution),) = Scheduler(engine).solve_all(Best(), [(Problem("p", "?", ""), 0)])
    assert (solution.cost.tokens_out, solution.cost.tokens_discarded) == (1, 5)
    assert engine.counted.tokens_out == 6


def test_the_problem_comes_without_what_would_give_the_answer_away() -> None:
    seen: list[Problem] = []

    @dataclass(frozen=True)
    class Peek(Solver):
        def solve(self, problem: Problem, ctx: Context) -> Steps:
            seen.append(problem)
            yield []
            return ctx.solution("?")

    secret = Problem("p", "6 * 7?", "42", "It is 42.", "print(42)", {"answers": ["42.0"], "steps": 1})
    list(Scheduler(ScriptedEngine("x")).solve_all(Peek(), [(secret, 0)]))
    assert seen == [Problem("p", "6 * 7?", "", meta={"steps": 1})]

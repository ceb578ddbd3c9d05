"""What goes wrong in a solver, an engine or a request is that problem's result, and the others go on."""

from collections.abc import Generator
from typing import Any

import pytest

from calculemus import Problem, Rng, Solution
from calculemus.engine.requests import Run, Sample, Sampling, Value
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import EngineCapabilityError, EngineError, InvalidParameterError, SandboxError

Steps = Generator[Any, Any, Solution]


class Method:
    """A solver made of a function of the problem."""

    def __init__(self, solve: Any) -> None:
        self.solve = solve

    def start(self, problem: Problem, rng: Rng, capabilities: Any) -> Steps:
        return self.solve(problem)


def problems(n: int) -> list[tuple[Problem, int]]:
    return [(Problem(f"p/{i}", f"Q: {i}\nA:", str(i)), sample) for i in range(n) for sample in range(2)]


def solve(scheduler: Scheduler, solver: Any, asked: Any) -> dict[tuple[str, int], Solution]:
    return {(name, sample): solution for name, sample, solution in scheduler.solve_all(solver, asked)}


def test_a_solver_that_raises_leaves_its_error_and_the_others_go_on() -> None:
    def solve_it(problem: Problem) -> Steps:
        (completion,) = yield Sample("x")
        if problem.id == "p/1":
            raise ValueError(f"no digits\nin {completion.text!r}")
        return Solution(completion.text)

    found = solve(Scheduler(ScriptedEngine("six")), Method(solve_it), problems(3))
    assert [s.answer for s in found.values()].count("six") == 4
    failed = found["p/1", 0]
    assert failed.answer is None
    assert failed.failure == "ValueError: no digits in 'six'"
    assert failed.trace.nodes[0].kind == "error"
    assert "raise ValueError" in failed.trace.nodes[0].text
    assert "engine/method.py" not in failed.trace.nodes[0].text
    assert failed.cost.tokens_out == 1, "what it had spent is charged"


def test_fail_fast_raises_what_the_solver_raised() -> None:
    def solve_it(problem: Problem) -> Steps:
        yield Sample("x")
        raise ZeroDivisionError("by design")

    with pytest.raises(ZeroDivisionError, match="by design"):
        solve(Scheduler(ScriptedEngine("six"), fail_fast=True), Method(solve_it), problems(3))


def test_an_error_of_the_engine_is_raised_where_the_solver_asked() -> None:
    def solve_it(problem: Problem) -> Steps:
        try:
            yield Sample("bad")
        except EngineError as error:
            (completion,) = yield Sample("good")
            return Solution(completion.text, candidates=(str(error),))
        return Solution("unreachable")

    engine = ScriptedEngine("fine", fault="error", is_faulty=lambda prompt: prompt == "bad")
    found = solve(Scheduler(engine), Method(solve_it), problems(2))
    assert {solution.answer for solution in found.values()} == {"fine"}
    assert "told to" in found["p/0", 0].candidates[0]


def test_the_first_error_of_a_list_is_raised_once_all_are_back() -> None:
    def solve_it(problem: Problem) -> Steps:
        yield [Sample("fine"), Sample("timed out"), Sample("unknown"), Sample("fine")]
        return Solution("unreachable")

    engine = ScriptedEngine({"fine": "yes"}, fault="timeout", is_faulty=lambda prompt: prompt == "timed out")
    found = solve(Scheduler(engine), Method(solve_it), problems(1))
    assert "timed out" in (found["p/0", 0].failure or "")
    assert found["p/0", 0].cost.tokens_out == 2


@pytest.mark.parametrize(
    ("asked", "kind", "words"),
    [
        (Value(("a",)), EngineCapabilityError, ["asks for Value", "has Sample"]),
        (Run("1"), SandboxError, ["no sandbox"]),
        (Sample("x", Sampling(), 3), InvalidParameterError, ["3 samples at temperature 0"]),
        ("x", TypeError, ["yielded 'x'", "expected a request"]),
        ([Sample("x"), 7], TypeError, ["7", "expected requests"]),
    ],
)
def test_what_cannot_be_sent_is_refused_at_the_yield(
    asked: Any, kind: type[Exception], words: list[str]
) -> None:
    def solve_it(problem: Problem) -> Steps:
        with pytest.raises(kind) as caught:
            yield asked
        return Solution(str(caught.value))

    engine = ScriptedEngine("never")
    found = solve(Scheduler(engine), Method(solve_it), problems(1))
    assert [word for word in words if word not in (found["p/0", 0].answer or "")] == []
    assert engine.n_jobs == 0


def test_of_a_request_that_failed_no_more_rows_are_sent() -> None:
    def solve_it(problem: Problem) -> Steps:
        yield Sample("x", Sampling(temperature=1.0), 50)
        return Solution("unreachable")

    engine = ScriptedEngine("", rows=2, fault="error")
    found = solve(Scheduler(engine), Method(solve_it), problems(1)[:1])
    assert "told to" in (found["p/0", 0].failure or "")
    assert engine.n_rows == 2


def test_a_solver_that_returns_no_solution_has_failed() -> None:
    def solve_it(problem: Problem) -> Any:
        yield Sample("x")
        return "seven"

    found = solve(Scheduler(ScriptedEngine("six")), Method(solve_it), problems(1))
    assert found["p/0", 0].failure == "TypeError: Method returned 'seven'; expected a Solution"


def test_an_engine_that_takes_no_job_at_all_stops_the_study() -> None:
    class Full(ScriptedEngine):
        def free_rows(self) -> int:
            return 0

    def solve_it(problem: Problem) -> Steps:
        yield Sample("x")
        return Solution("unreachable")

    with pytest.raises(EngineError, match="nothing is in flight and it offers no rows"):
        solve(Scheduler(Full("six")), Method(solve_it), problems(1))


def test_a_request_that_the_engine_refuses_when_it_gets_it_fails_alone() -> None:
    class Picky(ScriptedEngine):
        def submit(self, jobs: Any) -> None:
            for job in jobs:
                if job.request.prompt == "odd":
                    raise EngineCapabilityError("picky: no odd prompts")
            super().submit(jobs)

    def solve_it(problem: Problem) -> Steps:
        (completion,) = yield Sample("odd" if problem.id == "p/1" else problem.question)
        return Solution(completion.text)

    found = solve(Scheduler(Picky("fine")), Method(solve_it), problems(3))
    assert [found[f"p/{i}", 0].answer for i in range(3)] == ["fine", None, "fine"]
    assert found["p/1", 1].failure == "EngineCapabilityError: picky: no odd prompts"
    alone = solve(Scheduler(Picky("fine"), in_flight=1), Method(solve_it), problems(3)[2:4])
    assert [solution.answer for solution in alone.values()] == [None, None]


def test_what_keeps_every_problem_from_being_solved_is_raised_before_any_work() -> None:
    def value(problem: Problem) -> Steps:
        yield [Sample("x"), Value(("x",))]
        return Solution("unreachable")

    def long(problem: Problem) -> Steps:
        yield Sample("word " * 10, Sampling(max_tokens=5))
        return Solution("unreachable")

    def wrong(problem: Problem) -> Steps:
        yield from ()
        raise InvalidParameterError("no such template")

    engine = ScriptedEngine("six", context=10)
    scheduler = Scheduler(engine)
    for solve_it, kind, words in [
        (value, EngineCapabilityError, "asks for Value"),
        (long, EngineError, "the prompt has 11 tokens; scripted takes 10"),
        (wrong, InvalidParameterError, "no such template"),
    ]:
        with pytest.raises(kind, match=words):
            scheduler.check(Method(solve_it), Problem("p", "?", ""))
    assert engine.n_jobs == 0


def test_a_check_passes_what_can_be_solved_and_what_fails_by_itself() -> None:
    def fine(problem: Problem) -> Steps:
        yield Sample("x")
        return Solution("done")

    def at_once(problem: Problem) -> Steps:
        yield from ()
        return Solution("done")

    def odd(problem: Problem) -> Steps:
        yield Sample(str(1 / 0))
        return Solution("unreachable")

    engine = ScriptedEngine("six", context=10)
    for solve_it in (fine, at_once, odd):
        assert Scheduler(engine).check(Method(solve_it), Problem("p", "?", "")) is None
    assert engine.n_jobs == 0

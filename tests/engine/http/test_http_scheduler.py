"""Methods on an endpoint: the scheduler's promises hold over a network that fails."""

from collections.abc import Iterator
from dataclasses import dataclass

from calculemus.cost import Budget
from calculemus.engine.requests import First, Sample, Sampling
from calculemus.engine.scheduler import Scheduler
from calculemus.problem import Problem
from calculemus.solution import Solution
from calculemus.solving.base import Solver, Steps

PROBLEMS = [(Problem(f"p{i}", f"Q: {i} apples\nA:", "1"), sample) for i in range(9) for sample in range(2)]
TWO = Sampling(temperature=1.0, max_tokens=6, stop=("\n",), keep_stop=True)


@dataclass(frozen=True)
class Steps3(Solver):
    """Takes three steps; each goes on from the longer of two samples."""

    def solve(self, problem, ctx) -> Steps:
        prompt, text = problem.question, ""
        for _ in range(3):
            pair = yield Sample(prompt, TWO, 2)
            best = max(pair, key=lambda completion: len(completion.text))
            prompt, text = best.prefix, text + best.text
        return ctx.solution(text)


@dataclass(frozen=True)
class Racer(Solver):
    """Takes the first of two completions that is there."""

    def solve(self, problem, ctx) -> Steps:
        replies = yield First((Sample(problem.question, TWO), Sample(problem.question + " so", TWO)))
        (completion,) = next(reply for reply in replies if reply is not None)
        return ctx.solution(completion.text)


def solve(engine, solver=None, **settings) -> Iterator[tuple[str, int, Solution]]:
    """All solutions."""
    return Scheduler(engine, **settings).solve_all(solver or Steps3(), PROBLEMS)


def answers(solutions) -> dict:
    """What was answered, and for how many tokens."""
    return {
        (problem, sample): (
            solution.answer,
            solution.cost.tokens_in,
            solution.cost.tokens_out,
            solution.failure,
        )
        for problem, sample, solution in solutions
    }


def test_answers_do_not_depend_on_faults_or_on_what_is_in_flight(serve, connect) -> None:
    server = serve()
    one_by_one = answers(solve(connect(server, concurrency=1), in_flight=1))
    turns = iter(
        [fault for fault in ("drop", "429", "500", "garbage") * 200 for fault in (fault, None, None)]
    )
    engine = connect(server, concurrency=13)
    server.fault = lambda path, body: next(turns)
    assert answers(solve(engine)) == one_by_one
    assert len({answer for answer, *_ in one_by_one.values()}) == len(PROBLEMS)
    assert "tried again after" in engine.report()


def test_the_costs_of_all_problems_are_what_the_engine_counted(serve, connect) -> None:
    server = serve()
    engine = connect(server)
    server.seen.clear()
    usages = []
    answer = server.api.answer
    server.api.answer = lambda path, body: usages.append(reply := answer(path, body)) or reply
    costs = [solution.cost for _, _, solution in solve(engine)]
    assert sum(cost.tokens_in for cost in costs) == sum(u["usage"]["prompt_tokens"] for u in usages)
    sampled = sum(cost.tokens_out + cost.tokens_discarded for cost in costs)
    assert sampled == sum(u["usage"]["completion_tokens"] for u in usages)
    assert len(server.seen) == 3 * 2 * len(PROBLEMS)


def test_a_race_leaves_nothing_in_flight(serve, connect) -> None:
    engine = connect(serve())
    solutions = answers(solve(engine, Racer()))
    assert len(solutions) == len(PROBLEMS)
    assert all(failure is None for *_, failure in solutions.values())
    assert engine.free_rows() == engine.capabilities.rows
    assert engine.wait() == []


def test_one_row_that_is_refused_fails_one_problem(serve, connect) -> None:
    server = serve()
    engine = connect(server)
    server.fault = lambda path, body: "400" if body["prompt"].startswith("Q: 7 ") else None
    failed = {key for key, (*_, failure) in answers(solve(engine)).items() if failure is not None}
    assert failed == {("p7", 0), ("p7", 1)}


def test_a_budget_that_is_too_small_stops_before_anything_is_sent(serve, connect) -> None:
    server = serve()
    engine = connect(server)
    server.seen.clear()
    solutions = answers(solve(engine, budget=Budget(tokens=5)))
    assert all(failure is not None for *_, failure in solutions.values())
    assert server.seen == []

"""Budgets: reserved before a request goes out, given back after; a method over budget may still return."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus import Budget, Cost, Problem, Rng, Solution
from calculemus.engine.base import Done
from calculemus.engine.budget import Account, Spending
from calculemus.engine.requests import First, Run, Sample, Sampling, Score
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import BudgetExceededError, EngineError, InvalidParameterError

Steps = Generator[Any, Any, Solution]
PROBLEM = Problem("p/0", "how many?", "")


class Method:
    """A solver made of a function of the problem."""

    def __init__(self, solve: Any) -> None:
        self.solve = solve

    def start(self, problem: Problem, rng: Rng, capabilities: Any) -> Steps:
        return self.solve(problem)


def hot(max_tokens: int) -> Sampling:
    return Sampling(temperature=1.0, max_tokens=max_tokens)


def words(prompt: str, seed: int) -> str:
    return " word" * (seed % 40)


def engine(**settings: Any) -> ScriptedEngine:
    return ScriptedEngine(words, scores=lambda prompt, text: -1.0, parameters=1000, **settings)


def run(scheduler: Scheduler, solve: Any) -> Solution:
    ((_, _, solution),) = scheduler.solve_all(Method(solve), [(PROBLEM, 0)])
    return solution


leaves = st.one_of(
    st.builds(lambda n, m: Sample("a b c", hot(m), n), st.integers(1, 4), st.integers(1, 30)),
    st.builds(lambda n: Score("a b c", (" d",) * n), st.integers(1, 4)),
)
yields = st.one_of(
    leaves,
    st.lists(leaves, max_size=3),
    st.lists(leaves, min_size=1, max_size=3).map(lambda parts: First(tuple(parts))),
)
budgets = st.builds(
    Budget,
    tokens=st.none() | st.integers(0, 200),
    requests=st.none() | st.integers(0, 6),
    flops=st.none() | st.integers(0, 400_000),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(yields, max_size=6), budgets, st.sampled_from([1, 3, 64]), st.booleans())
def test_no_method_exceeds_its_budget_whatever_it_asks_for(
    asked: list[Any], budget: Budget, rows: int, is_polite: bool
) -> None:
    counted = {"requests": 0}

    def solve(problem: Problem) -> Steps:
        try:
            for each in asked:
                yield each
                counted["requests"] += 1 if isinstance(each, Sample | Score) else 0
                counted["requests"] += len(each) if isinstance(each, list) else 0
        except BudgetExceededError:
            if not is_polite:
                raise
        return Solution("best so far")

    working = engine(rows=rows)
    solution = run(Scheduler(working, budget=budget), solve)
    cost = solution.cost
    sampled = (cost.tokens_out or 0) + (cost.tokens_discarded or 0)
    assert budget.tokens is None or sampled <= budget.tokens
    assert budget.requests is None or counted["requests"] <= budget.requests
    assert budget.flops is None or (cost.flops or 0) <= budget.flops
    assert (solution.answer is None) == (solution.truncated and not is_polite)
    spent = working.counted
    assert sampled == (spent.tokens_out or 0) + (spent.tokens_discarded or 0)
    unlimited = budget.tokens is budget.requests is budget.flops is None
    assert not (unlimited and solution.truncated)


def test_what_was_not_used_is_given_back() -> None:
    def solve(problem: Problem) -> Steps:
        taken = 0
        while True:
            try:
                yield Sample("x", hot(50))
            except BudgetExceededError:
                return Solution(str(taken))
            taken += 1

    solution = run(Scheduler(ScriptedEngine("one two"), budget=Budget(tokens=100)), solve)
    # After t requests 2t tokens are spent, and the next may take 50: 2t + 50 <= 100.
    assert solution.answer == "26"
    assert solution.truncated
    assert solution.failure is None
    assert solution.cost.tokens_out == 52


def test_all_of_a_list_is_sent_or_nothing() -> None:
    def solve(problem: Problem) -> Steps:
        try:
            yield [Sample("x", hot(30)), Sample("x", hot(30)), Sample("x", hot(30))]
        except BudgetExceededError as error:
            return Solution(str(error))
        return Solution("sent")

    working = ScriptedEngine("one")
    solution = run(Scheduler(working, budget=Budget(tokens=89)), solve)
    assert working.n_jobs == 0
    assert "90 more tokens" in (solution.answer or "")
    assert "0 of 89 are used" in (solution.answer or "")
    assert run(Scheduler(working, budget=Budget(tokens=90)), solve).answer == "sent"


def test_a_method_that_goes_on_after_its_one_chance_is_closed() -> None:
    seen: list[str] = []

    def solve(problem: Problem) -> Steps:
        try:
            while True:
                try:
                    yield Sample("x", hot(30))
                except BudgetExceededError:
                    seen.append("told")
        finally:
            seen.append("closed")

    solution = run(Scheduler(ScriptedEngine("one"), budget=Budget(tokens=50)), solve)
    assert seen == ["told", "closed"]
    assert solution.truncated
    assert (solution.failure or "").startswith("BudgetExceededError: Method on p/0: ")


def test_seconds_of_the_engine_are_exceeded_by_one_request_at_most() -> None:
    def solve(problem: Problem) -> Steps:
        try:
            while True:
                yield Sample("x", hot(30))
        except BudgetExceededError:
            return Solution("in time")

    working = ScriptedEngine("one two three four", step_seconds=lambda rows: 1.0)
    solution = run(Scheduler(working, budget=Budget(seconds=12)), solve)
    assert solution.answer == "in time"
    assert solution.cost.seconds_engine == 15  # three requests of five steps


def test_flops_of_a_model_of_unknown_size_are_exceeded_by_one_request_at_most() -> None:
    class Unsized(ScriptedEngine):
        def wait(self) -> list[Done]:
            return [replace(done, cost=replace(done.cost, flops=100.0)) for done in super().wait()]

    def solve(problem: Problem) -> Steps:
        try:
            while True:
                yield Sample("x", hot(30))
        except BudgetExceededError:
            return Solution("done")

    assert run(Scheduler(Unsized("one"), budget=Budget(flops=250)), solve).cost.flops == 300


def test_tokens_that_an_engine_does_not_count_are_taken_for_the_worst_case() -> None:
    class Silent(ScriptedEngine):
        def wait(self) -> list[Done]:
            return [replace(done, cost=Cost()) for done in super().wait()]

    def solve(problem: Problem) -> Steps:
        taken = 0
        try:
            while True:
                yield Sample("x", hot(30))
                taken += 1
        except BudgetExceededError:
            return Solution(str(taken))

    solution = run(Scheduler(Silent("one"), budget=Budget(tokens=100)), solve)
    assert solution.answer == "3"
    assert solution.cost.tokens_out is None


def test_a_failed_request_gives_back_what_it_did_not_use() -> None:
    def solve(problem: Problem) -> Steps:
        failed = 0
        try:
            while failed < 20:
                try:
                    yield Sample("x", hot(30))
                except EngineError:
                    failed += 1
        except BudgetExceededError:
            return Solution("out of budget")
        return Solution(str(failed))

    assert run(Scheduler(ScriptedEngine("", fault="error"), budget=Budget(tokens=40)), solve).answer == "20"


def test_programs_reserve_the_longest_that_one_may_take() -> None:
    def solve(problem: Problem) -> Steps:
        try:
            yield [Run("1") for _ in range(3)]
        except BudgetExceededError as error:
            return Solution(str(error))
        return Solution("run")

    class Never:
        workers = 1

    solution = run(Scheduler(engine(), Never(), budget=Budget(sandbox_seconds=14.9)), solve)  # type: ignore[arg-type]  # never asked
    assert "15 more sandbox_seconds" in (solution.answer or "")


def test_a_budget_for_no_request_at_all_is_refused_before_any_work() -> None:
    def solve(problem: Problem) -> Steps:
        yield Sample("x", hot(30), 4)
        return Solution("sent")

    working = engine()
    with pytest.raises(InvalidParameterError, match=r"too small for its first requests.*120 more tokens"):
        Scheduler(working, budget=Budget(tokens=119)).check(Method(solve), PROBLEM)
    Scheduler(working, budget=Budget(tokens=120)).check(Method(solve), PROBLEM)
    assert working.n_jobs == 0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=20), st.integers(0, 100))
def test_reservations_and_spending_never_pass_the_limit(moves: list[tuple[int, int]], limit: int) -> None:
    account = Account(Budget(tokens=limit))
    spent = 0
    for worst, share in moves:
        reservation = Spending(tokens=worst)
        fits = account.refusal(reservation) is None
        assert fits == (worst == 0 or spent + worst <= limit)
        if fits:
            account.reserve(reservation)
            used = min(worst, share)
            account.settle(reservation, Spending(tokens=used))
            spent += used
    assert spent <= limit

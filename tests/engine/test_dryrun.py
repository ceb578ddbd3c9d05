"""Pricing a study without running it."""

from collections.abc import Generator
from typing import Any

import pytest

from calculemus import Problem, Rng, Solution
from calculemus.engine.dryrun import Assumed, Price, price
from calculemus.engine.requests import Chat, Embed, First, Run, Sample, Sampling, Score, Value
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import InvalidParameterError

HOT = Sampling(temperature=1.0, max_tokens=20)
Steps = Generator[Any, Any, Solution]
TEXT = " and so the answer is 7"


class Method:
    """A solver made of a function of the problem."""

    def __init__(self, solve: Any) -> None:
        self.solve = solve

    def start(self, problem: Problem, rng: Rng, capabilities: Any) -> Steps:
        return self.solve(problem)


def tree(problem: Problem) -> Steps:
    first = yield Sample(problem.question, HOT, 3)
    second = yield [Sample(completion.prefix, HOT, 2) for completion in first]
    ends = tuple(completion.prefix for reply in second for completion in reply)
    yield [Value(ends), Score(problem.question, (" yes", " no")), Embed((f"to embed {problem.id}", "c"))]
    return Solution("done")


def problems(n: int) -> list[tuple[Problem, int]]:
    return [(Problem(f"p/{i}", "how many" + " words" * i, ""), 0) for i in range(n)]


def engine(**settings: Any) -> ScriptedEngine:
    return ScriptedEngine(
        TEXT,
        scores=lambda prompt, text: -1.0,
        values=lambda text: 0.5,
        embeddings=lambda text: (1.0,),
        **settings,
    )


def test_the_price_is_what_the_study_then_costs_where_the_replies_are_as_assumed() -> None:
    asked = problems(5)
    found = price(Method(tree), engine(), asked, Assumed(text=TEXT, tokens=6))
    working = engine()
    list(Scheduler(working).solve_all(Method(tree), asked))
    spent = working.counted
    assert found.problems == 5
    assert found.rows == working.n_rows == 5 * (3 + 6 + 6 + 2 + 2)
    assert found.requests == 5 * (1 + 3 + 3)
    assert found.tokens_out == spent.tokens_out == 5 * 9 * 6
    assert found.tokens_out_worst == 5 * 9 * 20
    # A request counts its prompt once; the engine counts it for each row, the first alone as computed.
    per_request = sum(
        len(q) + 3 * (len(q) + 6) + 6 * (len(q) + 12) + 2 * (len(q) + 1) + 4
        for q in (problem.question.split() for problem, _ in asked)
    )
    assert found.tokens_in == per_request


def test_nothing_is_asked_of_the_engine() -> None:
    working = engine()
    price(Method(tree), working, problems(3))
    assert working.n_jobs == 0


def test_programs_races_and_failures_are_counted() -> None:
    def solve(problem: Problem) -> Steps:
        runs = yield [Run("1"), Run("2")]
        replies = yield First((Sample("x", HOT), Sample("y", HOT)))
        assert replies[1] is None
        if problem.id == "p/1":
            raise ValueError(runs[0].value)
        return Solution("done")

    found = price(Method(solve), engine(), problems(3), Assumed(tokens=100))
    expected = Price(
        problems=3,
        requests=3,
        rows=3,
        programs=6,
        tokens_in=3,
        tokens_out=60,
        tokens_out_worst=60,
        failures=1,
    )
    assert found == expected


def test_a_text_may_depend_on_the_prompt_and_a_conversation_goes_on() -> None:
    def solve(problem: Problem) -> Steps:
        (completion,) = yield Sample(Chat((("user", "hello"),)))
        (again,) = yield Sample(completion.prefix)
        return Solution(again.text if "HELLO" in again.text else None, failure=again.text)

    found = price(Method(solve), engine(), problems(1), Assumed(text=str.upper))
    # "user: hello", then "user: hello", "assistant: USER: HELLO"
    assert (found.tokens_in, found.failures) == (2 + 5, 0)


def test_tokens_that_cannot_be_counted_beforehand_leave_the_price_open() -> None:
    class Remote(ScriptedEngine):
        def count_tokens(self, request: Any) -> int | None:
            return None

    def solve(problem: Problem) -> Steps:
        yield Sample("x", HOT)
        return Solution("done")

    found = price(Method(solve), Remote("one"), problems(2))
    assert (found.tokens_in, found.tokens_out_worst) == (None, 40)


def test_a_method_that_never_ends_under_these_replies_is_an_error() -> None:
    def solve(problem: Problem) -> Steps:
        while True:
            (completion,) = yield Sample("x")
            if "stop" in completion.text:
                return Solution("stopped")

    with pytest.raises(InvalidParameterError, match="asks for more after 10000 replies"):
        price(Method(solve), engine(), problems(1))
    assert price(Method(solve), engine(), problems(1), Assumed(text="stop")).requests == 1

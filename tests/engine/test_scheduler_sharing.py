"""Equal requests are asked once where they must have equal replies, and every problem gets its share."""

from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus import Budget, Cost, Problem, Rng, Solution
from calculemus.cost import Meter
from calculemus.engine.asking import Ask, Gate
from calculemus.engine.drive import Drive
from calculemus.engine.fair import FairQueue, Share
from calculemus.engine.method import Method as Running
from calculemus.engine.requests import First, Sample, Sampling, Value
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine

HOT = Sampling(temperature=1.0)
Steps = Generator[Any, Any, Solution]


class Method:
    """A solver made of a function of the problem."""

    def __init__(self, solve: Any) -> None:
        self.solve = solve

    def start(self, problem: Problem, rng: Rng, capabilities: Any) -> Steps:
        return self.solve(problem)


def run(scheduler: Scheduler, solve: Any, n: int) -> dict[str, Solution]:
    asked = [(Problem(f"p/{i}", "?", ""), 0) for i in range(n)]
    return {name: solution for name, _, solution in scheduler.solve_all(Method(solve), asked)}


def test_equal_greedy_requests_in_flight_are_asked_once_and_charged_in_full() -> None:
    def solve(problem: Problem) -> Steps:
        (completion,), (value,) = yield [Sample("same"), Value(("same",))]
        return Solution(f"{completion.text} {value}")

    engine = ScriptedEngine("one two", values=lambda text: 0.5)
    scheduler = Scheduler(engine)
    found = run(scheduler, solve, 5)
    assert {solution.answer for solution in found.values()} == {"one two 0.5"}
    assert engine.n_jobs == 2
    assert [solution.cost.tokens_out for solution in found.values()] == [2] * 5
    assert engine.counted.tokens_out == 2
    assert scheduler.saved.tokens_out == 8


def test_sampled_requests_are_never_shared() -> None:
    def solve(problem: Problem) -> Steps:
        completions = yield [Sample("same", HOT), Sample("same", HOT)]
        return Solution(" ".join(reply[0].text for reply in completions))

    engine = ScriptedEngine(lambda prompt, seed: str(seed))
    found = run(Scheduler(engine), solve, 4)
    assert engine.n_jobs == 8
    assert len({word for s in found.values() for word in (s.answer or "").split()}) == 8


def test_nothing_is_shared_on_an_engine_whose_replies_may_differ() -> None:
    def solve(problem: Problem) -> Steps:
        (completion,) = yield Sample("same")
        return Solution(completion.text)

    engine = ScriptedEngine(lambda prompt, seed: str(seed))
    engine.capabilities = type(engine.capabilities)(
        kinds=engine.capabilities.kinds,
        logprobs=False,
        token_ids=True,
        deterministic=False,
        context=None,
        rows=4,
    )
    found = run(Scheduler(engine), solve, 4)
    assert engine.n_jobs == 4
    assert len({solution.answer for solution in found.values()}) == 4


def test_an_error_reaches_everybody_who_shares_the_request() -> None:
    def solve(problem: Problem) -> Steps:
        yield Sample("same")
        return Solution("unreachable")

    found = run(Scheduler(ScriptedEngine("", fault="error")), solve, 3)
    assert [bool(s.failure) for s in found.values()] == [True] * 3


@pytest.mark.parametrize("rows", [1, 64])
def test_a_request_that_one_method_drops_goes_on_for_the_other(rows: int) -> None:
    def solve(problem: Problem) -> Steps:
        slow = Sample("slow", Sampling(max_tokens=500))
        if problem.id == "p/0":
            replies = yield First((slow, Sample("quick", HOT)))
            return Solution(f"{replies[0]} {replies[1][0].text}")
        (completion,) = yield slow
        return Solution(str(len(completion.ids)))

    engine = ScriptedEngine({"slow": " word" * 300, "quick": "hop"}, rows=rows)
    scheduler = Scheduler(engine)
    found = run(scheduler, solve, 3)
    assert [found[f"p/{i}"].answer for i in (1, 2)] == ["300", "300"]
    assert [found[f"p/{i}"].cost.tokens_out for i in (1, 2)] == [300, 300]
    total = sum((solution.cost for solution in found.values()), Cost.zero())
    sampled = (total.tokens_out or 0) + (total.tokens_discarded or 0)
    assert sampled == (engine.counted.tokens_out or 0) + (scheduler.saved.tokens_out or 0)


def test_no_problem_waits_for_a_greedy_neighbour() -> None:
    order: list[str] = []

    def solve(problem: Problem) -> Steps:
        if problem.id == "p/0":
            yield [Sample("x", HOT, 8) for _ in range(100)]
        else:
            for _ in range(3):
                yield Sample("x", HOT)
        order.append(problem.id)
        return Solution("done")

    engine = ScriptedEngine("one two three", rows=8)
    run(Scheduler(engine), solve, 9)
    assert order[-1] == "p/0"
    assert engine.seconds > 0
    assert order[:-1] == sorted(order[:-1]), "the others finish in turn"


def test_nothing_is_kept_of_problems_that_are_finished() -> None:
    def solve(problem: Problem) -> Steps:
        (completion,) = yield Sample("same")
        yield Sample(f"{problem.id} {completion.text}", HOT, 3)
        return Solution("done")

    scheduler = Scheduler(ScriptedEngine("one two", rows=4))
    drive = Drive(scheduler._settings, Method(solve), Meter())
    assert len(list(drive.run((Problem(f"p/{i}", "?", ""), k) for i in range(9) for k in range(2)))) == 18
    dispatcher = drive._dispatcher
    kept = (drive._shares, drive._at_work, dispatcher._jobs, dispatcher._shared, dispatcher.ready)
    assert [len(each) for each in kept] == [0] * 5
    assert dispatcher.queue.rows == 0


def asks(share_sizes: list[list[int]]) -> tuple[FairQueue, dict[Share, int]]:
    queue = FairQueue()
    shares: dict[Share, int] = {}
    for index, sizes in enumerate(share_sizes):
        share = Share()
        shares[share] = index
        method = Running("m", Problem(str(index), "", ""), 0, Rng(0), iter(()), share, Budget())  # type: ignore[arg-type]  # never resumed
        for size in sizes:
            ask = Ask(method, Gate(None, 0, 1, 1), 0, Sample("x", HOT, size), (0,))
            ask.rows = ask.rows_left = size
            queue.push(share, ask)
    return queue, shares


@given(
    st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=9), min_size=2, max_size=6), st.integers(1, 9)
)
def test_while_all_wait_no_two_problems_are_further_apart_than_a_request(
    sizes: list[list[int]], free: int
) -> None:
    queue, shares = asks(sizes)
    served: Counter[int] = Counter()
    left = [sum(own) for own in sizes]
    while min(left) > 0:
        taken = queue.take(free)
        assert taken is not None
        ask, rows = taken
        assert 0 < rows <= free
        who = shares[ask.method.share]
        served[who] += rows
        left[who] -= rows
        assert max(served.values()) - min(served[i] for i in range(len(sizes))) <= 9


@given(
    st.lists(st.lists(st.integers(1, 9), min_size=0, max_size=9), max_size=6),
    st.data(),
)
def test_every_row_is_given_out_once_and_requests_of_a_problem_keep_their_order(
    sizes: list[list[int]], data: st.DataObject
) -> None:
    queue, _ = asks(sizes)
    assert queue.rows == sum(map(sum, sizes))
    given: dict[Ask, int] = {}
    while queue.rows:
        taken = queue.take(data.draw(st.integers(1, 20)))
        assert taken is not None
        ask, rows = taken
        given[ask] = given.get(ask, 0) + rows
        if ask.rows_left and data.draw(st.booleans()):
            given[ask] += ask.rows_left
            queue.drop(ask)
    assert queue.take(5) is None
    assert all(rows == ask.rows for ask, rows in given.items())
    assert len(given) == sum(map(len, sizes))


def test_a_problem_that_was_idle_has_saved_up_no_claim() -> None:
    queue, shares = asks([[1] * 50, [1]])
    late = next(share for share, index in shares.items() if index == 1)
    for _ in range(20):
        taken = queue.take(1)
    assert taken is not None
    method = Running("m", Problem("late", "", ""), 0, Rng(0), iter(()), late, Budget())  # type: ignore[arg-type]  # never resumed
    for _ in range(10):
        ask = Ask(method, Gate(None, 0, 1, 1), 0, Sample("x", HOT, 1), (0,))
        ask.rows = ask.rows_left = 1
        queue.push(late, ask)
    turns = [shares[queue.take(1)[0].method.share] for _ in range(10)]  # type: ignore[index]  # plenty waits
    assert turns.count(1) == 5

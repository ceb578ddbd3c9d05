"""``First``: the first replies are taken, the rest is stopped, and what it had sampled is charged."""

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus import Cost, Problem, Solution
from calculemus.engine.base import Done
from calculemus.engine.requests import First, Sample, Sampling, Score
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine

HOT = Sampling(temperature=1.0, max_tokens=1000)
Steps = Generator[Any, Any, Solution]


class Method:
    """A solver made of a function of the problem."""

    def __init__(self, solve: Any) -> None:
        self.solve = solve

    def start(self, problem: Problem, rng: Any, capabilities: Any) -> Steps:
        return self.solve(problem)


def as_many(prompt: str, seed: int) -> str:
    """Write as many words as the prompt says."""
    return " word" * int(prompt.rpartition(" ")[2])


def engine(rows: int = 64) -> ScriptedEngine:
    return ScriptedEngine(as_many, rows=rows, scores=lambda prompt, text: -1.0)


def run(scheduler: Scheduler, solve: Any, n: int = 1) -> list[Solution]:
    asked = [(Problem(f"p/{i}", "?", ""), 0) for i in range(n)]
    return [solution for _, _, solution in scheduler.solve_all(Method(solve), asked)]


def counts(replies: list[Any]) -> list[int | None]:
    return [None if reply is None else len(reply[0].ids) for reply in replies]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_shortest_come_first_and_the_others_are_none(k: int) -> None:
    def solve(problem: Problem) -> Steps:
        replies = yield First(tuple(Sample(f"words {n}", HOT) for n in (30, 10, 20)), k)
        return Solution(repr(counts(replies)))

    expected = [30 if k > 2 else None, 10, 20 if k > 1 else None]
    assert run(Scheduler(engine()), solve)[0].answer == repr(expected)


def test_what_the_others_had_sampled_is_discarded() -> None:
    def solve(problem: Problem) -> Steps:
        replies = yield First((Sample("words 100", HOT), Sample("words 7", HOT)))
        return Solution(repr(counts(replies)))

    working = engine()
    (solution,) = run(Scheduler(working), solve)
    assert solution.answer == "[None, 7]"
    assert (solution.cost.tokens_out, solution.cost.tokens_discarded) == (7, 7)
    assert working.seconds < 20 * working._step_seconds(2), "the long one was stopped"
    assert working.free_rows() == 64


def test_what_still_waits_for_rows_is_never_sent() -> None:
    def solve(problem: Problem) -> Steps:
        yield First((Sample("words 3", HOT), Sample("words 9", HOT), Sample("words 9", HOT)))
        return Solution("done")

    working = engine(rows=1)
    (solution,) = run(Scheduler(working), solve)
    assert working.n_jobs == 1
    assert solution.cost.tokens_discarded == 0


def test_a_first_within_a_list_holds_up_only_its_place() -> None:
    def solve(problem: Problem) -> Steps:
        race = First((Sample("words 50", HOT), Sample("words 5", HOT)))
        (long,), raced, scored = yield [Sample("words 20", HOT), race, Score("A:", ("b",))]
        return Solution(f"{len(long.ids)} {counts(raced)} {scored[0].logprob}")

    assert run(Scheduler(engine()), solve)[0].answer == "20 [None, 5] -1.0"


def test_a_first_within_a_first_is_stopped_with_it() -> None:
    def solve(problem: Problem) -> Steps:
        inner = First((Sample("words 50", HOT), Sample("words 60", HOT)))
        replies = yield First((inner, Sample("words 5", HOT)))
        return Solution(repr([replies[0], len(replies[1][0].ids)]))

    (solution,) = run(Scheduler(engine()), solve)
    assert solution.answer == "[None, 5]"
    assert (solution.cost.tokens_out, solution.cost.tokens_discarded) == (5, 10)


def test_a_first_survives_as_many_failures_as_it_can_spare() -> None:
    def solve(problem: Problem) -> Steps:
        replies = yield First((Sample("words x", HOT), Sample("words 5", HOT), Sample("words 9", HOT)), 2)
        return Solution(repr(counts(replies)))

    def fail(problem: Problem) -> Steps:
        yield First((Sample("words x", HOT), Sample("words 5", HOT)), 2)
        return Solution("unreachable")

    broken = ScriptedEngine(as_many, fault="error", is_faulty=lambda prompt: prompt.endswith("x"))
    assert run(Scheduler(broken), solve)[0].answer == "[None, 5, 9]"
    assert "words x" in (run(Scheduler(broken), fail)[0].failure or "")


@pytest.mark.parametrize("k", [0, 3])
def test_a_first_that_waits_for_an_impossible_number_is_refused(k: int) -> None:
    def solve(problem: Problem) -> Steps:
        yield First((Sample("words 5"), Sample("words 6")), k)
        return Solution("unreachable")

    assert f"k is {k} with 2 requests" in (run(Scheduler(engine()), solve)[0].failure or "")


class Late(ScriptedEngine):
    """An engine whose jobs are already finished when they are cancelled: they come with the next wait."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.late: list[Done] = []

    def cancel(self, tickets: Any) -> list[Done]:
        replies = {ticket: flight.work.reply for ticket, flight in self._flights.items()}
        self.late += [Done(done.ticket, replies[done.ticket], done.cost) for done in super().cancel(tickets)]
        return []

    def wait(self) -> list[Done]:
        late, self.late = self.late, []
        return late or super().wait()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
    st.integers(1, 6),
    st.sampled_from([1, 2, 5, 64]),
    st.booleans(),
)
def test_whatever_is_raced_every_token_is_accounted_for(
    lengths: list[int], k: int, rows: int, finishes_late: bool
) -> None:
    k = min(k, len(lengths))

    def solve(problem: Problem) -> Steps:
        replies = yield First(tuple(Sample(f"words {n}", HOT) for n in lengths), k)
        return Solution(repr(counts(replies)))

    working = (Late if finishes_late else ScriptedEngine)(as_many, rows=rows)
    solutions = run(Scheduler(working), solve, n=3)
    total = sum((solution.cost for solution in solutions), Cost.zero())
    counted = working.counted
    assert (total.tokens_out or 0) + (total.tokens_discarded or 0) == (counted.tokens_out or 0) + (
        counted.tokens_discarded or 0
    )
    for solution in solutions:
        kept = [n for n in eval_list(solution.answer) if n is not None]
        assert len(kept) == k
        assert solution.cost.tokens_out == sum(kept)
    assert working.free_rows() == rows


def test_jobs_that_were_finished_when_the_study_was_left_do_not_disturb_the_next_one() -> None:
    def solve(problem: Problem) -> Steps:
        (completion,) = yield Sample("words 9", HOT)
        return Solution(str(len(completion.ids)))

    working = Late(as_many, rows=4)
    asked = [(Problem(f"p/{i}", "?", ""), 0) for i in range(9)]
    solved = Scheduler(working).solve_all(Method(solve), asked)
    next(solved)
    solved.close()
    assert working.wait() == []
    assert [solution.answer for solution in run(Scheduler(working), solve, n=9)] == ["9"] * 9


def eval_list(text: str | None) -> list[int | None]:
    return [None if word == "None" else int(word) for word in (text or "")[1:-1].split(", ")]

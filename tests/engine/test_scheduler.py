"""The scheduler: what a method gets does not depend on what else runs, and everything is accounted for."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus import Cost, Problem, Rng, Solution
from calculemus.engine.requests import Embed, Sample, Sampling, Score, Value
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.engine.toy import ToyLM
from calculemus.errors import InvalidParameterError

HOT = Sampling(temperature=1.0, max_tokens=5)
Steps = Generator[Any, Any, Solution]


class Method:
    """A solver made of a function of the problem."""

    def __init__(self, solve: Any) -> None:
        self.solve = solve

    def start(self, problem: Problem, rng: Rng, capabilities: Any) -> Steps:
        return self.solve(problem)


def problems(n: int) -> list[tuple[Problem, int]]:
    return [(Problem(f"p/{i}", f"Q: {i}\nA:", str(i)), sample) for i in range(n) for sample in range(2)]


def solve(
    scheduler: Scheduler, solver: Any, asked: Iterable[tuple[Problem, int]]
) -> dict[tuple[str, int], Solution]:
    found: dict[tuple[str, int], Solution] = {}
    for problem_id, sample, solution in scheduler.solve_all(solver, asked):
        assert (problem_id, sample) not in found
        found[problem_id, sample] = solution
    return found


def lm(rows: int = 64) -> ToyLM:
    return ToyLM.random(Rng(5), "abc", 4, rewards=len, rows=rows)


def untimed(solution: Solution) -> tuple[Any, ...]:
    """Everything that must not depend on timing: prompt tokens may come from a cache, but stay as many."""
    cost = solution.cost
    prompt = None if cost.tokens_in is None else cost.tokens_in + (cost.tokens_cached or 0)
    parts = (solution.answer, solution.candidates, solution.trace, solution.truncated, solution.failure)
    return (*parts, prompt, cost.tokens_out, cost.tokens_discarded)


Step = tuple[str, int]
steps = st.lists(
    st.tuples(st.sampled_from(["sample", "greedy", "score", "value", "list", "nothing"]), st.integers(1, 5)),
    min_size=1,
    max_size=4,
)


def random_method(script: Sequence[Step]) -> Method:
    """A method whose every request continues what it was told before, so that no difference is lost."""

    def request(kind: str, n: int, written: str) -> Any:
        prompt = f"A:{written[-2:]}"
        if kind == "sample":
            return Sample(prompt, HOT, n)
        if kind == "greedy":
            return Sample(prompt, replace(HOT, temperature=0.0))
        if kind == "score":
            return Score(prompt, tuple("abc"[i % 3] for i in range(n)))
        return Value(tuple(f"{prompt}{'abc'[i % 3]}" for i in range(n)))

    def solve(problem: Problem) -> Steps:
        written, log = "", problem.question
        for kind, n in script:
            if kind == "list":
                asked: Any = [request(k, m, written) for k, m in (("sample", n), ("greedy", 1), ("value", n))]
            else:
                asked = [] if kind == "nothing" else request(kind, n, written)
            reply = yield asked
            log += repr(reply)
            first = reply[0] if reply else ()
            completion = first[0] if isinstance(first, tuple) and first else first
            written = getattr(completion, "text", written)
        return Solution(log)

    return Method(solve)


@settings(max_examples=15, deadline=None)
@given(steps, st.randoms(use_true_random=False))
def test_results_are_the_same_for_any_rows_problems_in_flight_and_order(
    script: list[Step], shuffler: Any
) -> None:
    method, asked = random_method(script), problems(6)
    alone = solve(Scheduler(lm(64), in_flight=1, seed=3), method, asked)
    expected = {key: untimed(solution) for key, solution in alone.items()}
    for rows, in_flight in [(1, 7), (3, 1000), (64, 1000), (7, 1)]:
        shuffler.shuffle(asked)
        found = solve(Scheduler(lm(rows), in_flight=in_flight, seed=3), method, asked)
        assert {key: untimed(solution) for key, solution in found.items()} == expected


@settings(max_examples=25, deadline=None)
@given(steps, st.sampled_from([1, 3, 64]))
def test_costs_of_the_solutions_add_up_to_what_the_engine_counted(script: list[Step], rows: int) -> None:
    engine = lm(rows)
    scheduler = Scheduler(engine)
    found = solve(scheduler, random_method(script), problems(6))
    total = sum((solution.cost for solution in found.values()), Cost.zero())
    counted = engine.counted + scheduler.saved
    assert total.tokens_in == counted.tokens_in
    assert total.tokens_cached == counted.tokens_cached
    assert total.tokens_out == counted.tokens_out
    assert total.tokens_discarded == 0
    assert total.seconds_engine == pytest.approx(counted.seconds_engine)


def test_another_seed_gives_other_samples_and_the_same_seed_the_same() -> None:
    def solve_it(problem: Problem) -> Steps:
        completions = yield Sample(problem.question, HOT, 8)
        return Solution("".join(completion.text for completion in completions))

    runs = [solve(Scheduler(lm(), seed=seed), Method(solve_it), problems(3)) for seed in (0, 0, 1)]
    answers = [[run[key].answer for key in sorted(run)] for run in runs]
    assert answers[0] == answers[1] != answers[2]
    assert len(set(answers[0])) == 6, "samples of one problem, and problems, draw apart"


def test_the_first_samples_are_the_same_however_many_follow() -> None:
    def take(n: int) -> dict[tuple[str, int], str | None]:
        def solve_it(problem: Problem) -> Steps:
            completions = yield Sample(problem.question, HOT, n)
            return Solution(" ".join(completion.text for completion in completions[:3]))

        found = solve(Scheduler(lm()), Method(solve_it), problems(4))
        return {key: solution.answer for key, solution in found.items()}

    assert take(3) == take(17)


class Watched(ScriptedEngine):
    """Notes how full it is each time that it begins to work."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fills: list[int] = []

    def wait(self) -> list[Any]:
        self.fills.append(self.capabilities.rows - self.free_rows())
        assert self._active <= self.capabilities.rows
        return super().wait()


def words(prompt: str, seed: int) -> str:
    return " word" * (1 + seed % 6)


@pytest.mark.parametrize("rows", [1, 3, 16])
def test_the_engine_is_full_until_the_last_problems(rows: int) -> None:
    def solve_it(problem: Problem) -> Steps:
        for _ in range(3):
            yield Sample(problem.question, HOT, 5)
        return Solution("done")

    engine = Watched(words, rows=rows)
    solve(Scheduler(engine), Method(solve_it), problems(40))
    full = [fill == rows for fill in engine.fills]
    first_gap = full.index(False) if False in full else len(full)
    asked_by_then = sum(full[:first_gap]) / len(full)
    assert asked_by_then > 0.8
    assert engine.row_steps / engine.n_steps > 0.9 * rows


def test_a_request_larger_than_the_engine_comes_back_in_order() -> None:
    def solve_it(problem: Problem) -> Steps:
        numbers = tuple(f"w{i}" for i in range(50))
        scored = yield Score("A:", numbers)
        valued = yield Value(numbers)
        embedded = yield Embed(numbers)
        assert [s.logprob for s in scored] == [-float(i) for i in range(50)]
        assert valued == tuple(float(i) for i in range(50))
        assert embedded == tuple((float(i), 0.0) for i in range(50))
        return Solution("in order")

    engine = ScriptedEngine(
        "",
        rows=7,
        scores=lambda prompt, text: -float(text[1:]),
        values=lambda text: float(text[1:]),
        embeddings=lambda text: (float(text[1:]), 0.0),
    )
    found = solve(Scheduler(engine), Method(solve_it), problems(3))
    assert {solution.answer for solution in found.values()} == {"in order"}
    assert engine.n_jobs > 9


def test_a_list_holds_up_its_own_problem_only() -> None:
    finished: list[str] = []

    def solve_it(problem: Problem) -> Steps:
        long = problem.id == "p/0"
        yield [Sample("long" if long else "short", HOT), Sample("short", HOT)]
        finished.append(problem.id)
        return Solution("done")

    engine = ScriptedEngine({"long": " word" * 5, "short": "word"})
    solve(Scheduler(engine), Method(solve_it), [(p, s) for p, s in problems(4) if s == 0])
    assert finished == ["p/1", "p/2", "p/3", "p/0"]


def test_methods_compose_with_yield_from() -> None:
    def inner(prompt: str) -> Generator[Any, Any, str]:
        (completion,) = yield Sample(prompt)
        return completion.text

    def solve_it(problem: Problem) -> Steps:
        first = yield from inner("one")
        second = yield from inner("two")
        return Solution(first + second)

    found = solve(Scheduler(ScriptedEngine({"one": "1", "two": "2"})), Method(solve_it), problems(1))
    assert found["p/0", 0].answer == "12"


def test_settings_of_the_run_replace_those_of_the_solver() -> None:
    def solve_it(problem: Problem) -> Steps:
        first, (scored,) = yield [Sample("x", Sampling(max_tokens=99)), Score("x", ("y",))]
        second = yield Sample("x", Sampling(max_tokens=99))
        return Solution(first[0].text if first == second and scored.logprob == -1 else None)

    engine = ScriptedEngine("one two three four", scores=lambda prompt, text: -1.0)
    scheduler = Scheduler(engine, sampling={"max_tokens": 2, "temperature": 0.5})
    assert solve(scheduler, Method(solve_it), problems(1))["p/0", 0].answer == "one two"
    with pytest.raises(InvalidParameterError, match="max_token"):
        Scheduler(engine, sampling={"max_token": 2})


def test_a_request_for_nothing_is_answered_with_nothing() -> None:
    def solve_it(problem: Problem) -> Steps:
        replies = yield [Score("x", ()), Value(()), Embed(())]
        return Solution(repr(replies))

    engine = ScriptedEngine("", scores=lambda p, t: 0.0, values=len, embeddings=lambda t: [0.0])
    assert solve(Scheduler(engine), Method(solve_it), problems(1))["p/0", 0].answer == "[(), (), ()]"
    assert engine.n_jobs == 0


def test_no_problem_in_flight_at_all_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="'in_flight' is 0; expected at least 1"):
        Scheduler(ScriptedEngine(""), in_flight=0)


def test_whoever_stops_listening_stops_the_engine() -> None:
    def solve_it(problem: Problem) -> Steps:
        closed.append(problem.id)
        try:
            for _ in range(9):
                yield Sample("x", HOT, 3)
        finally:
            closed.remove(problem.id)
        return Solution("done")

    closed: list[str] = []
    engine = ScriptedEngine(words, rows=8)
    solved = Scheduler(engine).solve_all(Method(solve_it), problems(50))
    next(solved)
    assert closed
    solved.close()
    assert closed == []
    assert engine.free_rows() == 8
    assert engine.wait() == []


def test_problems_are_taken_as_they_are_needed() -> None:
    taken: list[str] = []

    def source() -> Iterable[tuple[Problem, int]]:
        for problem, sample in problems(500):
            taken.append(problem.id)
            yield problem, sample

    def solve_it(problem: Problem) -> Steps:
        (completion,) = yield Sample(problem.question)
        return Solution(completion.text)

    solved = Scheduler(ScriptedEngine("six", rows=4)).solve_all(Method(solve_it), source())
    next(solved)
    assert len(taken) < 40
    solved.close()

"""A recorded solve runs again without an engine, and fails loudly when it would not be the same."""

import json
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest

from calculemus import Budget, Cost, Problem, Rng, Solution
from calculemus.engine.replay import Recording, replay
from calculemus.engine.requests import First, Run, Sample, Sampling, Value
from calculemus.engine.sandbox import Run as Ran
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import BudgetExceededError, EngineError, ReplayError

HOT = Sampling(temperature=1.0, max_tokens=20)
Steps = Generator[Any, Any, Solution]


class Everything:
    """A method that does all that one can do."""

    def __init__(self, words: str = "go", extra: int = 0) -> None:
        self.words = words
        self.extra = extra

    def start(self, problem: Problem, rng: Rng, capabilities: Any) -> Steps:
        draw = rng.child("method", "own draw").integer(1000)
        first = yield Sample(f"{self.words} {draw}", HOT, 3)
        race, values = yield [
            First((Sample("short", HOT), Sample("long", HOT))),
            Value((first[0].prefix, "x")),
        ]
        try:
            yield Sample("broken")
        except EngineError as error:
            failure = str(error)
        ran = yield Run("1 + 1")
        for _ in range(self.extra):
            yield Value(("more",))
        yield []
        return Solution(f"{first} {race} {values} {failure} {ran}")


class Sandbox:
    workers = 1

    def run(self, program: str, **options: Any) -> Ran:
        return Ran("ok", {"seed": options["seed"]}, seconds=0.1)

    def session(self, **options: Any) -> Any:
        raise NotImplementedError


def engine() -> ScriptedEngine:
    return ScriptedEngine(
        lambda prompt, seed: " word" * (15 if prompt == "long" else 1 + seed % 5),
        values=lambda text: len(text) / 7,
        fault="error",
        is_faulty=lambda prompt: prompt == "broken",
    )


def record(solver: Any, n: int = 1, **settings: Any) -> list[tuple[Solution, Recording]]:
    recordings: list[Recording] = []
    scheduler = Scheduler(engine(), Sandbox(), seed=4, record=recordings.append, **settings)  # type: ignore[arg-type]  # a stand-in
    solved = scheduler.solve_all(solver, [(Problem(f"p/{i}", "?", ""), i) for i in range(n)])
    solutions = [solution for _, _, solution in solved]
    return [
        (s, Recording.from_json(json.loads(json.dumps(r.to_json()))))
        for s, r in zip(solutions, recordings, strict=True)
    ]


def again(solver: Any, recording: Recording) -> Solution:
    problem = Problem(recording.problem_id, "?", "")
    return replay(solver, problem, recording, engine().capabilities)


def test_a_replay_comes_to_the_same_solution_without_cost() -> None:
    for solution, recording in record(Everything(), n=5):
        assert solution.failure is None
        assert again(Everything(), recording) == replace(solution, cost=Cost())


def test_a_failed_solve_fails_again_in_the_same_way() -> None:
    class Failing(Everything):
        def start(self, problem: Problem, rng: Rng, capabilities: Any) -> Steps:
            yield Sample("x", HOT)
            raise ValueError("as ever")

    ((solution, recording),) = record(Failing())
    assert again(Failing(), recording).failure == solution.failure == "ValueError: as ever"


def test_a_solve_cut_short_by_its_budget_is_cut_short_again() -> None:
    class Greedy(Everything):
        def start(self, problem: Problem, rng: Rng, capabilities: Any) -> Steps:
            n = 0
            try:
                while True:
                    yield Sample("x", HOT)
                    n += 1
            except BudgetExceededError as error:
                return Solution(f"{n} {error}")

    ((solution, recording),) = record(Greedy(), budget=Budget(tokens=50))
    replayed = again(Greedy(), recording)
    assert replayed.truncated
    assert replayed == replace(solution, cost=Cost())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (Everything(words="stop"), ["step 1", "asks for", "stop ", "go "]),
        (Everything(extra=1), ["step 5", "more", "[]"]),
    ],
)
def test_a_method_that_asks_for_something_else_is_an_error(changed: Any, words: list[str]) -> None:
    ((_, recording),) = record(Everything())
    with pytest.raises(ReplayError) as caught:
        again(changed, recording)
    assert [word for word in ["replaying Everything on p/0", *words] if word not in str(caught.value)] == []


def test_a_method_that_ends_too_early_or_too_late_is_an_error() -> None:
    ((_, recording),) = record(Everything())
    longer = replace(recording, steps=(*recording.steps, recording.steps[0]))
    with pytest.raises(ReplayError, match="step 6 it has ended; in the recording it asks for"):
        again(Everything(), longer)
    with pytest.raises(ReplayError, match=r"asks for .*; in the recording it has ended"):
        again(Everything(), replace(recording, steps=recording.steps[:-1]))


def test_another_seed_is_seen_where_the_method_draws() -> None:
    ((_, recording),) = record(Everything())
    with pytest.raises(ReplayError, match="step 1"):
        again(Everything(), replace(recording, seed=5))

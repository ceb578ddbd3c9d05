"""Programs: run beside the engine, in the order of their session, seeded by path, and charged."""

import json
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import pytest

from calculemus import Budget, Problem, Rng, Solution
from calculemus.engine.replay import Recording, replay
from calculemus.engine.requests import First, Run, Sample, Sampling
from calculemus.engine.sandbox import Run as Ran
from calculemus.engine.sandbox import Sandbox
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import InvalidParameterError, SandboxError

Steps = Generator[Any, Any, Solution]


class Method:
    """A solver made of a function of the problem."""

    def __init__(self, solve: Any) -> None:
        self.solve = solve

    def start(self, problem: Problem, rng: Rng, capabilities: Any) -> Steps:
        return self.solve(problem)


@dataclass
class FakeSession:
    """Writes down its blocks; each takes a moment, so that order is not luck."""

    log: list[str] = field(default_factory=list)
    is_closed: bool = False
    is_busy: bool = False

    def run(self, block: str) -> Ran:
        assert not self.is_busy, "blocks of one session run one after the other"
        self.is_busy = True
        time.sleep(0.002)
        self.log.append(block)
        self.is_busy = False
        return Ran("ok", list(self.log), seconds=0.25)

    def close(self) -> None:
        assert not self.is_closed
        self.is_closed = True


@dataclass
class FakeSandbox:
    """Answers with what it was asked."""

    workers: int = 4
    sessions: list[FakeSession] = field(default_factory=list)

    def run(
        self, program: str, *, tier: Any = None, entry: str | None = "solution", seed: int = 0, **more: Any
    ) -> Ran:
        if program == "break":
            raise SandboxError("the sandbox broke down")
        return Ran("ok", (program, tier, entry, seed, *more.items()), seconds=0.5)

    def session(self, *, tier: Any = None, seed: int = 0) -> FakeSession:
        self.sessions.append(FakeSession())
        return self.sessions[-1]


def run(scheduler: Scheduler, solve: Any, n: int = 1) -> dict[str, Solution]:
    asked = [(Problem(f"p/{i}", "?", ""), 0) for i in range(n)]
    return {name: solution for name, _, solution in scheduler.solve_all(Method(solve), asked)}


def test_a_program_gets_its_tier_its_entry_and_a_seed_of_its_path() -> None:
    def solve(problem: Problem) -> Steps:
        one = yield Run("1", entry="main", tier="std")
        two, three = yield [Run("2"), Run("3")]
        return Solution("", candidates=tuple(repr(ran.value) for ran in (one, two, three)))

    found = run(Scheduler(ScriptedEngine(""), FakeSandbox(), seed=7), solve)["p/0"]
    rng = Rng(7, ("Method", "p/0", 0))
    paths = [(0,), (1, 0), (1, 1)]
    seeds = [rng.child(*path, 0).key % 2**64 for path in paths]
    expected = [
        ("1", "std", "main", seeds[0]),
        ("2", None, "solution", seeds[1]),
        ("3", None, "solution", seeds[2]),
    ]
    assert found.candidates == tuple(map(repr, expected))
    assert found.cost.seconds_sandbox == 1.5
    assert found.cost.tokens_out == 0


def test_what_is_run_again_has_the_seed_that_it_had() -> None:
    def solve(problem: Problem) -> Steps:
        yield Run("0")
        runs = yield [Run("1", before=()), Run("2", before=("1",), replies=(3,), hosts=("f",))]
        last = yield Run("3", replies=())
        return Solution("", candidates=tuple(repr(ran.value) for ran in (*runs, last)))

    found = run(Scheduler(ScriptedEngine(""), FakeSandbox(), seed=7), solve, n=2)
    seeds = [Rng(7, ("Method", f"p/{i}", 0)).child("programs", 0).key % 2**64 for i in range(2)]
    for name, seed in zip(("p/0", "p/1"), seeds, strict=True):
        one, two, three = (eval(text) for text in found[name].candidates)
        assert one == ("1", None, "solution", seed, ("before", ()))
        assert two[3:] == (seed, ("before", ("1",)), ("replies", (3,)), ("hosts", ("f",)))
        assert three == ("3", None, "solution", seed, ("replies", ()))


def test_a_session_takes_neither_blocks_nor_replies() -> None:
    for options in ({"before": ()}, {"replies": ()}):
        with pytest.raises(InvalidParameterError, match="'session'"):
            Run("1", session="s", **options)
    with pytest.raises(InvalidParameterError, match="'hosts'"):
        Run("1", hosts=("f",))


def test_a_program_that_asks_goes_on_through_the_scheduler() -> None:
    def solve(problem: Problem) -> Steps:
        replies: tuple[Any, ...] = ()
        program = "import random\nanswer = [double(i) for i in range(3)] + [random.random() < 1]"
        while True:
            ran = yield Run(program, replies=replies)
            if ran.status != "suspended":
                return Solution(repr(ran.value))
            replies += (2 * ran.pending.args[0],)

    with Sandbox(tiers=("mini",)) as sandbox:
        recordings: list[Any] = []
        scheduler = Scheduler(ScriptedEngine(""), sandbox, record=recordings.append)
        found = run(scheduler, solve)["p/0"]
    assert found.answer == "[0, 2, 4, True]"
    recording = Recording.from_json(json.loads(json.dumps(recordings[0].to_json())))
    again = replay(Method(solve), Problem("p/0", "?", ""), recording, ScriptedEngine("").capabilities)
    assert again.answer == found.answer


def test_blocks_of_a_session_run_in_order_and_see_those_before() -> None:
    def solve(problem: Problem) -> Steps:
        runs = yield [Run(f"{problem.id} block {i}", session="main") for i in range(5)]
        other = yield Run("other", session="side")
        return Solution("", candidates=(repr(runs[-1].value), repr(other.value)))

    sandbox = FakeSandbox()
    found = run(Scheduler(ScriptedEngine(""), sandbox), solve, n=6)
    for name, solution in found.items():
        assert solution.candidates == (repr([f"{name} block {i}" for i in range(5)]), "['other']")
    assert len(sandbox.sessions) == 12
    assert all(session.is_closed for session in sandbox.sessions)


def test_a_sandbox_that_breaks_down_fails_the_method_that_asked() -> None:
    def solve(problem: Problem) -> Steps:
        ran = yield Run("break" if problem.id == "p/1" else "fine")
        return Solution(ran.status)

    found = run(Scheduler(ScriptedEngine(""), FakeSandbox()), solve, n=3)
    assert [solution.answer for solution in found.values()].count("ok") == 2
    assert found["p/1"].failure == "SandboxError: the sandbox broke down"


def test_the_engine_works_while_programs_run() -> None:
    engine = ScriptedEngine("one two three")
    released = threading.Event()

    class Slow(FakeSandbox):
        def run(self, program: str, **options: Any) -> Ran:
            assert released.wait(10), "the engine did nothing meanwhile"
            return Ran("ok", 1, seconds=0.0)

    def solve(problem: Problem) -> Steps:
        if problem.id == "p/0":
            yield Run("wait for the engine")
        else:
            yield Sample("x", Sampling(temperature=1.0))
            released.set()
        return Solution("done")

    found = run(Scheduler(engine, Slow()), solve, n=2)
    assert [solution.answer for solution in found.values()] == ["done", "done"]


def test_a_program_that_loses_a_race_is_charged_when_it_ends() -> None:
    decided = threading.Event()

    class Slow(FakeSandbox):
        def run(self, program: str, **options: Any) -> Ran:
            assert decided.wait(10), "nobody waits for the program"
            return Ran("ok", 1, seconds=4.0)

    def solve(problem: Problem) -> Steps:
        replies = yield First((Run("slow"), Sample("x", Sampling(temperature=1.0))))
        decided.set()
        return Solution(repr([reply is None for reply in replies]))

    found = run(Scheduler(ScriptedEngine("one"), Slow()), solve)["p/0"]
    assert found.answer == "[True, False]"
    assert (found.cost.seconds_sandbox, found.cost.tokens_out) == (4.0, 1)


def test_seconds_of_programs_are_limited_and_given_back() -> None:
    def solve(problem: Problem) -> Steps:
        n = 0
        try:
            while True:
                yield Run("1")
                n += 1
        except Exception as error:  # the test looks at which one
            return Solution(f"{n} {type(error).__name__}")

    scheduler = Scheduler(ScriptedEngine(""), FakeSandbox(), budget=Budget(sandbox_seconds=7))
    # Half a second each is spent, and the next may take five: 0.5 n + 5 <= 7.
    assert run(scheduler, solve)["p/0"].answer == "5 BudgetExceededError"


def test_a_session_that_cannot_be_opened_fails_its_method_alone() -> None:
    class Closed(FakeSandbox):
        def session(self, **options: Any) -> Any:
            raise SandboxError("no session today")

    def solve(problem: Problem) -> Steps:
        ran = yield Run("1", session="s" if problem.id == "p/1" else None)
        return Solution(ran.status)

    found = run(Scheduler(ScriptedEngine(""), Closed()), solve, n=2)
    assert found["p/0"].answer == "ok"
    assert found["p/1"].failure == "SandboxError: no session today"


def test_sessions_are_closed_when_nobody_listens_any_more() -> None:
    def solve(problem: Problem) -> Steps:
        if problem.id != "p/0":
            while True:
                yield Run("1", session="s")
        yield Run("2")
        return Solution("done")

    sandbox = FakeSandbox()
    asked = [(Problem(f"p/{i}", "?", ""), 0) for i in range(3)]
    solved = Scheduler(ScriptedEngine(""), sandbox).solve_all(Method(solve), asked)
    next(solved)
    solved.close()
    assert sandbox.sessions
    assert all(session.is_closed for session in sandbox.sessions)


@pytest.mark.slow
def test_the_sandbox_of_the_package_fits() -> None:
    def solve(problem: Problem) -> Steps:
        ran = yield Run(f"def solution():\n    return 2 ** {problem.id[2:]}")
        yield Run("x = 20", session="s", entry=None)
        block = yield Run("x + 1", session="s", entry=None)
        return Solution(f"{ran.value} {block.value}")

    with Sandbox(tiers=("mini",)) as sandbox:
        found = run(Scheduler(ScriptedEngine(""), sandbox), solve, n=8)
    assert {name: s.answer for name, s in found.items()} == {f"p/{i}": f"{2**i} 21" for i in range(8)}
    assert all((solution.cost.seconds_sandbox or 0) > 0 for solution in found.values())

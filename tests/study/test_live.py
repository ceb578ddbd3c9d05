"""A live system: its key knows what changes an answer, and nothing that is finished is paid for twice."""

import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from calculemus import Budget, Problem, Rng, Solution
from calculemus.engine.cache import ReplyCache
from calculemus.engine.requests import Sample, Sampling, Value
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import EngineCapabilityError, InvalidParameterError
from calculemus.problems.problemset import ProblemSet
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.store import Store
from calculemus.study.live import LiveSystem
from calculemus.study.run import generate

SCRIPT = Path(__file__).with_name("live_study.py")
PROBLEMS = ProblemSet("p", tuple(Problem(f"p/{i}", f"{i}?", "") for i in range(9)))


@dataclass(frozen=True)
class Twice(Solver):
    """Asks, and asks again with the answer."""

    n: int = 2
    sampling: Any = Sampling(temperature=1.0, max_tokens=9)

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        (first,) = yield Sample(problem.question, self.sampling)
        (second,) = yield Sample(first.prefix, self.sampling)
        return ctx.solution(f"{first.text}{second.text}")


def engine(**settings: Any) -> ScriptedEngine:
    return ScriptedEngine(lambda prompt, seed: f" {seed % 1000}", **settings)


def system(**settings: Any) -> LiveSystem:
    return LiveSystem("twice@scripted", **{"solver": Twice(), "engine": engine(), **settings})


def stored(path: Path, live: LiveSystem) -> list[tuple[str, int, Solution]]:
    with Store.open(path) as store:
        run = generate(store, live, PROBLEMS)
        assert run.finished
        return [(row.problem_id, row.sample, row.solution) for row in store.rows(run)]


def untimed(rows: list[tuple[str, int, Solution]]) -> list[tuple[str, int, Solution]]:
    nothing = {"seconds_queue": None, "seconds_engine": None, "tokens_in": None, "tokens_cached": None}
    return [(name, k, replace(s, cost=replace(s.cost, **nothing))) for name, k, s in rows]


def test_every_sample_of_every_problem_is_answered_and_stored_with_its_cost(tmp_path: Path) -> None:
    live = system(n_samples=3)
    rows = stored(tmp_path / "store.db", live)
    assert [(name, sample) for name, sample, _ in rows] == [(p.id, k) for p in PROBLEMS for k in range(3)]
    assert [solution.cost.tokens_out for _, _, solution in rows] == [2] * 27
    assert len({solution.answer for _, _, solution in rows}) > 20
    assert live.engine.counted.tokens_out == 54  # type: ignore[attr-defined]  # a scripted engine counts


def test_answers_come_as_problems_finish_and_those_that_are_done_are_left_out() -> None:
    live = system(engine=engine(rows=1), n_samples=2)
    done = {(p.id, 0) for p in PROBLEMS} | {("p/3", 1)}
    answers = live.answers(PROBLEMS, done)
    first = next(answers)
    assert live.engine.n_jobs < 9  # type: ignore[attr-defined]  # a scripted engine counts
    rest = [(answer.problem_id, answer.sample) for answer in answers]
    assert sorted([(first.problem_id, first.sample), *rest]) == [(p.id, 1) for p in PROBLEMS if p.id != "p/3"]


def test_nothing_is_asked_when_everything_is_done() -> None:
    live = system()
    assert list(live.answers(PROBLEMS, {(p.id, 0) for p in PROBLEMS})) == []
    assert live.engine.n_jobs == 0  # type: ignore[attr-defined]  # a scripted engine counts


@pytest.mark.parametrize(
    "changed",
    [
        {"solver": Twice(n=3)},
        {"solver": Twice(sampling=Sampling(temperature=0.5))},
        {"engine": ScriptedEngine("other")},
        {"sampling": {"top_p": 0.9}},
        {"seed": 1},
        {"budget": Budget(tokens=100)},
        {"n_samples": 2},
    ],
)
def test_what_changes_an_answer_is_in_the_spec(changed: dict[str, Any]) -> None:
    assert system(**changed).spec() != system().spec()


@pytest.mark.parametrize("changed", [{"in_flight": 2}, {"engine": engine(rows=2)}, {"fail_fast": True}])
def test_what_changes_no_answer_is_not_in_the_spec(changed: dict[str, Any]) -> None:
    assert system(**changed).spec() == replace(system(), name="other").spec()


def test_a_changed_prompt_is_another_system(monkeypatch: pytest.MonkeyPatch) -> None:
    before = system().spec()
    monkeypatch.setattr("calculemus.study.live.templates_digest", lambda names, prompt_set: "changed")
    assert system().spec() != before


def test_a_solver_within_a_solver_is_described_with_its_parameters() -> None:
    assert system(solver=Twice(sampling=(Twice(n=5, sampling=None),))).spec()["solver"] == {
        "name": "Twice",
        "params": {"n": 2, "sampling": [{"name": "Twice", "params": {"n": 5, "sampling": None}}]},
    }


def test_a_solver_never_sees_the_answer(tmp_path: Path) -> None:
    seen: list[Problem] = []

    class Peeking(Twice):
        def solve(self, problem: Problem, ctx: Context) -> Steps:
            seen.append(problem)
            return super().solve(problem, ctx)

    secret = Problem("p", "6 * 7?", "42", "It is 42.", "print(42)", {"answers": ["42.0"], "steps": 1})
    live = system(solver=Peeking())
    assert len(list(live.answers(ProblemSet("s", (secret,)), ()))) == 1
    assert seen
    assert all("42" not in repr(problem) for problem in seen)
    assert seen[0].meta == {"steps": 1}


@pytest.mark.parametrize("changed", [{"budget": Budget(tokens=8)}, {"sampling": {"max_tokens": 0}}])
def test_wrong_settings_are_refused_before_any_work(changed: dict[str, Any]) -> None:
    live = system(**changed)
    with pytest.raises(InvalidParameterError):
        list(live.answers(PROBLEMS, ()))
    assert live.engine.n_jobs == 0  # type: ignore[attr-defined]  # a scripted engine counts


def test_an_engine_without_what_the_solver_asks_for_is_refused_before_any_work() -> None:
    class Values(Twice):
        def solve(self, problem: Problem, ctx: Context) -> Steps:
            yield Value((problem.question,))
            return ctx.solution(None)

    with pytest.raises(EngineCapabilityError, match="asks for Value"):
        list(system(solver=Values()).answers(PROBLEMS, ()))


def test_a_cache_saves_a_second_run_all_of_its_requests(tmp_path: Path) -> None:
    runs = []
    for name in ("first", "second"):
        with ReplyCache(tmp_path / "replies.db") as cache:
            live = system(cache=cache)
            runs.append((untimed(stored(tmp_path / f"{name}.db", live)), live))
    assert runs[0][0] == runs[1][0]
    assert runs[1][1].engine.n_jobs == 0  # type: ignore[attr-defined]  # a scripted engine counts


def start(folder: Path, pause: float, cache: str) -> "subprocess.Popen[bytes]":
    paths = [str(folder / "store.db"), str(folder / "log")]
    command = [sys.executable, str(SCRIPT), *paths, str(pause), cache]
    return subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)


def rows_of(folder: Path) -> list[tuple[str, int, Solution]]:
    with Store.open(folder / "store.db", readonly=True) as store:
        (run,) = store.runs()
        return untimed([(row.problem_id, row.sample, row.solution) for row in store.rows(run)])


def log_of(folder: Path) -> list[tuple[str, str, str]]:
    lines = (folder / "log").read_text().splitlines()
    return [tuple(line.split("\t")) for line in lines]  # type: ignore[misc]  # three fields


@pytest.mark.slow
@pytest.mark.parametrize("with_cache", [False, True])
def test_a_study_killed_twenty_times_pays_for_no_finished_problem_twice(
    tmp_path: Path, with_cache: bool
) -> None:
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    calm.mkdir()
    killed.mkdir()
    cache = str(killed / "replies.db") if with_cache else "none"
    with start(calm, 0, "none") as child:
        assert child.communicate(timeout=120)[0].count(b".") > 100
    finished: dict[int, set[str]] = {}
    waits = Rng(3, ("kill", int(with_cache))).generator().integers(3, 40, 20).tolist()
    for wait in waits:
        with start(killed, 1e-3, cache) as child:
            assert child.stdout is not None
            while wait > 0 and (dots := child.stdout.read(wait)):
                wait -= len(dots)
            child.send_signal(signal.SIGKILL)
        if (killed / "store.db").exists():
            finished[child.pid] = {name.replace("toys/", "Toy ") + "?" for name, _, _ in rows_of(killed)}
    with start(killed, 0, cache) as child:
        child.communicate(timeout=120)
    assert rows_of(killed) == rows_of(calm)
    assert any(0 < len(names) < 120 for names in finished.values()), "no kill fell into the study"
    paid_for: set[str] = set()
    before: str | None = None
    for process, question, _ in log_of(killed):
        if before is not None and process != before:
            paid_for |= finished[int(before)]
        before = process
        assert question not in paid_for
    asked = Counter((question, row) for _, question, row in log_of(killed))
    once = Counter((question, row) for _, question, row in log_of(calm))
    assert asked.keys() == once.keys()
    assert set(once.values()) == {1}
    if with_cache:
        # Only requests of which a row was in flight are asked again: eight rows, at most three a request.
        assert asked.total() - once.total() <= 3 * 8 * len(waits)

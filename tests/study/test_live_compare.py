"""Live systems side by side: what stops one stops all before any work, and none lives on another's costs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from calculemus import Problem
from calculemus.engine.requests import Chat, Sample, Sampling
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import EngineCapabilityError, EngineError, InvalidParameterError
from calculemus.grading import get_grader
from calculemus.problems.problemset import ProblemSet
from calculemus.solving import get_solver
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.store import Store
from calculemus.study.compare import compare
from calculemus.study.comparison import Comparison
from calculemus.study.live import LiveSystem
from calculemus.study.views import problem_views

PROBLEMS = ProblemSet("sums", tuple(Problem(f"sums/{i}", f"{i} + {i}?", str(2 * i)) for i in range(12)))
GRADER = get_grader("default")


class Remembering(ScriptedEngine):
    """Forgets what it has read when it is told to, as an engine with a cache of prefixes does."""

    def forget(self) -> None:
        self._seen.clear()


@dataclass(frozen=True)
class Ask(Solver):
    """Asks a problem's question as it is, or in a conversation."""

    is_chat: bool = False

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        prompt = Chat((("user", problem.question),)) if self.is_chat else problem.question
        (completion,) = yield Sample(prompt, Sampling(max_tokens=4))
        if completion.text == " stop":
            raise ValueError(f"stopped\nat {problem.id}")
        return ctx.solution(completion)


@dataclass(frozen=True)
class Refuse(Solver):
    """Raises before it asks for anything."""

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        raise ValueError("no")
        yield


def system(solver: Solver | str, engine: ScriptedEngine, **settings: Any) -> LiveSystem:
    built = get_solver(solver) if isinstance(solver, str) else solver
    return LiveSystem(f"{type(built).__name__.lower()}@scripted", built, engine, **settings)


def compared(folder: Path, *systems: LiveSystem, problems: ProblemSet = PROBLEMS) -> Comparison:
    with Store.open(folder / "store.db") as store:
        return compare(store, systems, problems, GRADER)


def speaking(facts: dict[str, Any], **settings: Any) -> ScriptedEngine:
    """An engine whose model has these facts."""
    engine = ScriptedEngine(" 1", **settings)
    engine.capabilities = replace(engine.capabilities, facts={**engine.capabilities.facts, **facts})
    return engine


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (lambda e: system("best_of_n:n=2,scorer=value", e), EngineCapabilityError, "'Value' requests"),
        (lambda e: system("cot", e, sampling={"max_tokens": 0}), InvalidParameterError, "max_tokens"),
        (
            lambda e: system("tot", speaking({"prompts": "tiny"})),
            InvalidParameterError,
            "asks with the prompts tot_answer, tot_list, tot_value; the model knows the prompt set 'tiny'",
        ),
        (lambda e: system("cot", speaking({}, context=20)), EngineError, "takes 20 with the completion"),
    ],
)
def test_what_stops_the_last_system_stops_all_before_any_is_asked(
    tmp_path: Path, bad: Callable[[ScriptedEngine], LiveSystem], error: type[Exception], message: str
) -> None:
    engine = ScriptedEngine(" 1")
    last = bad(engine)
    with pytest.raises(error, match=message):
        compared(tmp_path, system("cot", engine), last)
    assert engine.n_jobs == last.engine.n_jobs == 0  # type: ignore[attr-defined]  # scripted engines count


def test_an_error_about_prompts_names_methods_that_the_model_can_follow() -> None:
    with pytest.raises(InvalidParameterError) as raised:
        system("tot", speaking({"prompts": "tiny"})).check(PROBLEMS)
    proposed = str(raised.value).rpartition(": ")[2].split(", ")
    assert {"cot", "pal", "vote"} <= set(proposed)
    for name in proposed:
        system(name, speaking({"prompts": "tiny"})).spec()


def test_a_prompt_that_is_too_long_is_an_error_of_its_problem_alone(tmp_path: Path) -> None:
    long = Problem("sums/long", "and " * 30 + "1 + 1?", "2")
    problems = ProblemSet("sums", (long, *PROBLEMS))
    engine = ScriptedEngine(" 2", context=20, fault="error", is_faulty=lambda prompt: len(prompt) > 100)
    found = compared(tmp_path, system(Ask(), engine), problems=problems)
    (line,) = found.systems
    assert (line.errors, line.correct, line.n) == (1, 1, 13)  # 1 + 1
    (note,) = found.notes
    assert note.startswith("ask@scripted failed on 1 of 13 answers: 1 x EngineError; the first: sums/long: ")


def test_a_system_is_not_charged_less_for_what_another_has_computed(tmp_path: Path) -> None:
    costs = {}
    for order in (("Ask", "Again"), ("Again", "Ask")):
        engine = Remembering(" 1")
        methods = {"Ask": Ask(), "Again": type("Again", (Ask,), {})()}
        folder = tmp_path / order[0]
        folder.mkdir()
        for line in compared(folder, *(system(methods[name], engine) for name in order)).systems:
            costs[order[0], line.name] = (line.cost["tokens_in"], line.cost["tokens_cached"])
    assert len(costs) == 4
    assert set(costs.values()) == {costs["Ask", "ask@scripted"]}


def test_failures_are_counted_by_kind_and_the_first_is_told(tmp_path: Path) -> None:
    def say(prompt: str, seed: int) -> str:
        return " stop" if prompt.startswith("1") else " 0"

    found = compared(tmp_path, system(Ask(), ScriptedEngine(say)))
    (note,) = found.notes
    assert note.startswith("ask@scripted failed on 3 of 12 answers: 3 x ValueError; the first: ")
    assert note.endswith("the first: sums/1: ValueError: stopped at sums/1")
    assert found.systems[0].errors == 3


def test_a_system_without_failures_has_no_note(tmp_path: Path) -> None:
    assert compared(tmp_path, system(Ask(), ScriptedEngine(" 0"))).notes == ()


def test_the_opening_prompt_is_what_the_engine_is_asked(tmp_path: Path) -> None:
    asked: dict[str, str] = {}

    def say(prompt: str, seed: int) -> str:
        asked[prompt] = " 1"
        return " 1"

    for solver in (Ask(), Ask(is_chat=True), get_solver("cot:shots=2"), get_solver("vote:n=3")):
        live = system(solver, ScriptedEngine(say))
        asked.clear()
        list(live.answers(PROBLEMS, ()))
        assert [live.opening(problem) for problem in PROBLEMS] == list(asked)


def test_a_method_that_raises_before_it_asks_has_no_opening_prompt() -> None:
    assert system(Refuse(), ScriptedEngine("")).opening(PROBLEMS[0]) is None


def test_views_of_live_systems_have_prompts_costs_traces_and_failures(tmp_path: Path) -> None:
    def say(prompt: str, seed: int) -> str:
        return " stop" if prompt.startswith("3") else " 6"

    systems = [system(Ask(), ScriptedEngine(say)), system("vote:n=3", ScriptedEngine(" 6"))]
    with Store.open(tmp_path / "store.db") as store:
        comparison = compare(store, systems, PROBLEMS, GRADER)
        views = list(problem_views(store, comparison, PROBLEMS, systems))
        unknown = next(problem_views(store, comparison, PROBLEMS))
    asks, votes = zip(*(view.samples for view in views), strict=True)
    assert [view.prompts for view in views] == [(p.question, systems[1].opening(p)) for p in PROBLEMS]
    assert unknown.prompts == ()
    assert (asks[3][0].failure, asks[3][0].response) == ("ValueError: stopped at sums/3", None)
    assert "stopped" in asks[3][0].trace.nodes[0].text
    # A trace that only repeats the response is left out.
    assert (asks[4][0].response, len(asks[4][0].trace.nodes)) == (" 6", 0)
    assert [node.kind for node in votes[4][0].trace.nodes] == ["completion"] * 3
    assert votes[4][0].cost["tokens_out"] == 3

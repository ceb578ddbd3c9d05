"""A transform before a solver: the solver is asked the new question, and all else stays as it was."""

from pathlib import Path

import pytest

from calculemus.conformance import check_method
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import InvalidParameterError
from calculemus.problem import Problem
from calculemus.solving import get_solver, list_solvers
from calculemus.solving.transformed import Transformed
from calculemus.study.live import LiveSystem
from calculemus.study.systems import Live, open_systems

PROBLEM = Problem("p", "Tom ga 12 vuledai zeres. Miko zulo?", "12")
GLOSSED = "Tom ga 12 vuledai [apples] zeres [has]. Miko [how] zulo [many]?"
SMALL = {"vote": "vote:n=2", "best_of_n": "best_of_n:n=2;scorer=random"}


def prompts_of(solver: str, problem: Problem = PROBLEM) -> list[str]:
    """Return the prompts that a solver sends."""
    asked: list[str] = []

    def say(prompt: str, seed: int) -> str:
        asked.append(prompt)
        return "1. What?\n#### 12"

    list(Scheduler(ScriptedEngine(say)).solve_all(get_solver(solver), [(problem, 0)]))
    return asked


def test_a_transform_by_name_is_a_solver_before_the_inner_one() -> None:
    solver = get_solver("dip:order=append,inner=vote:n=8;temperature=0.5")
    assert solver == Transformed("dip:order=append", "vote:n=8;temperature=0.5")
    assert solver.solver == get_solver("vote:n=8,temperature=0.5")
    assert get_solver("dip") == Transformed("dip", "cot")


@pytest.mark.parametrize("inner", ["cot", "direct", "least_to_most", "vote:n=2", "tot:depth=1"])
def test_whatever_a_solver_asks_it_asks_with_the_new_question(inner) -> None:
    asked = prompts_of(f"dip:instruct=no,inner={inner}")
    assert asked == [
        prompt.replace(PROBLEM.question, GLOSSED) for prompt in prompts_of(inner.replace(";", ","))
    ]
    assert GLOSSED in asked[-1]


def test_no_coverage_sends_the_prompts_of_the_inner_solver() -> None:
    assert prompts_of("dip:share=0") == prompts_of("cot")


def test_the_trace_ends_with_what_was_asked_and_keeps_the_steps() -> None:
    solver = get_solver("dip:instruct=no")
    ((_, _, solution),) = Scheduler(ScriptedEngine("#### 12")).solve_all(solver, [(PROBLEM, 0)])
    assert [(node.kind, node.text) for node in solution.trace.nodes] == [
        ("completion", "#### 12"),
        ("question", GLOSSED),
    ]
    assert solution.trace.nodes[-1].meta["dip"]["found"] == 4


def test_the_key_of_a_run_changes_with_the_content_of_the_word_list(tmp_path: Path) -> None:
    specs = []
    for text in ("apfel\tapple\n", "apfel\tpear\n"):
        folder = tmp_path / str(len(specs))
        folder.mkdir()
        (folder / "list.tsv").write_text(text, "utf-8")
        solver = get_solver(f"dip:dictionary={folder / 'list.tsv'}")
        specs.append(LiveSystem("x", solver, ScriptedEngine("1")).spec())
    assert specs[0]["reads"] != specs[1]["reads"]
    assert "reads" not in LiveSystem("x", get_solver("cot"), ScriptedEngine("1")).spec()


def test_a_comparison_takes_it_with_and_without_a_model() -> None:
    with Live(model="http://127.0.0.1:9/v1#m") as live:
        live._engines["http://127.0.0.1:9/v1#m"] = ScriptedEngine("1")
        (system,) = open_systems(["dip:inner=cot"], live=live)
    assert isinstance(system, LiveSystem)
    assert system.solver == Transformed("dip", "cot")


@pytest.mark.parametrize("name", ["dopamine:inner=cot", "dip:inner=cott", "dip:oder=append", "dip:share=2"])
def test_what_is_not_there_is_refused_by_name(name) -> None:
    with pytest.raises(InvalidParameterError):
        get_solver(name)


def test_a_transform_is_no_solver_of_the_list() -> None:
    assert "dip" not in [card.id for card in list_solvers()]


def test_it_keeps_to_every_rule_of_solvers() -> None:
    report = check_method(get_solver("dip:inner=cot"))
    assert [f"{fault.check}: {fault.message}" for fault in report.faults] == []

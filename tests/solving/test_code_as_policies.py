"""Code as Policies: what is missing is written, once and in order, and nothing runs before all is there."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from calculemus.engine.requests import Run
from calculemus.engine.sandbox import Sandbox
from calculemus.grading import get_grader
from calculemus.problem import Problem
from calculemus.problems import load
from calculemus.solving.code_as_policies import MOST_CALLS, CodeAsPolicies
from calculemus.solving.code_as_policies_claim import LINES, play

QUESTION = Problem("q", "How many eggs?", "18")
TABLE = Problem(
    "t", "Swap them.", "", meta={"world": {"red box": [1, 2], "blue box": [3, 4], "green box": [0, 0]}}
)
GRADER = get_grader("tabletop")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1) as sandbox:
        yield sandbox


@pytest.fixture
def solve(sandbox: Sandbox, drive, completion) -> Callable[..., Any]:
    """Return what solves with a first program, and functions by name."""

    def with_texts(first: str, functions: dict[str, str], problem: Problem = TABLE, **params: Any) -> Any:
        def reply(request: Any) -> Any:
            if isinstance(request, Run):
                return sandbox.run(request.program, entry=request.entry, **request.options)
            return (completion(functions.get(wanted(request.prompt), first)),)

        return drive(CodeAsPolicies(**params), problem, reply)

    return with_texts


def wanted(prompt: str) -> str:
    """Return the function that a prompt asks for; an empty text where it asks for the program."""
    last = prompt.rstrip("\n").rpartition("\n")[2]
    return last.removeprefix("# define function: ").partition("(")[0] if "define function" in last else ""


def asked_for(driven: Any) -> list[str]:
    return [wanted(request.prompt) for request in driven.asked if not isinstance(request, Run)][1:]


FUNCTIONS = {
    "swap": (
        "def swap(a, b):\n    x, y = get_pos(a)\n    park(a)\n    go(a, b)\n    move(b, x, y)\n    unpark(a)"
    ),
    "park": "def park(name):\n    move(name, 9, 9)",
    "go": "def go(a, b):\n    spare(get_pos(b))",
    "spare": "def spare(place):\n    park('green box')",
    "unpark": "def unpark(name):\n    return None",
}


def test_functions_are_written_depth_first_and_stand_below_those_they_call(solve) -> None:
    functions = {**FUNCTIONS, "spare": "def spare(place):\n    return place"}
    driven = solve("swap('red box', 'blue box')", functions)
    assert asked_for(driven) == ["swap", "park", "go", "spare", "unpark"]
    runs = [request for request in driven.asked if isinstance(request, Run)]
    assert [type(request) for request in driven.asked] == [type(driven.asked[0])] * 6 + [Run] * len(runs)
    program = runs[-1].program
    order = [program.index(f"def {name}(") for name in ("park", "spare", "go", "unpark", "swap")]
    assert order == sorted(order)
    assert program.endswith("\n\nswap('red box', 'blue box')")
    assert all(program.count(f"def {name}(") == 1 for name in functions)
    assert driven.solution.answer.splitlines() == [
        "get_pos('red box')", "move('red box', 9, 9)", "get_pos('blue box')", "move('blue box', 1, 2)"
    ]  # fmt: skip
    defined = [node.meta.get("defines") for node in driven.solution.trace.nodes if node.kind == "code"]
    assert defined == [None, "swap", "park", "go", "spare", "unpark"]


def test_the_prompt_names_the_function_and_the_line_that_calls_it(solve) -> None:
    driven = solve("for i in range(2):\n    park(name='red box')", FUNCTIONS)
    prompt = driven.asked[1].prompt
    assert prompt.endswith("# called as: park(name='red box')\n# define function: park(name='red box').\n")
    assert driven.asked[0].prompt.endswith("objects = ['red box', 'blue box', 'green box']\n# Swap them.\n")


def test_mutual_recursion_ends_and_each_function_is_written_once(solve) -> None:
    functions = {
        "even": "def even(n):\n    return True if n == 0 else odd(n - 1)",
        "odd": "def odd(n):\n    return False if n == 0 else even(n - 1)",
    }
    driven = solve("def solution():\n    return [even(4), odd(4), even(3)]", functions, QUESTION)
    assert asked_for(driven) == ["even", "odd"]
    assert driven.solution.answer == "[True, False, False]"


def test_a_function_that_several_need_is_written_once(solve) -> None:
    functions = {
        "a": "def a():\n    return c() + 1",
        "b": "def b():\n    return c() + 2",
        "c": "def c():\n    return 3",
    }
    driven = solve("def solution():\n    return a() + b() + c()", functions, QUESTION)
    assert asked_for(driven) == ["a", "c", "b"]
    assert driven.solution.answer == "12"


@pytest.mark.parametrize(
    ("params", "undefined"),
    [
        ({"max_depth": 3}, "functions call functions 3 deep; still undefined: f3"),
        ({"max_functions": 4}, "4 functions were written; still undefined: f4"),
        ({"hierarchical": False}, "no functions are written without 'hierarchical'; still undefined: f0, g"),
    ],
)
def test_a_limit_ends_in_the_names_that_are_still_undefined(solve, params, undefined) -> None:
    functions = {f"f{n}": f"def f{n}():\n    return f{n + 1}()" for n in range(30)}
    driven = solve("f0()\ng()", {**functions, "g": "def g(): pass"}, **params)
    assert driven.solution.failure == f"undefined: {undefined}"
    assert not any(isinstance(request, Run) for request in driven.asked)


@pytest.mark.parametrize(
    ("program", "failure"),
    [
        ("mov('red box', 1, 1)", "unknown_call: mov() is no part of it; did you mean move()?"),
        (
            "put_first_on_secnd('a', 'b')",
            "unknown_call: put_first_on_secnd() is no part of it; did you mean put_",
        ),
        (
            "robot.move('red box', 1, 1)",
            "unknown_call: robot.move() is no part of the control interface; did",
        ),
        ("robot.arm.lift(3)", "unknown_call: robot.arm.lift() is no part of the control interface"),
        ("def move(name, x, y):\n    return 3", "redefined: the program defines move"),
        ("move = print", "redefined: the program defines move"),
        ("move('red box', 1", "syntax: SyntaxError"),
    ],
)
def test_what_is_not_on_the_list_is_refused_before_anything_runs(solve, program, failure) -> None:
    driven = solve(program, {})
    assert (driven.solution.failure or "").startswith(failure)
    assert len(driven.asked) == 1
    inside = solve(
        "go_there()", {"go_there": f"def go_there():\n    {program}".replace("\n    return", "; return")}
    )
    assert inside.solution.answer is None
    assert not any(isinstance(request, Run) for request in inside.asked) or "redefined" in failure


def test_a_reply_that_defines_something_else_is_a_failure(solve) -> None:
    assert solve("park('red box')", {"park": "x = 1"}).solution.failure == (
        "no_function: asked to define park(), the model wrote something else"
    )
    assert (solve("park('red box')", {"park": "Of course!"}).solution.failure or "").startswith("syntax:")


def test_what_the_table_refuses_ends_the_program(solve) -> None:
    driven = solve("move('red box', 5, 5)\nmove('blue box', 5, 5)\nmove('red box', 6, 6)", {})
    assert driven.solution.failure == (
        "refused_call: move('blue box', 5, 5): tabletop: 'blue box' cannot go to (5, 5): a box stands there"
    )
    assert (solve("x = get_pos('red box') / 2", {}).solution.failure or "").startswith("TypeError")
    assert (solve("x = 1", {}).solution.failure or "").startswith("no_calls")
    endless = solve("while True:\n    get_names()", {})
    assert endless.solution.failure == f"max_calls: the program makes more than {MOST_CALLS} calls"


def test_replies_steer_the_program_and_the_log_is_the_answer(solve) -> None:
    program = (
        "for name in get_names():\n    if get_pos(name)[0] > 0:\n"
        "        put_first_on_second(name, 'green box')\n        break"
    )
    driven = solve(program, {})
    assert driven.solution.answer == (
        "get_names()\nget_pos('red box')\nput_first_on_second('red box', 'green box')"
    )
    state = "blue box at (3, 4); green box at (0, 0); red box on green box"
    assert GRADER.grade(Problem("t", "?", state, meta=TABLE.meta), driven.solution.answer).correct


@pytest.mark.parametrize("steps", [1, 4])
def test_helper_by_helper_solves_what_flat_programs_of_six_lines_do_not(
    sandbox, drive, completion, steps
) -> None:
    def reply(request: Any) -> Any:
        if isinstance(request, Run):
            return sandbox.run(request.program, entry=request.entry, **request.options)
        text = play(request.prompt, 0)
        assert len(text.splitlines()) <= LINES
        return (completion(text),)

    commands = load(f"tabletop:n=8,steps={steps},seed=3").problems
    solved = {
        is_deep: sum(
            GRADER.grade(c, drive(CodeAsPolicies(hierarchical=is_deep), c, reply).solution.answer).correct
            for c in commands
        )
        for is_deep in (False, True)
    }
    assert solved[True] == len(commands)
    assert solved[False] == len(commands) if steps == 1 else solved[False] <= 3

"""Chain of Code: Python computes, the model plays what is not defined, and each does nothing else."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from calculemus.engine.requests import Run
from calculemus.engine.sandbox import Call, Sandbox
from calculemus.errors import BudgetExceededError
from calculemus.problem import Problem
from calculemus.solving.chain_of_code import ChainOfCode
from calculemus.solving.pal import Pal
from calculemus.solving.stating import read_delta, showing_state, split_statements

QUESTION = Problem("fruit", "How many of these are fruit?", "4")
FRUIT = ("apple", "pear", "plum", "fig")
WORDS = ["apple", "chair", "pear", "plum", "lamp", "fig", "spoon"]
LOOP = f"words = {WORDS!r}\nanswer = 0\nfor w in words:\n    if is_fruit(w):\n        answer += 1\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1) as sandbox:
        yield sandbox


@pytest.fixture
def solve(sandbox: Sandbox, drive, completion) -> Callable[..., Any]:
    """Return what solves with a program, and a model that answers calls and statements."""

    def with_program(program: str, answer: Callable[[str], str] = str, **params: Any) -> Any:
        first = iter([program])

        def reply(request: Any) -> Any:
            if isinstance(request, Run):
                return sandbox.run(request.program, entry=request.entry, **request.options)
            said = next(first, None)
            return (completion(answer(request.prompt) if said is None else said),)

        return drive(ChainOfCode(**params), QUESTION, reply)

    return with_program


def call_of(prompt: str) -> str:
    """Return the call that a prompt asks about."""
    return prompt.rstrip().removesuffix("->").rstrip().rpartition("\n")[2]


def knows_fruit(prompt: str) -> str:
    return " yes" if any(repr(fruit) in call_of(prompt) for fruit in FRUIT) else " no"


def asked_of_model(driven: Any) -> list[Any]:
    return [request for request in driven.asked if not isinstance(request, Run)][1:]


def test_a_count_over_seven_words_makes_seven_requests_and_counts_right(solve) -> None:
    driven = solve(LOOP, knows_fruit)
    assert driven.solution.answer == "4"
    asked = asked_of_model(driven)
    assert [call_of(request.prompt) for request in asked] == [f"is_fruit({word!r})" for word in WORDS]
    assert all("Reply with True or False" in request.prompt for request in asked)
    steps = [node.text for node in driven.solution.trace.nodes if node.kind == "step"]
    assert steps == [f"is_fruit({word!r}) -> {word in FRUIT}" for word in WORDS]


def test_equal_calls_are_asked_once(solve) -> None:
    twice = LOOP.replace("words = [", "words = ['fig', 'fig', 'lamp', ")
    driven = solve(twice, knows_fruit)
    assert driven.solution.answer == "6"
    assert len(asked_of_model(driven)) == len(WORDS)


PLAIN = {
    "a function": "def solution():\n    return 6 * 7",
    "a variable": "answer = sum(i * i for i in range(5))",
    "a failure": "def solution():\n    return 1 / 0",
    "no program": "I would rather talk about the weather.",
    "a missing value": "def solution():\n    x = 3",
}


@pytest.mark.parametrize("program", PLAIN.values(), ids=PLAIN)
def test_a_program_without_undefined_calls_costs_nothing_more_and_equals_pal(
    solve, drive, sandbox, completion, program
) -> None:
    driven = solve(program)
    assert asked_of_model(driven) == []

    def reply(request: Any) -> Any:
        if isinstance(request, list):
            return [sandbox.run(each.program) for each in request]
        return sandbox.run(request.program) if isinstance(request, Run) else (completion(program),)

    pal = drive(Pal(), QUESTION, reply).solution
    assert driven.solution.answer == pal.answer
    assert (driven.solution.failure or "").partition(":")[0] == (pal.failure or "").partition(":")[0]


@pytest.mark.parametrize(
    ("program", "answer", "n_calls"),
    [
        ("answer = len([w for w in ['fig', 'lamp'] if is_fruit(w)])", "1", 2),
        ("f = lambda w: is_fruit(w)\nanswer = f('fig') and f('lamp')", "False", 2),
        ("answer = 'x' if is_fruit('lamp') and is_fruit('fig') else 'y'", "y", 1),
        (
            "n = 0\nws = ['fig', 'pear', 'lamp', 'plum']\nwhile is_fruit(ws[n]):\n    n += 1\nanswer = n",
            "2",
            3,
        ),
        ("answer = any(is_fruit(w) for w in ['lamp', 'fig', 'pear'])", "True", 2),
        ("answer = list(filter(is_fruit, ['lamp', 'fig']))", "['fig']", 2),
        ("def solution():\n    return 10 if not is_fruit('lamp') else 0", "10", 1),
        ("answer = is_fruit(str(is_fruit('fig')))", "False", 2),
    ],
)
def test_wherever_a_call_stands_python_does_the_rest(solve, program, answer, n_calls) -> None:
    driven = solve(program, knows_fruit)
    assert driven.solution.answer == answer
    assert len(asked_of_model(driven)) == n_calls


def test_the_budget_of_calls_stops_a_loop_without_an_end(solve) -> None:
    driven = solve("n = 0\nwhile is_small(n):\n    n += 1\nanswer = n", lambda prompt: "True", max_calls=5)
    assert driven.solution.failure == (
        "max_calls: the model was asked 5 times and the program asks for more: is_small(5)"
    )
    assert len(asked_of_model(driven)) == 5
    same = solve("while is_up():\n    pass", lambda prompt: "True", max_calls=5)
    assert (same.solution.failure or "").startswith("max_calls: after 500 replies")
    assert len(asked_of_model(same)) == 1


def test_a_reply_that_cannot_be_read_is_asked_for_once_more(solve) -> None:
    said = iter(["I cannot tell.", "no"])
    driven = solve("answer = 1 if is_fruit('lamp') else 2", lambda prompt: next(said))
    assert driven.solution.answer == "2"
    first, second = asked_of_model(driven)
    assert "could not be read" not in first.prompt
    assert "could not be read. Write nothing but True or False." in second.prompt
    never = solve("answer = 1 if is_fruit('lamp') else 2", lambda prompt: "I cannot tell.")
    assert never.solution.failure == (
        "unreadable_reply: the model was asked for True or False and wrote 'I cannot tell.'"
    )
    assert len(asked_of_model(never)) == 2


def test_a_slip_of_the_pen_is_reported_and_not_played(solve) -> None:
    program = "def count_all(xs):\n    return len(xs)\nanswer = count_al([1, 2])"
    driven = solve(program, lambda prompt: "7")
    assert (driven.solution.failure or "").startswith("typo: 'count_al' is not defined, and 'count_all' is")
    assert asked_of_model(driven) == []
    assert solve(program, lambda prompt: "7", strict=False).solution.answer == "7"
    variable = solve("total = 3\nanswer = totl + 1")
    assert (variable.solution.failure or "").startswith("typo: 'totl'")
    unlike = solve("total = 3\nanswer = weight + 1")
    assert (unlike.solution.failure or "").startswith("NameError: name 'weight'")
    not_run = solve("total = 3\nanswer = totl() if total > 5 else total")
    assert not_run.solution.answer == "3"


def test_a_statement_that_is_no_python_is_handed_over_with_the_state(solve) -> None:
    program = "import math\nx = 4\nnames = ['b', 'a']\ny = the square root of x, roughly\nanswer = y + abs(x)"
    driven = solve(program, lambda prompt: "The state changes by {'y': 2}")
    assert driven.solution.answer == "6"
    (asked,) = asked_of_model(driven)
    assert "{'x': 4, 'names': ['b', 'a']}" in asked.prompt
    assert "y = the square root of x, roughly\nWhich" in asked.prompt
    both = "n = 0\nk gets 9 / 3\nfor w in ['fig', 'lamp']:\n    if is_fruit(w):\n        n += k\nanswer = n"
    answers = solve(both, lambda prompt: "{'k': 3}" if "Which variables" in prompt else knows_fruit(prompt))
    assert answers.solution.answer == "3"
    broken = solve(program, lambda prompt: "y is 2")
    assert (broken.solution.failure or "").startswith(
        "unreadable_reply: the model was asked for a dictionary"
    )
    assert len(asked_of_model(broken)) == 2
    none = solve(program, lambda prompt: "{'y': 2}", max_calls=0)
    assert (none.solution.failure or "").startswith("max_calls: the model was asked 0 times")


def test_the_other_variants_are_python_alone_and_the_model_alone(solve) -> None:
    python = solve(LOOP, knows_fruit, variant="python")
    assert (python.solution.failure or "").startswith("NameError")
    assert len(python.asked) == 2
    model = solve(LOOP, lambda prompt: "I count.\n#### 4", variant="lm")
    assert "4" in model.solution.answer
    assert not any(isinstance(request, Run) for request in model.asked)
    after = solve(LOOP, lambda prompt: "#### 4", variant="try_python_except_lm")
    assert "4" in after.solution.answer
    assert len(after.asked) == 3
    before = solve("answer = 5", lambda prompt: "#### 4", variant="try_python_except_lm")
    assert before.solution.answer == "5"
    assert len(before.asked) == 2
    assert solve(LOOP, lambda prompt: "", variant="lm").solution.failure.startswith("no_answer:")


def test_a_budget_that_ends_between_calls_is_not_an_answer(solve, drive, completion, sandbox) -> None:
    n = iter(range(9))

    def reply(request: Any) -> Any:
        if isinstance(request, Run):
            return sandbox.run(request.program, **request.options)
        return (completion(LOOP),) if next(n) == 0 else BudgetExceededError("no tokens left")

    with pytest.raises(BudgetExceededError):
        drive(ChainOfCode(), QUESTION, reply)


def test_programs_are_cut_at_the_left_margin() -> None:
    program = 'x = """a\nb = c d"""\nif x:\n    y = 1\nelse:\n    y = 2\nsay what y is\nz = [\n    1,\n]\n\n'
    cut = split_statements(program)
    assert [each.tree is not None for each in cut] == [True, True, False, True]
    assert cut[2].text == "say what y is"
    assert "\n".join(each.text for each in cut).rstrip() == program.rstrip()


def test_a_state_is_the_variables_that_are_data(sandbox: Sandbox) -> None:
    program = (
        "import math\nx = (1, 'a')\ndef f():\n    return 1\ng = f\nif x is None:\n    y = 2\nfor i in [5]: i"
    )
    run = sandbox.run(showing_state(split_statements(program)), entry=None)
    assert run.value == {"x": (1, "a"), "i": 5}


def test_deltas_are_literal_dictionaries_of_names() -> None:
    assert read_delta("{'a': [1, 2.5], 'b': None}") == {"a": [1, 2.5], "b": None}
    for text in ("", "{", "{1: 2}", "{'a b': 2}", "{'a': f()}", "{'a', 'b'}", "{'a': ...}"):
        assert read_delta(text) is None


def test_calls_are_written_as_python_writes_them() -> None:
    assert Call("f", (1, "a"), {"z": 1.0, "k": None}).source == "f(1, 'a', k=None, z=1.0)"

"""The look at a program: what is one, where it may run, and how its value is found."""

import ast
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.engine.sandbox import Limits, Sandbox
from calculemus.engine.sandbox.look import look
from calculemus.engine.sandbox.reading import UNREADABLE
from calculemus.engine.sandbox.source import read_program

GOOD = "def solution():\n    return 42\n"


@pytest.mark.parametrize(
    "text",
    [
        f"```python\n{GOOD}```",
        f"```\n{GOOD}```\nDone.",
        f"Sure! Here it is:\n\n```py\n{GOOD}",
        "   ```python\n    def solution():\n        return 42\n   ```",
        "\n".join("    " + line for line in GOOD.splitlines()),
        f"{GOOD}\nThe answer is 42.",
        f"{GOOD}\n\nQ: Next question?\n\ndef solution():\n    x = (",
        f"Let us write a program.\n\n{GOOD}",
        f"Let us see.\n{GOOD}\nThat's it!",
        f"\ufeff{GOOD}",
        f'{GOOD}\n\n\n\n"""Question: what',
        "```python\nx = 40\n```\nthen\n```python\ndef solution():\n    return x + 2\n```",
        GOOD.replace("\n", "\r\n"),
        f"First this.\n```python\n{GOOD}```\n```output\n42\n```\nThe answer is $\\boxed{{42}}$.",
        "```python\nx = 40\n```\n```output\n```\nNow\n```Python\nprint(x + 2)\n```\n```output\n42\n```",
    ],
)
def test_a_program_is_found_among_fences_and_talk(sandbox: Sandbox, text: str) -> None:
    assert sandbox.run(text).value == 42


@pytest.mark.parametrize(
    "text",
    [
        "def solution(:\n    return 42",
        "def solution():\n    x = (\n    return 42",
        "def solution():\nreturn 42",
        "Just words, no program at all.",
        "def solution():\n    return 42\x00",
        "x = 1\nthis is where the answer would be\nanswer = 2",
        "return 42",
        "```python\ndef solution(\n```",
        "def solution():\n    return '\ud800'.encode(",
    ],
)
def test_half_a_program_is_a_syntax_error_and_never_runs(sandbox: Sandbox, text: str) -> None:
    run = sandbox.run(text)
    assert (run.status, run.error_kind, run.value) == ("raised", "syntax", None)


@pytest.mark.parametrize(
    "bomb",
    [
        "(" * 5000, "-" * 20000 + "1", "not " * 20000 + "1", "a." * 30000 + "a", "[" * 150 + "]" * 150,
        "1 if 1 else " * 9000 + "1", "1+" * 40000 + "1", "lambda:" * 9000 + "1", "x" + "()" * 30000,
        "f'{" * 100 + "1" + "}'" * 100, "x" + "[0]" * 30000, "'\\N{" * 9000, "@a\n" * 20000 + "def f(): 1",
        "".join(" " * n + "if 1:\n" for n in range(99)) + " " * 99 + "1",
    ],
)  # fmt: skip
def test_text_that_is_hard_to_parse_ends_as_a_run(sandbox: Sandbox, bomb: str) -> None:
    run = sandbox.run(bomb, limits=Limits(cpu_seconds=1, wall_seconds=2))
    assert run.status in ("raised", "ok", "memory", "timeout", "crashed")
    assert sandbox.run("answer = 1").value == 1


@given(st.text())
def test_any_text_is_read_or_refused_and_nothing_else_happens(text: str) -> None:
    try:
        plan = look(text, "solution", {})
    except UNREADABLE:
        return
    assert plan.lowest in ("mini", "std", "sci")


@given(st.text(alphabet="\\dnN'\" rbfu{}x0$%\n"))
def test_odd_escapes_never_become_warnings_and_change_no_syntax(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = [type(node) for node in ast.walk(ast.parse(text))]
        except (SyntaxError, ValueError):
            return
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="invalid escape")
        tree = read_program(text, None).tree
    assert [type(node) for node in ast.walk(tree)] == expected


def test_what_python_would_run_is_never_changed() -> None:
    text = "def solution():\n    return '```python\\nx```'\n# The end, \\d"
    assert read_program(text, "solution").text == text


MINI = [
    "answer = sum(x for x in [1, 2])",
    "answer = [a + b for a, b in zip([1], [2])]",
    "total = 0\nfor i, x in enumerate([3, 4]):\n    total += i * x\nanswer = total",
    "answer = ', '.join(str(n) for n in range(3))",
    "a, b = map(int, ['1', '2'])\nanswer = a + b",
    "print(*map(str, [1, 2]))",
    "x = None\nanswer = 1 if x is None else 2",
    "answer = any(n > 2 for n in [1, 2, 3])",
    "import math\nanswer = math.prod(n for n in range(1, 5))",
    "answer = sorted(zip([2, 1], 'ab'), reverse=True)",
    "answer = list(map(lambda n: n * 2, [1, 2]))",
]
STD = [
    ("pairs = zip([1], [2])\nanswer = list(pairs) + list(pairs)", "zip"),
    ("answer = any(print(n) or n > 1 for n in range(9))", "generator"),
    ("def f(n):\n    print(n)\n    return n\nanswer = all(f(n) < 2 for n in range(9))", "generator"),
    ("xs = [1, 2]\nfor i, x in enumerate(xs):\n    if i < 1:\n        xs[1] += x\nanswer = xs", "enumerate"),
    ("xs = [1, 2, 3]\nfor x in reversed(xs):\n    xs[0] += x\nanswer = xs[0]", "reversed"),
    ("xs = [1]\ndef f():\n    xs[0] += 1\nfor i, x in enumerate(xs):\n    f()\nanswer = xs", "enumerate"),
    ("answer = len(map(abs, [1]))", "map"),
    ("answer = [x for x in {3, 1, 10, 2}]", "Set"),
    ("answer = 1000 is 10 ** 3", "is"),
    ("answer = hash('a') == hash('a')", "hash"),
    ("try:\n    int('x')\nexcept ValueError as e:\n    answer = str(e)", "text of an error"),
    ("class A:\n    pass\nanswer = 1", "ClassDef"),
    ("answer = type(1) == int", "type"),
    ("if (answer := 3):\n    x = [n for n in [1]]", ":="),
    ("solution = lambda: 5", "may be a function"),
    ("list = [1]\nanswer = list", "list"),
    ("def max(a, b):\n    return b\nanswer = max(2, 1)", "max"),
    ("import os\nanswer = 1", "os"),
    ("from math import *\nanswer = floor(2.5)", "math"),
    ("answer = 5\ndel answer\nanswer = 6", "Delete"),
    ("g = (n for n in [1, 2])\nanswer = sum(g) + sum(g)", "generator"),
    ("answer = __file__ == 'x'", "__file__"),
]  # fmt: skip


@pytest.mark.parametrize("program", MINI)
def test_iterators_that_are_used_up_at_once_run_on_mini_with_the_same_end(
    sandbox: Sandbox, program: str
) -> None:
    low, high = sandbox.run(program, "mini"), sandbox.run(program, "std")
    assert (low.status, low.value, low.stdout) == (high.status, high.value, high.stdout)
    assert low.ok


@pytest.mark.parametrize(("program", "reason"), STD)
def test_where_mini_would_differ_it_is_not_asked(sandbox: Sandbox, program: str, reason: str) -> None:
    assert reason in str(look(program, "solution", {}).reason)
    assert sandbox.run(program, "mini").status == "unsupported"
    assert sandbox.run(program).tried == ("std",)


@pytest.mark.parametrize("package", ["numpy", "scipy.optimize", "sympy", "pandas"])
@pytest.mark.parametrize(
    "form", ["import {} as p", "from {} import x", "def solution():\n    import {}\n    return 1"]
)
def test_a_program_that_imports_the_sciences_starts_on_sci(package: str, form: str) -> None:
    assert look(form.format(package), "solution", {}).lowest == "sci"


@pytest.mark.parametrize(
    ("program", "value"),
    [
        ("(1 + 2) * (3)", 9),
        ("x = 4; (x)", 4),
        ("x = 4; x + 1; # the end", 5),
        ("'é日本'; (\n  [1,\n   2]\n)", [1, 2]),
        ("answer = 5\nprint('x')", 5),
        ("ans = 6\nprint('x')", 6),
        ("result = 7\nprint(8)", 8),
        ("solution = [7]\nprint(solution[0] + 1.5)", 8.5),
        ("result = 7\nprint('seven')", 7),
        ("print(8)\nresult = 7", 7),
        ("def solution():\n    return 7\nprint(solution() + 1)", 7),
        ("result = print\nprint(8)", 8),
        ("def solution(x, y=1):\n    return x + y\nprint(solution(5))", 6),
        ("def solution(x):\n    return x\nanswer = solution(5)", 5),
        ("def solution(x, *, y):\n    return x + y\nsolution(5, y=2)", 7),
        ("print(8.0)", 8.0),
        ("print('the answer: 9')\nprint()\n", "the answer: 9"),
        ("if False:\n    answer = 1\nprint(10)", 10),
        ("solution = 11", 11),
        ("solution = lambda: 12", 12),
        ("def solution():\n    return 13\nsolution = solution()", 13),
        ("def solution():\n    print(14)\nsolution()", 14),
        ("def solution():\n    return 15\n16", 15),
        ("if True:\n    def solution():\n        return 17\nelse:\n    x = 1", 17),
        ("from functools import lru_cache\n@lru_cache\ndef solution():\n    return 18", 18),
        ("import sys\ndef solution():\n    return 19\nsys.exit()", 19),
        ("def solution(a, b=2, *, c=3):\n    return a + b + c", 13),
        ("answer = a", 10),
    ],
)
def test_every_tier_finds_the_same_value_in_the_same_place(
    sandbox: Sandbox, program: str, value: object
) -> None:
    for tier in ("mini", "std", "sci"):
        run = sandbox.run(program, tier, inputs={"a": 10, "c": 1} if "c=3" in program else {"a": 10})
        if run.status != "unsupported":
            expected = 13 if "c=3" in program else value
            assert (run.status, run.value) == ("ok", expected), (tier, run)
    assert sandbox.run(program, inputs={"a": 10, "c": 1} if "c=3" in program else {"a": 10}).value == value


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("x = 1", "no_function"),
        ("def other():\n    return 1", "no_function"),
        ("", "no_function"),
        ("def solution():\n    x = 1", "no_return"),
        ("def solution():\n    return solution", "not_data"),
        ("def solution():\n    return 1 / 0", "ZeroDivisionError"),
        ("def solution():\n    return undefined", "NameError"),
        ("def solution(a):\n    return a", "TypeError"),
        ("def solution(a):\n    return a\nx = solution(1)", "no_function"),
        ("import no_such_module", "import_not_allowed"),
        ("import socket\nsocket.socket()", "system_call"),
        ("name = input()", "EOFError"),
        ("x = [\n1", "syntax"),
        ("def f():\n    nonlocal x", "syntax"),
    ],
)
def test_every_failure_has_its_own_kind(sandbox: Sandbox, program: str, kind: str) -> None:
    run = sandbox.run(program)
    assert not run.ok
    assert (run.error_kind, run.value) == (kind, None)
    assert run.error


def test_a_value_that_is_no_number_is_a_failure_only_where_one_is_required(sandbox: Sandbox) -> None:
    run = sandbox.run("answer = 'Monday'")
    assert (run.status, run.value) == ("ok", "Monday")
    refused = run.require_number()
    assert (refused.status, refused.error_kind, refused.value) == ("raised", "non_numeric", None)
    assert "Monday" in str(refused.error)
    assert sandbox.run("answer = 5").require_number().value == 5

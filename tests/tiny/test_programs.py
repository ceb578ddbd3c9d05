"""Straight-line programs come to what Python makes of them; everything else comes to nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.problems.generated import Generated, Spec
from calculemus.tiny.programs import result


@pytest.mark.parametrize("level", range(1, 9))
def test_a_generated_program_comes_to_its_answer(level: int) -> None:
    source = Generated(Spec.level(level), "iid")
    for item in (source[index] for index in range(50)):
        assert str(result(item.program)) == item.answer


@given(
    st.lists(st.tuples(st.integers(0, 99), st.sampled_from(["+", "-", "*", "//", "%"])), max_size=4),
    st.integers(-99, 99),
)
def test_a_program_comes_to_what_python_makes_of_it(sums: list[tuple[int, str]], start: int) -> None:
    lines = [f"    a = {start}", *(f"    a = a {sign} {number}" for number, sign in sums)]
    program = "\n".join(["def solution():", *lines, "    return -a"])
    names: dict = {}
    exec(program, names)
    try:
        expected = names["solution"]()
    except ZeroDivisionError:
        expected = None
    assert result(program) == expected


@pytest.mark.parametrize(
    "body",
    [
        "    return b",
        "    a = 1",
        "    return",
        "    return 1 // 0",
        "    return True",
        "    return 1.5",
        "    return 10 ** 9",
        "    return __import__('os').getpid()",
        "    while True:\n        pass",
        "    return 9999999999 * 9999999999",
        "    return (",
        "",
        "    return " + "(" * 500 + "1" + ")" * 500,
    ],
)
def test_anything_else_comes_to_nothing(body: str) -> None:
    assert result(f"def solution():\n{body}") is None


@pytest.mark.parametrize(
    "program", ["", "\0", "x = 1", "def other():\n    return 1", "def solution(): return 1\n2"]
)
def test_a_text_without_the_one_function_comes_to_nothing(program: str) -> None:
    assert result(program) is None

"""Building a toolset: nothing wrong gets in, and what does the same gets in once."""

from collections.abc import Iterator

import pytest

from calculemus.engine.sandbox import Sandbox
from calculemus.engine.scripted import ScriptedEngine
from calculemus.solving.craft_skills import SKILLS, skill_of
from calculemus.solving.crafting import Crafting, build, part_tool
from calculemus.solving.deduping import (
    arguments_of,
    behave,
    by_behaviour,
    by_name,
    probes_of,
    with_names_of_their_own,
)
from calculemus.solving.toolsets import Tool, Toolset

PROBLEMS = [skill.problem(index, "first") for index in range(3) for skill in SKILLS]
OTHER_NAMES = {
    skill.name: [skill.name, skill.names.split(",")[0], f"compute_{skill.name}"] for skill in SKILLS
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=2) as sandbox:
        yield sandbox


def question_of(prompt: str) -> str:
    return prompt[prompt.rindex("Q: ") :].partition("\n")[0].removeprefix("Q: ")


def write(prompt: str, seed: int) -> str:
    """Write specific programs and general functions, the latter under other names for each problem."""
    question = question_of(prompt)
    skill, numbers = skill_of(question)
    if "as a general function" not in prompt:
        names = dict(zip(skill.arguments.split(", "), numbers, strict=True))
        lines = "\n".join(f"    {name} = {number}" for name, number in names.items())
        return f"def solution():\n{lines}\n    return {skill.result}"
    name = OTHER_NAMES[skill.name][sum(numbers) % 3]
    code = skill.code.replace(f"def {skill.name}", f"def {name}")
    return f"{code}\n\n\ndef solution():\n    return {name}({', '.join(map(str, numbers))})"


def tool(name: str, code: str, call: str, docstring: str = "") -> Tool:
    return Tool(
        name, code, docstring, len(arguments_of(call)[0]), call, "", f"about {name}", f"p/{name}{call}"
    )


def test_renamed_duplicates_collapse_and_every_skill_stays(sandbox) -> None:
    built = build(PROBLEMS, ScriptedEngine(write), sandbox)
    assert len(built.toolset.tools) == len(SKILLS)
    assert {refused.stage for refused in built.refused} == {"dedupe"}
    assert len(built.refused) == len(PROBLEMS) - len(SKILLS)
    named = build(PROBLEMS, ScriptedEngine(write), sandbox, Crafting(dedupe="name"))
    assert len(named.toolset.tools) > len(SKILLS)
    for made in built.toolset.tools:
        assert sandbox.run(f"{made.code}\n\nanswer = {made.call}").ok


def test_a_wrong_program_and_a_function_that_fails_its_origin_never_enter(sandbox) -> None:
    wrong, bad, talk = PROBLEMS[0].question, PROBLEMS[1].question, PROBLEMS[2].question
    effects, crash, loose = PROBLEMS[3].question, PROBLEMS[4].question, PROBLEMS[5].question

    def spoil(prompt: str, seed: int) -> str:
        text, question = write(prompt, seed), question_of(prompt)
        is_general = "as a general function" in prompt
        if question == wrong and not is_general:
            return "def solution():\n    return 41"
        if is_general and question == bad:
            return text.replace("return distance", "return 1 + distance")
        if is_general and question == talk:
            return "It is a general function already."
        if is_general and question == effects:
            return text.replace("    return", "    print(1)\n    return", 1)
        if is_general and question == crash:
            return text.replace("    return", "    1 / 0\n    return", 1)
        if is_general and question == loose:
            return text.replace(
                "def solution():\n    return ", "def solution():\n    x = 3\n    return 0 * x + "
            )
        return text

    built = build(PROBLEMS[:12], ScriptedEngine(spoil), sandbox)
    assert {r.problem_id: (r.stage, r.reason.partition(":")[0]) for r in built.refused} == {
        PROBLEMS[0].id: ("create", "wrong"),
        PROBLEMS[1].id: ("abstract", "wrong"),
        PROBLEMS[2].id: ("abstract", "syntax"),
        PROBLEMS[3].id: ("abstract", "side_effect"),
        PROBLEMS[4].id: ("abstract", "ZeroDivisionError"),
        PROBLEMS[5].id: ("abstract", "no_call"),
    }
    assert {made.problem_id for made in built.toolset.tools} == {p.id for p in PROBLEMS[6:12]}


def test_building_is_the_same_every_time_and_takes_the_most_varied_problems(sandbox) -> None:
    few = Crafting(n_problems=12)
    built = build(PROBLEMS, ScriptedEngine(write), sandbox, few)
    assert built == build(PROBLEMS, ScriptedEngine(write), sandbox, few)
    assert len({made.problem_id.split("/")[1] for made in built.toolset.tools}) == 12


def test_behaviour_tells_apart_what_names_do_not(sandbox) -> None:
    tools = [
        tool("total", "def total(a, b):\n    return a + b", "total(2, 2)", "Add."),
        tool("total", "def total(a, b):\n    return a * b", "total(2, 2)", "Multiply two numbers."),
        tool("plus", "def plus(x, y):\n    return y + x * 1.0", "plus(5, 7)", "Return the sum of two."),
        tool("minus", "def minus(x, y):\n    return x - y", "minus(5, 7)"),
        tool("one", "def one(x):\n    return x", "one(3)"),
        tool("never", "def never(x, y):\n    raise ValueError", "never(1, 2)"),
        tool("nor", "def nor(x, y):\n    raise ValueError", "nor(1, 2)"),
    ]
    kept, refused = by_behaviour(tools, sandbox)
    assert [each.name for each in kept] == ["total", "plus", "minus", "one", "never", "nor"]
    assert kept[0].code.endswith("a * b")
    assert [r.reason for r in refused] == ["duplicate: total() does what plus() does"]
    kept, refused = by_name(tools)
    assert [each.name for each in kept] == ["total", "plus", "minus", "one", "never", "nor"]
    assert kept[0].docstring == "Multiply two numbers."


def test_probes_are_the_calls_and_what_is_near_them(sandbox) -> None:
    tools = [
        tool("f", "def f(a, b):\n    return a - b", "f(3, 4)"),
        tool("g", "def g(a, b): pass", "g([1], 'x')"),
    ]
    probes = probes_of(tools)
    assert probes[:2] == [(3, 4), (4, 6)]
    assert ([1], "x") in probes
    assert ([2], "x") in probes
    assert behave(tools[0], probes[:2], sandbox) == ("-1", "-2")
    assert behave(tools[0], [("a", "b")], sandbox) == ("failed",)


def test_two_tools_of_one_name_get_two_names() -> None:
    twice = [tool("f", "def f(n):\n    return f(n - 1) if n else 0", "f(3)")] * 2
    first, second = with_names_of_their_own(twice)
    assert (first.name, second.name) == ("f", "f_2")
    assert second.code == "def f_2(n):\n    return f_2(n - 1) if n else 0"
    assert second.call == "f_2(3)"


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("def f(x):\n    return x\n\ndef solution():\n    return f(3)", "f(3)"),
        (
            "```python\ndef f(x, y=2):\n    return x\n\ndef solution():\n    return f(-3, y=[1])\n```",
            "f(-3, y=[1])",
        ),
        ("def f(x):\n    return x\n\ndef solution():\n    return f(n)", None),
        ("def f(x):\n    return x\n\ndef solution():\n    return f(3) + 1", None),
        ("def f(x):\n    return x", None),
        ("no program", None),
    ],
)
def test_a_function_and_its_call_are_told_apart(text, call) -> None:
    code, found = part_tool(text)
    assert found == call
    assert "solution" not in code


def test_an_empty_set_of_problems_gives_an_empty_toolset(sandbox) -> None:
    assert build([], ScriptedEngine(write), sandbox).toolset == Toolset()

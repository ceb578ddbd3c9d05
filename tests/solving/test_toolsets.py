"""Toolsets on disk, and what may be a tool."""

import json
from fractions import Fraction

import pytest

from calculemus.errors import RecordError
from calculemus.solving.craft_skills import SKILLS, other_tools, tool_of
from calculemus.solving.toolchecking import read_tool
from calculemus.solving.toolsets import Toolset, read_toolset, show_tools

TOOLSET = Toolset((*map(tool_of, SKILLS), *other_tools()))


def test_a_toolset_comes_back_from_its_file_as_it_was(tmp_path) -> None:
    path = tmp_path / "deep" / "tools.jsonl"
    TOOLSET.save(path)
    assert read_toolset(path) == TOOLSET
    assert read_toolset(path).digest == TOOLSET.digest
    assert [each.name for each in path.parent.iterdir()] == ["tools.jsonl"]
    smaller = Toolset(TOOLSET.tools[:5])
    assert smaller.digest != TOOLSET.digest
    smaller.save(path)
    assert read_toolset(path) == smaller  # what was read before is not given again
    Toolset().save(path)
    assert read_toolset(path) == Toolset()
    assert TOOLSET.tiers == ("mini",)
    assert len(TOOLSET.tools) == 40


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda lines: [], "line 1: found ''"),
        (lambda lines: ["{}", *lines[1:]], "line 1: found {}; expected"),
        (lambda lines: ['{"toolset": 2, "tools": 3}', *lines[1:]], '"toolset": 1'),
        (lambda lines: lines[:-1], "found 2 tools; expected 3"),
        (lambda lines: [*lines[:2], lines[2][:40], lines[3]], "line 3"),
        (
            lambda lines: [*lines[:3], json.dumps({**json.loads(lines[3]), "n_args": "2"})],
            "line 4: found a tool",
        ),
        (
            lambda lines: [*lines[:3], json.dumps({**json.loads(lines[3]), "more": "2"})],
            "line 4: found a tool",
        ),
        (lambda lines: [*lines[:3], "[1]"], "line 4"),
    ],
)
def test_a_broken_file_is_told_with_its_line(tmp_path, spoil, said) -> None:
    path = tmp_path / "tools.jsonl"
    Toolset(TOOLSET.tools[:3]).save(path)
    path.write_text("\n".join(spoil(path.read_text().splitlines())))
    with pytest.raises(RecordError) as told:
        read_toolset(path)
    assert said in str(told.value)
    with pytest.raises(RecordError, match="No such file"):
        read_toolset(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("x = 1", "no_function"),
        ("def f(:", "syntax"),
        ("print(1)\ndef f(x):\n    return x", "side_effect"),
        ("def f(x):\n    print(x)\n    return x", "side_effect"),
        ("def f(x):\n    return open(x)", "side_effect"),
        ("n = 0\ndef f(x):\n    global n\n    n += x\n    return n", "side_effect"),
        ("def f(xs):\n    xs.sort()\n    return xs[0]", "side_effect"),
        ("def f(xs):\n    xs[0] = 1\n    return xs", "side_effect"),
        ("import os\ndef f(x):\n    return os.getcwd()", "import_not_allowed"),
        ("def f(x):\n    from subprocess import run\n    return run(x)", "import_not_allowed"),
        ("def f(x):\n    return g(x)", "undefined"),
        ("def f(x):\n    return x + offset", "undefined"),
        ("def f(*xs):\n    return sum(xs)", "arguments"),
        ("for i in range(3):\n    pass\ndef f(x):\n    return x", "side_effect"),
    ],
)
def test_what_has_effects_or_needs_more_is_no_tool(code, kind) -> None:
    function, reason = read_tool(code)
    assert function is None
    assert reason.startswith(f"{kind}: ")


@pytest.mark.parametrize(
    "code",
    [
        "import math\nRATE = 3\ndef f(x):\n    return math.floor(x * RATE)",
        "def f(xs):\n    xs = sorted(xs)\n    xs.reverse()\n    return xs",
        "def f(n):\n    found = []\n    found.append(n)\n    return found",
        "def g(x):\n    return x\ndef f(x):\n    return g(x) if x else f(1)",
    ],
)
def test_what_only_computes_is_a_tool(code) -> None:
    function, reason = read_tool(code)
    assert reason == ""
    assert function is not None
    assert function.name == "f"


def test_every_skill_is_a_tool_whose_call_gives_its_answer() -> None:
    for tool in TOOLSET.tools:
        assert read_tool(tool.code)[1] == ""
    names: dict[str, object] = {}
    exec(show_tools(TOOLSET.tools), names)  # the tests' own code
    for tool in TOOLSET.tools:
        assert eval(tool.call, dict(names)) == pytest.approx(float(Fraction(tool.answer)))

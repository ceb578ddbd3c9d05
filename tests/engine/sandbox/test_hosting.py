"""Programs that call what nobody has defined: suspended at the call, and run on with its reply."""

import math
from fractions import Fraction
from typing import Any

import pytest

from calculemus.engine.sandbox import Call, Limits, Run, Sandbox, Tier
from calculemus.errors import InvalidParameterError

TIERS = ("mini", "std", None)


def play(sandbox: Sandbox, program: str, answer: Any, tier: Tier | None = None, **options: Any) -> Any:
    """Run a program to its end, answering its calls; return its record and the calls."""
    replies: list[Any] = []
    calls: list[Call] = []
    for _ in range(60):
        run = sandbox.run(program, tier=tier, replies=replies, **options)
        if run.status != "suspended":
            return run, calls
        assert run.pending is not None
        assert (run.value, run.error_kind, run.error) == (None, None, None)
        calls.append(run.pending)
        replies.append(answer(run.pending.name, *run.pending.args, **run.pending.kwargs))
    raise AssertionError("it does not end")


def world(name: str, *args: Any, **kwargs: Any) -> Any:
    """Return what each function of the tests comes to."""
    known = {
        "is_even": lambda n: n % 2 == 0,
        "double": lambda n: 2 * n,
        "pair": lambda a, b=0: (a, b),
        "items": lambda: [3, 1, 2],
        "table": lambda: {"a": [1, {"b": 2.5}], "n": None},
        "size": len,
    }
    return known[name](*args, **kwargs)


PROGRAMS = {
    "a loop": "n = 0\nfor i in range(5):\n    if is_even(i):\n        n += double(i)\nanswer = n",
    "nested calls": "answer = double(double(double(3)) + 1)",
    "a comprehension": "answer = [double(i) for i in range(6) if is_even(i)]",
    "a dict comprehension": "answer = {i: double(i) for i in range(3)}",
    "a generator that stops early": "answer = any(is_even(i) for i in [1, 2, 3, 4])",
    "a while": "n = 1\nwhile n < 10 or is_even(n):\n    n += double(n)\nanswer = n",
    "a lambda": "f = lambda x: double(x) + 1\nanswer = f(f(2))",
    "short circuits": "answer = (is_even(1) and double(1)) or is_even(2) or double(5)",
    "a conditional expression": "answer = double(1) if is_even(3) else double(2)",
    "a chained comparison": "answer = double(1) < double(0) < double(9)",
    "a key": "answer = sorted([1, 2, 3, 4], key=is_even)",
    "a map": "answer = list(map(double, [1, 2]))",
    "keyword arguments": "a, b = pair(1, b='x')\nanswer = (b, a, pair(2))",
    "a function and a recursion": "def f(n):\n    return 1 if n < 1 else double(f(n - 1))\nanswer = f(4)",
    "the entry function": "def solution():\n    return double(20) + 2",
    "replies are the program's own": "x = items()\ny = items()\nx.append(4)\nx.sort()\nanswer = (x, y)",
    "a reply with structure": "t = table()\nanswer = (t['a'][1]['b'], t['n'], size(t))",
    "a catch of everything": "try:\n    x = double(4)\nexcept:\n    x = 'caught'\nanswer = x",
    "a catch around a key": "try:\n    x = sorted([2, 1], key=double)\nexcept:\n    x = 0\nanswer = x",
    "big numbers": "answer = double(2**200) + double(0.1)",
    "what it prints": "print('before')\nprint(double(2))\nanswer = double(3)",
}


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_comes_to_what_it_would_with_its_functions_defined(
    sandbox: Sandbox, program: str, tier: Tier | None
) -> None:
    calls: list[Call] = []

    def traced(name: str) -> Any:
        def function(*args: Any, **kwargs: Any) -> Any:
            calls.append(Call(name, args, kwargs))
            return world(name, *args, **kwargs)

        return function

    run, asked = play(sandbox, program, world, tier)
    if tier == "mini" and run.status == "unsupported":
        assert "cannot suspend" in run.error or "does not run" in run.error
        return
    names = {name: traced(name) for name in ("is_even", "double", "pair", "items", "table", "size")}
    scope: dict[str, Any] = dict(names)
    exec(program, scope)  # the tests' own programs
    expected = scope["solution"]() if "solution" in scope else scope["answer"]
    assert run.ok, run
    assert repr(run.value) == repr(expected)
    assert asked == calls
    assert run.stdout == ("before\n4\n" if "print" in program else "")


def test_most_of_them_stay_on_mini(sandbox: Sandbox) -> None:
    tiers = [play(sandbox, program, world)[0].tier for program in PROGRAMS.values()]
    assert tiers.count("mini") >= 15


@pytest.mark.parametrize("tier", TIERS)
def test_a_run_is_a_function_of_program_seed_and_replies(sandbox: Sandbox, tier: Tier | None) -> None:
    program = "import random\na = random.random()\nb = f(a)\nc = random.random()\nanswer = [a, b, c, g(c)]"
    first = sandbox.run(program, tier=tier, replies=(), seed=5)
    assert (first.status, first.pending.name, first.stdout) == ("suspended", "f", "")
    (a,) = first.pending.args
    second = sandbox.run(program, tier=tier, replies=(a / 2,), seed=5)
    (c,) = second.pending.args
    last = sandbox.run(program, tier=tier, replies=(a / 2, None), seed=5)
    assert last.value == [a, a / 2, c, None]
    assert sandbox.run(program, tier=tier, replies=(), seed=6).pending.args != (a,)
    assert sandbox.run(program, tier=tier, replies=(), seed=5).pending == first.pending
    spare = sandbox.run(program, tier=tier, replies=(a / 2, None, 7), seed=5)
    assert spare.value == last.value


@pytest.mark.parametrize("tier", TIERS)
def test_replies_and_arguments_cross_exactly(sandbox: Sandbox, tier: Tier | None) -> None:
    values = [1, -(2**70), 0.1, math.inf, "a\n'b'", True, None, (1, [2, {"k": (3,)}]), [], {"x": 1}]
    program = f"answer = [f({values!r}), f(*{values!r}[:8])]".replace("inf", "float('inf')")
    run, calls = play(sandbox, program, lambda name, *args: args[0], tier)
    assert repr(run.value) == repr([values, 1])
    assert [repr(call.args) for call in calls] == [repr((values,)), repr(tuple(values[:8]))]


def test_what_mini_cannot_take_in_goes_to_a_higher_tier(sandbox: Sandbox) -> None:
    run = sandbox.run("answer = f() + 1", replies=(Fraction(1, 2),))
    assert (run.value, run.tier) == (Fraction(3, 2), "std")
    assert sandbox.run("answer = f() + 1", replies=(Fraction(1, 2),), tier="mini").status == "unsupported"


@pytest.mark.parametrize("tier", TIERS)
def test_only_the_hosts_that_are_named_are_replied_to(sandbox: Sandbox, tier: Tier | None) -> None:
    program = "def f(x):\n    return 10\nanswer = [f(1), g(2)]\nanswer.append(h(3))"
    open_run = sandbox.run(program, tier=tier, replies=(20,))
    assert open_run.pending == Call("h", (3,), {})
    closed = sandbox.run(program, tier=tier, replies=(20, 30), hosts=("f", "g"))
    assert (closed.status, closed.error) == ("raised", "NameError: name 'h' is not defined")
    assert sandbox.run(program, tier=tier, replies=(20, 30), hosts=("h", "g")).value is not None
    assert sandbox.run("answer = x + f()", tier=tier, replies=(1,)).error_kind == "NameError"
    assert (
        sandbox.run("answer = f()\ndef f():\n    return 1", tier=tier, replies=()).error_kind == "NameError"
    )
    assert sandbox.run("answer = f(1)", tier=tier).error_kind == "NameError"


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("answer = f(lambda: 3)", "bad_call"),
        ("answer = f(abs)", "bad_call"),
        ("x = []\nx.append(x)\nanswer = f(x)", None),
        ("answer = f('x' * 3_000_000)", None),
        ("answer = f([[0] * 1000] * 1000)", None),
        ("answer = f({(2**61 - 1) * i: 0 for i in range(20000)})", None),
        ("while True:\n    try:\n        f(1 / 0)\n    except Exception:\n        pass", None),
        ("while True:\n    try:\n        sorted([1], key=f)\n    except Exception:\n        pass", None),
    ],
)
def test_calls_that_cannot_be_handed_on_end_the_run(
    sandbox: Sandbox, program: str, kind: str | None, tier: Tier | None
) -> None:
    run = sandbox.run(program, tier=tier, replies=(), limits=Limits(cpu_seconds=0.5, wall_seconds=1.5))
    assert not run.ok
    if "sorted" in program:
        assert run.status in ("suspended", "unsupported", "timeout")
        return
    assert run.status != "suspended"
    assert run.pending is None
    if kind is not None and tier != "mini":
        assert run.error_kind == kind


@pytest.mark.parametrize("tier", ["mini", "std", None])
def test_a_block_behind_others_asks_too_and_a_suspended_one_has_never_been(
    sandbox: Sandbox, tier: Tier | None
) -> None:
    before = ("n = 2\ndef double(x):\n    return 3 * x",)
    block = "n += f(double(n))\nn"
    asked = sandbox.run(block, tier=tier, before=before, replies=())
    assert asked.pending == Call("f", (6,), {})
    assert sandbox.run(block, tier=tier, before=before, replies=(40,)).value == 42
    with sandbox.session(tier=tier) as session:
        session.run(before[0])
        assert session.run(block, replies=()).status == "suspended"
        assert session.run("n").value == 2
        assert session.run(block, replies=(40,)).value == 42
        assert session.run("n").value == 42


def test_hosts_and_replies_that_are_none_are_refused(sandbox: Sandbox) -> None:
    for options in (
        {"hosts": ("f",)},
        {"replies": (object(),)},
        {"replies": (), "hosts": ("not a name",)},
        {"replies": (), "hosts": ("print",)},
        {"replies": (), "hosts": ("for",)},
    ):
        with pytest.raises(InvalidParameterError):
            sandbox.run("1", **options)
    with Sandbox(tiers=("mini",), workers=1, unsafe_in_process=True) as bare:
        assert bare.run("f()", tier="none", replies=()).status == "unsupported"


def test_a_forged_report_of_a_suspension_is_only_data(sandbox: Sandbox) -> None:
    forge = (
        "import json, os\nbody = json.dumps({'status': 'suspended', 'value': %s, 'stdout': ''}).encode()\n"
        "os.write(3, len(body).to_bytes(4, 'big') + body)\nos._exit(0)"
    )
    assert sandbox.run(forge % "5", tier="std").error_kind == "bad_reply"
    good = '{"tuple": ["f", {"tuple": []}, {"dict": []}]}'
    for replies in (None, ()):
        run: Run = sandbox.run(forge % good, tier="std", replies=replies)
        assert run.status in ("suspended", "crashed")
        assert run.pending is None or run.pending == Call("f", (), {})

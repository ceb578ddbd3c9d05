"""The sandbox from outside: tiers, limits, many at once, and what is said when something cannot be."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from calculemus.engine.sandbox import Limits, Run, Sandbox, Tier, run
from calculemus.engine.sandbox.look import Plan
from calculemus.engine.sandbox.mini import Mini
from calculemus.engine.sandbox.outcome import Outcome
from calculemus.errors import InvalidParameterError, SandboxError, SandboxUnavailableError

ON_STD = "class A:\n    pass\n"  # what mini does not run


def test_without_ceremony_a_program_gives_its_value() -> None:
    assert run("def solution():\n    return 6 * 7").value == 42


def test_what_fails_on_mini_is_settled_by_cpython(sandbox: Sandbox) -> None:
    failed = sandbox.run("answer = 1 / 0")
    assert (failed.tried, failed.error) == (("mini", "std"), "ZeroDivisionError: division by zero")
    gap = sandbox.run("from datetime import timedelta\nanswer = timedelta(hours=1.5)")
    assert (gap.status, gap.tried, str(gap.value)) == ("ok", ("mini", "std"), "1:30:00")


def test_a_package_that_turns_out_to_be_needed_takes_the_program_to_sci(sandbox: Sandbox) -> None:
    found = sandbox.run("numpy = __import__('nu' + 'mpy')\nanswer = int(numpy.arange(4).sum())")
    assert (found.value, found.tried) == (6, ("std", "sci"))


@pytest.mark.parametrize(
    ("program", "tier", "status", "kind"),
    [
        ("while True:\n    pass", "mini", "timeout", "cpu"),
        ("while True:\n    pass", "std", "timeout", "cpu"),
        ("import ctypes\nctypes.CDLL(None).sleep(60)", "std", "timeout", "wall"),
        ("x = [0] * 10**9", "mini", "memory", "memory"),
        ("x = [0] * 10**9", "std", "memory", "memory"),
        ("print('x' * 99999)", "mini", "output_limit", "output_limit"),
        ("print('x' * 99999)", "std", "output_limit", "output_limit"),
        ("answer = 'x' * 3000000", "mini", "output_limit", "value_too_large"),
        ("answer = 'x' * 3000000", "std", "output_limit", "value_too_large"),
        ("# " + "x" * 300000, "std", "unsupported", "program_too_long"),
    ],
)
def test_each_limit_has_its_own_status(
    sandbox: Sandbox, program: str, tier: Tier, status: str, kind: str
) -> None:
    wall = 1 if "sleep" in program else 20
    limits = Limits(cpu_seconds=0.3, wall_seconds=wall, memory_bytes=64 << 20)
    found = sandbox.run(program, tier, limits)
    assert (found.status, found.error_kind, found.value) == (status, kind, None)
    assert found.error


def test_what_was_printed_before_the_limit_is_kept(sandbox: Sandbox) -> None:
    limits = Limits(output_bytes=100)
    for tier in ("mini", "std"):
        found = sandbox.run("for n in range(99):\n    print(n, 'green bottles')", tier, limits)
        assert found.status == "output_limit"
        assert len(found.stdout) <= 100
    assert found.stdout.startswith("0 green bottles\n1 green bottles\n")


def test_a_loop_without_an_end_has_a_quarter_of_its_time_on_mini(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed: list[float] = []

    def noted(self: Mini, plan: Plan, inputs: Any, limits: Limits, seed: int) -> Outcome:
        allowed.append(limits.cpu_seconds)
        return run_on_mini(self, plan, inputs, limits, seed)

    run_on_mini = Mini.run
    monkeypatch.setattr(Mini, "run", noted)
    found = sandbox.run("while True:\n    pass", limits=Limits(cpu_seconds=0.4))
    assert (found.status, found.tried) == ("timeout", ("mini", "std"))
    assert allowed == [0.1]


def test_memory_is_counted_beside_what_the_interpreter_has_already(sandbox: Sandbox) -> None:
    fits = "import array\nhoard = bytes(40 << 20)\nanswer = len(hoard)"
    small = Limits(memory_bytes=64 << 20, sci_memory_bytes=64 << 20)
    for tier in ("std", "sci"):
        assert sandbox.run(fits, tier, small).value == 40 << 20
        assert sandbox.run(fits.replace("40", "80"), tier, small).status == "memory"
    touched = "hoard = b'x' * (200 << 20)\nanswer = len(hoard)"  # zeros alone take no memory
    roomy = sandbox.run(touched, "sci", Limits(memory_bytes=64 << 20))
    assert roomy.value == 200 << 20
    assert (roomy.peak_bytes or 0) > 200 << 20


def test_recursion_goes_as_deep_as_in_a_script_and_no_deeper(sandbox: Sandbox) -> None:
    program = "def f(n):\n    return n and 1 + f(n - 1)\ndef solution():\n    return f({})"
    for tier in ("mini", "std"):
        assert sandbox.run(program.format(980), tier).value == 980
        assert sandbox.run(program.format(1020), tier).error_kind == "RecursionError"
        assert sandbox.run(program.format(300), tier, Limits(recursion=200)).error_kind == "RecursionError"
        assert sandbox.run(program.format(3000), tier, Limits(recursion=5000)).value == 3000


def test_inputs_reach_the_program_and_the_entry_function(sandbox: Sandbox) -> None:
    inputs = {"price": 3, "names": ["a", "b"], "n": 10**30}
    for tier in ("mini", "std"):
        program = "def solution(n, price=1):\n    return n + price, names"
        assert sandbox.run(program, tier, inputs=inputs).value == (10**30 + 3, ["a", "b"])
    with pytest.raises(SandboxError, match="expected numbers, text"):
        sandbox.run(ON_STD + "answer = f", inputs={"f": print})


def test_any_function_can_be_the_entry(sandbox: Sandbox) -> None:
    program = "def total(n):\n    return n * 2\ndef solution():\n    return 1"
    for tier in ("mini", "std"):
        assert sandbox.run(program, tier, entry="total", inputs={"n": 4}).value == 8


def test_many_programs_keep_their_order(sandbox: Sandbox) -> None:
    programs = [f"{ON_STD if n % 3 == 0 else ''}answer = {n}" for n in range(60)]
    assert [found.value for found in sandbox.run_many(programs)] == list(range(60))
    assert sandbox.run_many([]) == []


def test_runs_side_by_side_do_not_mix(sandbox: Sandbox) -> None:
    def one(n: int) -> tuple[Run, int]:
        head = ON_STD if n % 2 else ""
        return sandbox.run(f"{head}print({n} * 'x')\nanswer = [{n}] * 50"), n

    with ThreadPoolExecutor(8) as threads:
        for found, n in threads.map(one, range(80)):
            assert (found.value, found.stdout) == ([n] * 50, "x" * n + "\n")


def test_an_error_stops_many_programs_early() -> None:
    with Sandbox(tiers=("mini",), workers=2) as sandbox, pytest.raises(InvalidParameterError):
        sandbox.run_many(["answer = 1"] * 50, tier="std")


def test_the_tier_none_refuses_unless_it_is_asked_for_by_its_full_name() -> None:
    with Sandbox() as sandbox, pytest.raises(SandboxUnavailableError, match="unsafe_in_process=True"):
        sandbox.run("answer = 1", tier="none")
    with Sandbox(unsafe_in_process=True) as unsafe:
        found = unsafe.run(f"import os\nprint('here')\nanswer = os.getpid() == {os.getpid()}", tier="none")
        assert (found.value, found.stdout, found.tier) == (True, "here\n", "none")
        assert unsafe.run("1 / 0", tier="none").error_kind == "ZeroDivisionError"
        assert unsafe.run("print('x' * 10**6)", tier="none").status == "output_limit"


def test_a_sandbox_without_the_tier_says_so() -> None:
    with Sandbox(tiers=("mini",)) as sandbox:
        assert sandbox.run("answer = 2**70").value == 2**70
        assert sandbox.run(ON_STD).status == "unsupported"
        assert sandbox.run("1 / 0").tried == ("mini",)
        with pytest.raises(InvalidParameterError, match="'std'; expected one of mini"):
            sandbox.run("answer = 1", tier="std")
    with pytest.raises(InvalidParameterError, match="parameter 'tiers' has 'maxi'"):
        Sandbox(tiers=("maxi",))  # pyright: ignore[reportArgumentType]  # a mistake on purpose


@pytest.mark.parametrize(
    "parameters",
    [{"cpu_seconds": 0}, {"wall_seconds": -1}, {"memory_bytes": 5}, {"output_bytes": -1}, {"recursion": 1}],
)
def test_limits_out_of_range_are_refused(parameters: dict[str, float]) -> None:
    with pytest.raises(InvalidParameterError, match=next(iter(parameters))):
        Limits(**parameters)  # pyright: ignore[reportArgumentType]  # a mistake on purpose


def test_a_program_that_only_prints_is_heard_on_every_tier(sandbox: Sandbox) -> None:
    program = "print('é', 1.0, [2], sep='-', end='!')\nanswer = 1"
    assert {sandbox.run(program, tier).stdout for tier in ("mini", "std", "sci")} == {"é-1.0-[2]!"}


def test_interrupting_the_caller_leaves_the_sandbox_usable(sandbox: Sandbox) -> None:
    caught: list[str] = []

    def waits() -> None:
        caught.append(
            sandbox.run(ON_STD + "import time\nwhile True:\n    pass", limits=Limits(cpu_seconds=0.3)).status
        )

    thread = threading.Thread(target=waits)
    thread.start()
    assert sandbox.run(ON_STD + "answer = 3").value == 3
    thread.join()
    assert caught == ["timeout"]

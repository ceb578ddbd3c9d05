"""Sessions: blocks share variables, a failed block leaves them usable, and nobody sees where they run."""

import gc
import threading

import pytest

from calculemus.engine.sandbox import Limits, Sandbox, Tier
from calculemus.errors import InvalidParameterError

TIGHT = Limits(cpu_seconds=0.3, wall_seconds=0.8, memory_bytes=64 << 20)
LOOP = "while True:\n    pass"


@pytest.mark.parametrize("tier", ["mini", "std", "sci", None])
def test_variables_functions_and_imports_last_from_block_to_block(
    sandbox: Sandbox, tier: Tier | None
) -> None:
    with sandbox.session(tier=tier) as session:
        assert session.run("import math\nx = [1]\ny = x").value is None
        assert session.run("def area(r):\n    return math.floor(math.pi * r**2) + len(x)").ok
        assert session.run("x.append(2)\ny").value == [1, 2]
        assert session.run("area(10)").value == 316
        assert session.run("print('hi')\nround(2.675, 2)").stdout == "hi\n"
        assert session.run("round(2.675, 2)").value == 2.67


@pytest.mark.parametrize("tier", ["mini", "std", None])
def test_a_block_that_raises_leaves_the_session_usable_as_it_was(sandbox: Sandbox, tier: Tier | None) -> None:
    with sandbox.session(tier=tier) as session:
        session.run("x = 1")
        failed = session.run("x = 2\nprint('before')\n1 / 0\nx = 3")
        assert (failed.status, failed.error, failed.stdout) == (
            "raised", "ZeroDivisionError: division by zero", "before\n"
        )  # fmt: skip
        assert session.run("x").value == 2
        assert session.run("x = (").error_kind == "syntax"
        assert session.run("x").value == 2


@pytest.mark.parametrize("tier", ["mini", "std", None])
@pytest.mark.parametrize(
    ("block", "status"),
    [(LOOP, "timeout"), ("x = [0] * 10**9", "memory"), ("while True:\n    print(x)", "output_limit")],
)
def test_a_block_that_meets_a_limit_has_never_been(
    sandbox: Sandbox, tier: Tier | None, block: str, status: str
) -> None:
    with sandbox.session(tier=tier, limits=TIGHT) as session:
        session.run("x = 1\ny = []")
        assert session.run(f"x = 2\ny.append(x)\n{block}").status == status
        assert session.run("(x, y)").value == (1, [])
        assert session.run("x = 5\nx").value == 5


def test_a_session_moves_up_with_all_it_has_and_never_down(sandbox: Sandbox) -> None:
    with sandbox.session(seed=3) as session:
        first = session.run("import random\nx = random.random()\nx")
        assert first.tier == "mini"
        moved = session.run("from fractions import Fraction\ny = Fraction(1, 3)\n(x, y + 1)")
        assert moved.tier == "std"
        assert moved.value[0] == first.value
        assert session.run("z = 1").tier == "std"
        last = session.run("import numpy as np\nfloat(np.float64(x)), y, z")
        assert (last.tier, last.value[0], last.value[2]) == ("sci", first.value, 1)


def test_what_fails_on_mini_is_settled_by_cpython_with_the_same_variables(sandbox: Sandbox) -> None:
    with sandbox.session() as session:
        session.run("from datetime import timedelta\nn = 3")
        moved = session.run("str(timedelta(hours=n / 2))")
        assert (moved.value, moved.tried) == ("1:30:00", ("mini", "std"))


def test_draws_and_clocks_go_on_where_they_were(sandbox: Sandbox) -> None:
    block = "import random\nrandom.random()"
    with sandbox.session(tier="mini", seed=5) as mini, sandbox.session(tier="std", seed=5) as std:
        draws = [(mini.run(block).value, std.run(block).value) for _ in range(3)]
    assert all(left == right for left, right in draws)
    assert len({left for left, _ in draws}) == 3


def test_a_session_whose_process_was_let_go_comes_back_the_same(sandbox: Sandbox) -> None:
    with Sandbox(tiers=("std",), workers=1, live_sessions=2) as few:
        sessions = [few.session() for _ in range(5)]
        for number, session in enumerate(sessions):
            session.run(f"import random\nx = [{number}, random.random()]")
        values = [session.run("x.append(0)\nx").value for session in sessions]
        again = [session.run("x").value for session in sessions]
        assert values == again
        assert [value[0] for value in values] == list(range(5))
        assert sum(session._child is not None and session._child.is_alive for session in sessions) <= 2


def test_a_session_that_is_forgotten_or_outlives_its_sandbox_holds_no_process(descendants) -> None:
    with Sandbox(tiers=("std",), workers=1, live_sessions=2) as sandbox:
        parent = sandbox._machinery.jails["std"].start()
        idle = descendants(parent._process.pid)
        forgotten = sandbox.session()
        forgotten.run("x = 1")
        child = forgotten._child
        assert child is not None
        assert len(descendants(parent._process.pid)) == len(idle) + 1
        del forgotten
        gc.collect()
        assert not child.is_alive
        assert descendants(parent._process.pid) == idle
        kept = sandbox.session()
        kept.run("x = 2")
        for _ in range(3):
            sandbox.session().run("x = 3")
        assert kept._child is not None  # only sessions that are there take a place
    assert kept._child is None
    assert kept.run("x").value == 2
    kept.close()
    sandbox.close()


def test_sessions_side_by_side_do_not_mix(sandbox: Sandbox) -> None:
    found: dict[int, object] = {}

    def work(number: int) -> None:
        with sandbox.session() as session:
            session.run(f"total = {number}")
            for _ in range(5):
                session.run("total += 100")
            found[number] = session.run("total").value

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: number + 500 for number in range(8)}


def test_inputs_are_there_from_the_first_block(sandbox: Sandbox) -> None:
    for tier in ("mini", "std", None):
        with sandbox.session(tier=tier, inputs={"data": [1, 2]}) as session:
            assert session.run("sum(data)").value == 3


def test_the_value_of_a_block_that_is_no_data_is_none(sandbox: Sandbox) -> None:
    for tier in ("mini", "std"):
        with sandbox.session(tier=tier) as session:
            run = session.run("def f():\n    return 1\nf")
            assert (run.status, run.value) == ("ok", None)
            assert session.run("f()").value == 1


def test_a_reply_forged_in_a_session_hurts_only_that_block(sandbox: Sandbox) -> None:
    with sandbox.session(tier="std", limits=TIGHT) as session:
        session.run("x = 1")
        forged = session.run("import os\nos.write(3, b'junk')")
        assert forged.status in ("crashed", "timeout")
        assert session.run("x").value == 1


def test_a_program_that_goes_on_after_its_reply_is_stopped(sandbox: Sandbox) -> None:
    forge = (
        "import json, os\nbody = json.dumps({'status': 'ok', 'value': 7, 'stdout': ''}).encode()\n"
        "os.write(3, len(body).to_bytes(4, 'big') + body)\nwhile True:\n    pass\n"
    )
    with sandbox.session(tier="std", limits=TIGHT) as session:
        session.run("x = 1")
        session.run(forge)
        assert session.run("x").status == "timeout"
        with sandbox.session(tier="std") as other:
            assert other.run("x = 2\nx").value == 2
    assert sandbox.run("answer = 1").value == 1


def test_a_tier_that_is_not_there_and_a_block_that_does_not_fit_are_said(sandbox: Sandbox) -> None:
    with Sandbox(tiers=("mini",), workers=1) as small:
        with pytest.raises(InvalidParameterError):
            small.session(tier="std")
        with small.session() as session:
            assert session.run("x = 1").ok
            assert session.run("class A:\n    pass").status == "unsupported"
            assert session.run("x").value == 1

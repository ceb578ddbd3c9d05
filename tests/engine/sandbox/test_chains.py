"""Programs that start where other blocks left off: as one session, with and without what is kept."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calculemus.engine.sandbox import Limits, Sandbox, Tier
from calculemus.engine.sandbox.mini import Mini
from calculemus.engine.sandbox.record import Run
from calculemus.errors import InvalidParameterError

TIGHT = Limits(cpu_seconds=0.3, wall_seconds=0.8, memory_bytes=64 << 20)
BLOCKS = (
    "import random\nx = [random.random()]",
    "x.append(random.random())\nprint('said once')",
    "y = 1\n1 / 0\ny = 2",
    "x = (",
    "def f(n):\n    return n + y + len(x)",
    "f(1), x",
)


def told(run: Run) -> tuple[object, ...]:
    return run.status, repr(run.value), run.stdout, run.error_kind, run.error, run.tier


@pytest.fixture(scope="module")
def forgetful():
    """A sandbox that keeps nothing of where blocks left off."""
    with Sandbox(workers=1, kept_bytes=0) as made:
        yield made


@pytest.mark.parametrize("tier", ["mini", "std", None])
def test_a_chain_is_a_session_with_and_without_what_is_kept(
    sandbox: Sandbox, forgetful: Sandbox, tier: Tier | None
) -> None:
    with sandbox.session(tier=tier, seed=7) as session:
        for n, block in enumerate(BLOCKS):
            expected = told(session.run(block))
            for one in (sandbox, sandbox, forgetful):
                assert told(one.run(block, tier=tier, seed=7, before=BLOCKS[:n])) == expected
    assert len(sandbox._chains.points)
    assert not len(forgetful._chains.points)


def test_on_mini_earlier_blocks_are_not_run_again(monkeypatch) -> None:
    ran: list[str] = []
    original = Mini.run_block

    def spy(self, state, plan, *rest):
        ran.append(plan.source)
        return original(self, state, plan, *rest)

    monkeypatch.setattr(Mini, "run_block", spy)
    blocks = tuple(f"x{i} = {i}" for i in range(20))
    with Sandbox(tiers=("mini",), workers=1) as fresh:
        for n, block in enumerate(blocks):
            fresh.run(block, before=blocks[:n])
        assert ran == list(blocks)
        assert fresh.run("sum([x3, x19])", before=blocks).value == 22
        assert fresh.run("x3 - x2", before=blocks[:10]).value == 1  # another branch
        assert len(ran) == 22
        assert fresh.run("x3", before=blocks[:4], seed=1).value == 3
        assert len(ran) == 27  # another seed is another chain


def test_branches_of_a_chain_do_not_see_each_other(sandbox: Sandbox) -> None:
    root = ("xs = [1]",)
    left, right = "xs.append(2)\nxs", "xs.append(3)\nxs"
    for tier in ("mini", "std"):
        assert sandbox.run(left, tier=tier, before=root).value == [1, 2]
        assert sandbox.run(right, tier=tier, before=root).value == [1, 3]
        assert sandbox.run("xs", tier=tier, before=(*root, left)).value == [1, 2]


def test_a_block_that_met_a_limit_has_never_been(sandbox: Sandbox) -> None:
    loop = "x = 2\nwhile True:\n    pass"
    for tier in ("mini", "std"):
        options = {"tier": tier, "limits": TIGHT}
        assert sandbox.run(loop, before=("x = 1",), **options).status == "timeout"
        assert sandbox.run("x", before=("x = 1", loop), **options).value == 1


def test_a_chain_moves_to_a_higher_tier_with_all_it_has(sandbox: Sandbox) -> None:
    blocks = ("import random\nx = random.random()", "from fractions import Fraction\ny = Fraction(1, 3)")
    first = sandbox.run("x", before=blocks[:1], seed=3)
    moved = sandbox.run("(x, y + 1)", before=blocks, seed=3)
    assert (first.tier, moved.tier) == ("mini", "std")
    assert moved.value[0] == first.value


def test_what_is_kept_is_bounded() -> None:
    with Sandbox(tiers=("mini",), workers=1, kept_bytes=60_000) as small:
        for i in range(20):
            assert small.run("x", before=(f"x = {i}",)).value == i
        points = small._chains.points
        assert 1 < len(points) < 40
        assert points._bytes <= 60_000


def test_no_blocks_yet_and_an_unknown_tier(sandbox: Sandbox) -> None:
    assert sandbox.run("def solution():\n    return 3\nsolution() + 1", before=()).value == 4
    with pytest.raises(InvalidParameterError):
        sandbox.run("1", tier="none", before=())


pieces = st.sampled_from(
    ["x = 1", "x = x + 1", "xs = []", "xs.append(x)", "x", "xs", "y", "x = 1 / 0", "print(x)", "del x", "x ="]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(pieces, max_size=6), pieces)
def test_any_chain_is_a_session(mini_only: Sandbox, before: list[str], last: str) -> None:
    with mini_only.session() as session:
        for block in before:
            session.run(block)
        assert told(mini_only.run(last, before=before)) == told(session.run(last))


@pytest.fixture(scope="module")
def mini_only():
    with Sandbox(tiers=("mini",), workers=1) as made:
        yield made

"""A run is a pure function of its text and its seed, on every tier."""

import datetime
from typing import Any

import pytest

from calculemus.engine.sandbox import Sandbox
from calculemus.engine.sandbox.inside.clock import FROZEN_SECONDS

FROZEN = datetime.datetime.fromtimestamp(FROZEN_SECONDS, datetime.UTC).replace(tzinfo=None)


def same_everywhere(sandbox: Sandbox, program: str, seed: int = 0) -> Any:
    """Return the value of a program wherever it fits, the one on CPython with and without packages."""
    runs = [sandbox.run(program, tier, entry=None, seed=seed) for tier in (None, "std", "sci")]
    assert [(run.status, repr(run.value)) for run in runs] == [("ok", repr(runs[0].value))] * 3
    return runs[0].value


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("time.time()", float(FROZEN_SECONDS)),
        ("time.time() - time.time()", 0.0),
        ("time.time_ns()", FROZEN_SECONDS * 10**9),
        ("time.monotonic() == time.monotonic()", True),
        ("time.perf_counter()", float(FROZEN_SECONDS)),
        ("time.process_time()", 0.0),
        ("time.strftime('%Y-%m-%d %H')", "2024-01-01 00"),
        ("time.localtime().tm_year", 2024),
        ("time.gmtime(0).tm_year", 1970),
        ("time.ctime()", "Mon Jan  1 00:00:00 2024"),
        ("time.sleep(3600)", None),
        ("datetime.datetime.now()", FROZEN),
        ("datetime.datetime.utcnow()", FROZEN),
        ("datetime.datetime.today()", FROZEN),
        ("datetime.date.today()", FROZEN.date()),
        ("datetime.datetime.now(datetime.timezone.utc)", FROZEN.replace(tzinfo=datetime.UTC)),
        ("type(datetime.datetime.now()) is datetime.datetime", True),
        ("str(datetime.datetime.now() - datetime.timedelta(days=1))", "2023-12-31 00:00:00"),
    ],
)
def test_clocks_stand_still_and_sleeping_is_free(sandbox: Sandbox, expression: str, expected: Any) -> None:
    assert same_everywhere(sandbox, f"import datetime, time\n{expression}") == expected


def test_sleeping_backwards_is_an_error_as_ever(sandbox: Sandbox) -> None:
    assert sandbox.run("import time\ntime.sleep(-1)").error_kind == "ValueError"


@pytest.mark.parametrize(
    "expression",
    [
        "random.random()",
        "[random.randint(1, 6) for _ in range(20)]",
        "[random.choice('abcdef') for _ in range(9)]",
        "random.uniform(2, 3)",
        "[random.shuffle(x) or x for x in [[1, 2, 3, 4, 5, 6]]]",
    ],
)
def test_draws_are_those_of_the_seed_on_all_tiers(sandbox: Sandbox, expression: str) -> None:
    program = f"import random\n{expression}"
    assert same_everywhere(sandbox, program, 7) == same_everywhere(sandbox, program, 7)
    assert same_everywhere(sandbox, program, 7) != same_everywhere(sandbox, program, 8)
    assert same_everywhere(sandbox, f"import random\nrandom.seed(3)\n{expression}", 7) == same_everywhere(
        sandbox, f"import random\nrandom.seed(3)\n{expression}", 8
    )


@pytest.mark.parametrize(
    "program",
    [
        "import random\n(random.Random().random(), random.SystemRandom().random())",
        "import os\nos.urandom(8)",
        "import uuid\nstr(uuid.uuid4())",
        "import secrets\nsecrets.token_hex()",
        "import numpy as np\n(np.random.rand(), np.random.default_rng().random())",
    ],
)
def test_even_the_randomness_of_the_system_is_drawn_from_the_seed(sandbox: Sandbox, program: str) -> None:
    first, again, other = (sandbox.run(program, entry=None, seed=seed).value for seed in (1, 1, 2))
    assert first == again != other


def test_hashes_and_the_order_of_sets_do_not_change_between_sandboxes(sandbox: Sandbox) -> None:
    program = "(hash('abc'), list({'red', 'green', 'blue', 'black'}))"
    with Sandbox(tiers=("std",), workers=1) as other:
        assert sandbox.run(program, entry=None).value == other.run(program, entry=None).value


def test_time_zones_are_known_and_the_local_one_is_universal(sandbox: Sandbox) -> None:
    program = """
import datetime, zoneinfo
moment = datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))
answer = (str(moment.utcoffset()), datetime.datetime.now().astimezone().tzname())
"""
    assert sandbox.run(program).value == ("2:00:00", "UTC")

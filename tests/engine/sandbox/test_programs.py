"""Stored programs: each tier that accepts one gives the value that CPython gives."""

import importlib.util
import tomllib
from pathlib import Path
from typing import Any

import pytest

from calculemus.engine.sandbox import TIERS, Sandbox

PROGRAMS = {
    each["title"]: each
    for each in tomllib.loads(Path(__file__).with_name("programs.toml").read_text("utf-8"))["program"]
}
PLAIN = [
    title
    for title, each in PROGRAMS.items()
    if "def solution" in each["text"]
    and each.get("is_bare", True)
    and each["lowest"] != "sci"
    and "clock" not in title
]


def stored(title: str) -> dict[str, Any]:
    """Return a program, or skip where a package that it needs is missing."""
    program = PROGRAMS[title]
    needed = program.get("needs")
    if needed is not None and importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    return program


def test_there_are_sixty_programs_and_every_tier_is_the_lowest_of_some() -> None:
    assert len(PROGRAMS) >= 60
    assert {each["lowest"] for each in PROGRAMS.values()} == set(TIERS)


@pytest.mark.parametrize("title", PLAIN)
def test_cpython_itself_gives_the_stored_value(title: str) -> None:
    names: dict[str, Any] = {"__name__": "stored"}
    exec(PROGRAMS[title]["text"], names)
    assert repr(names["solution"]()) == PROGRAMS[title]["value"]


@pytest.mark.parametrize("title", PROGRAMS)
def test_each_tier_that_accepts_a_program_gives_the_stored_value(title: str, sandbox: Sandbox) -> None:
    program = stored(title)
    at = TIERS.index(program["lowest"])
    for tier in TIERS[at:]:
        run = sandbox.run(program["text"], tier)
        assert (run.status, repr(run.value)) == ("ok", program["value"]), run
    for tier in TIERS[:at]:
        assert sandbox.run(program["text"], tier).status in ("unsupported", "forbidden")


@pytest.mark.parametrize("title", PROGRAMS)
def test_left_to_itself_a_program_runs_on_the_lowest_tier_that_accepts_it(
    title: str, sandbox: Sandbox
) -> None:
    program = stored(title)
    run = sandbox.run(program["text"])
    assert (run.tier, run.tried) == (program["lowest"], (program["lowest"],))
    assert repr(run.value) == program["value"]

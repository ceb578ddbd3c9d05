"""Programs as models write them: every tier that takes one gives and prints what CPython does."""

import json
import subprocess
import sys
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from calculemus.engine.sandbox import TIERS, Run, Sandbox, Tier, as_number

SECTIONS = tomllib.loads(Path(__file__).with_name("written.toml").read_text("utf-8"))
PROGRAMS = {f"{section}-{title}": text for section in SECTIONS for title, text in SECTIONS[section].items()}
LIKELY_MINI = ("variables", "printed", "solution")

# CPython itself: a fresh namespace for each program, run as a script is, and asked for its answer.
PLAIN = """
import contextlib, fractions, io, json, sys

def number(value):
    if isinstance(value, tuple):
        return [number(each) for each in value]
    if isinstance(value, (bool, str)):
        return None
    if getattr(value, "is_Rational", False):
        return f"{value.p}/{value.q}"
    try:
        return str(fractions.Fraction(value if isinstance(value, fractions.Fraction) else float(value)))
    except Exception:
        return None

def answer(names, printed):
    if callable(names.get("solution")):
        value = names["solution"]()
        if value is not None:
            return value
    lines = [line for line in printed.getvalue().splitlines() if line.strip()]
    if lines:
        with contextlib.suppress(ValueError):
            return float(lines[-1])
    found = [names[name] for name in ("answer", "ans", "result") if names.get(name) is not None]
    return found[0] if found else lines[-1].strip()

lines = sys.stdin.readlines()
sys.stdin = io.StringIO("")
for line in lines:
    names, printed = {"__name__": "__main__"}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            with contextlib.suppress(SystemExit):
                exec(json.loads(line), names)
            value = answer(names, printed)
            report = {"shown": repr(value), "number": number(value)}
        except Exception as problem:
            report = {"error": type(problem).__name__}
    print(json.dumps(report | {"stdout": printed.getvalue()}))
"""


@pytest.fixture(scope="module")
def expected() -> dict[str, dict[str, Any]]:
    lines = "".join(json.dumps(program) + "\n" for program in PROGRAMS.values())
    done = subprocess.run([sys.executable, "-P", "-c", PLAIN], input=lines, capture_output=True, text=True)
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(PROGRAMS, reports, strict=True))


def agrees(run: Run, report: dict[str, Any]) -> bool:
    """Say whether a run came to what CPython reported."""
    if "error" in report:
        return not run.ok
    same = repr(run.value) == report["shown"] or is_number(run.value, report["number"])
    return run.ok and same and run.stdout == report["stdout"]


def is_number(value: Any, number: Any) -> bool:
    """Say whether a value is a number, or a tuple of some: those of numpy and sympy come as Python's own."""
    if isinstance(value, tuple) and isinstance(number, list):
        return len(value) == len(number) and all(map(is_number, value, number))
    return isinstance(number, str) and as_number(value) == Fraction(number)


@pytest.mark.parametrize("tier", [None, "std", pytest.param("sci", marks=pytest.mark.slow)])
def test_every_program_comes_to_what_it_comes_to_on_cpython(
    sandbox: Sandbox, expected: dict[str, dict[str, Any]], tier: Tier | None
) -> None:
    names = [name for name in PROGRAMS if tier != "std" or not needs_packages(PROGRAMS[name])]
    runs = sandbox.run_many([PROGRAMS[name] for name in names], tier=tier)
    wrong = [(name, run, expected[name]) for name, run in zip(names, runs, strict=True)
             if not agrees(run, expected[name])]  # fmt: skip
    assert wrong == []


def needs_packages(program: str) -> bool:
    return any(f"{word} {name}" in program for word in ("import", "from")
               for name in ("numpy", "sympy", "scipy", "dateutil"))  # fmt: skip


def test_there_are_a_hundred_programs_and_most_plain_ones_run_on_mini(sandbox: Sandbox) -> None:
    assert len(PROGRAMS) >= 100
    plain = [text for name, text in PROGRAMS.items() if name.startswith(LIKELY_MINI)]
    tiers = [run.tier for run in sandbox.run_many(plain) if run.ok]
    assert set(tiers) <= set(TIERS)
    assert tiers.count("mini") > 0.6 * len(tiers)

"""Programs a second on every tier of the sandbox, beside a fresh Python process for each program.

Run: python bench/sandbox.py
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from calculemus.engine.sandbox import TIERS, Run, Sandbox, Tier
from calculemus.rng import Rng

WANTED = 3000  # programs a second on mini
COUNTS: dict[Tier, int] = {"mini": 3000, "std": 400, "sci": 100}  # programs to measure with
PROGRAM = '''
def solution():
    """A shop has {0} boxes of {1} apples. It sells {2} apples on Monday and {3} on each of {4} other days. An
    apple costs ${5} and sells for {6} percent more. How much does the shop earn with what it sold?"""
    boxes = {0}
    apples_per_box = {1}
    apples = boxes * apples_per_box
    sold_on_monday = {2}
    sold_on_other_days = {3} * {4}
    sold = min(apples, sold_on_monday + sold_on_other_days)
    cost = {5}
    price = cost * (1 + {6} / 100)
    earned = round(sold * (price - cost), 2)
    result = earned
    return result
'''
EQUATION = """
from sympy import Eq, solve, symbols

def solution():
    x = symbols('x')
    return solve(Eq({0} * x + {1}, {2}), x)[0]
"""


def draw(template: str, count: int) -> list[str]:
    """Return programs with numbers of their own."""
    rows = Rng(0).child("bench", "sandbox").generator().integers(1, 100, size=(count, 7))
    return [template.format(*row) for row in rows]


def rate(run: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    run()
    return count / (time.perf_counter() - start)


def check(runs: list[Run], programs: list[str]) -> None:
    """Stop if a program gave no value."""
    for run, program in zip(runs, programs, strict=True):
        if not run.ok:
            raise SystemExit(f"a program failed: {run}\n{program}")


def fresh(program: str) -> str:
    """Run a program as a script, in a process that starts with it; return what it prints."""
    script = f"{program}\nprint(solution())"
    done = subprocess.run([sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def measure(sandbox: Sandbox, tier: Tier, programs: list[str]) -> tuple[float, float]:
    """Return programs a second one after the other, and side by side."""
    runs: list[Run] = []
    alone = rate(lambda: runs.extend(sandbox.run(program, tier) for program in programs), len(programs))
    check(runs, programs)
    beside = rate(lambda: check(sandbox.run_many(programs, tier=tier), programs), len(programs))
    return alone, beside


def start_seconds(tier: Tier) -> float:
    """Return the time from nothing to the first value."""
    with Sandbox(tiers=(tier,), workers=1) as sandbox:
        start = time.perf_counter()
        sandbox.run("answer = 1", tier)
        return time.perf_counter() - start


def session_rate(sandbox: Sandbox, tier: Tier, blocks: int) -> float:
    with sandbox.session(tier=tier) as session:
        session.run("total = 0")
        return rate(lambda: [session.run("total += 1\ntotal") for _ in range(blocks)], blocks)


def measure_tiers(sandbox: Sandbox, programs: list[str], equations: list[str]) -> dict[str, float]:
    """Print a row for each tier; return the best rate of each."""
    rates: dict[str, float] = {}
    print(f"{'tier, programs':34}{'start s':>9}{'one by one/s':>14}{'side by side/s':>16}{'session/s':>11}")
    for tier in TIERS:
        sandbox.run("answer = 1", tier)
        alone, beside = measure(sandbox, tier, programs[: COUNTS[tier]])
        rates[tier] = max(alone, beside)
        blocks = session_rate(sandbox, tier, 200)
        row = f"{start_seconds(tier):9.2f}{alone:14,.0f}{beside:16,.0f}{blocks:11,.0f}"
        print(f"{f'{tier}, word problems':34}{row}")
    alone, beside = measure(sandbox, "sci", equations)
    rates["equations"] = max(alone, beside)
    print(f"{'sci, equations by sympy':34}{'':9}{alone:14,.0f}{beside:16,.0f}")
    return rates


def measure_real(sandbox: Sandbox) -> None:
    """Print a row for the programs of GSM-Hard, where CALCULEMUS_DATA has them."""
    file = Path(os.environ.get("CALCULEMUS_DATA", "")) / "gsm_hard" / "gsmhardv2.jsonl"
    if not file.exists():
        return
    programs = [json.loads(line)["code"] for line in file.read_text("utf-8").splitlines()]
    runs: list[Run] = []
    alone = rate(lambda: runs.extend(sandbox.run(program) for program in programs), len(programs))
    beside = rate(lambda: sandbox.run_many(programs), len(programs))
    print(f"{f'any tier, {len(programs):,} of GSM-Hard':34}{'':9}{alone:14,.0f}{beside:16,.0f}")
    on_mini = sum(run.tier == "mini" for run in runs)
    print(f"  {sum(run.ok for run in runs):,} gave a value; {on_mini:,} on mini")


def measure_fresh(sandbox: Sandbox, title: str, programs: list[str]) -> float:
    """Print a row for a fresh Python for each program, which must give what the sandbox gives."""
    printed: list[str] = []
    fresh_rate = rate(lambda: printed.extend(map(fresh, programs)), len(programs))
    print(f"{f'a fresh python -I, {title}':34}{'':9}{fresh_rate:14,.1f}")
    for program, run, expected in zip(programs, sandbox.run_many(programs), printed, strict=True):
        if str(run.value) != expected:
            raise SystemExit(f"the sandbox gives {run.value!r}, Python {expected!r}:\n{program}")
    return fresh_rate


def main() -> None:
    programs, equations = draw(PROGRAM, COUNTS["mini"]), draw(EQUATION, 60)
    with Sandbox() as sandbox:
        rates = measure_tiers(sandbox, programs, equations)
        measure_real(sandbox)
        word_problems = measure_fresh(sandbox, "word problems", programs[:40])
        by_sympy = measure_fresh(sandbox, "equations", equations[:5])
    print(f"\nmini beside the {WANTED:,} programs a second that it must reach")
    print(f"ratio: {rates['mini'] / WANTED:.2f}")
    print(f"mini beside a fresh python -I\nratio: {rates['mini'] / word_problems:.0f}")
    print(f"std beside a fresh python -I\nratio: {rates['std'] / word_problems:.1f}")
    print(f"sci beside a fresh python -I, equations\nratio: {rates['equations'] / by_sympy:.1f}")


if __name__ == "__main__":
    main()

"""``make demo``: five methods on the shipped model, and a report."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_the_demo_compares_five_methods_and_names_the_report_it_wrote() -> None:
    script = [sys.executable, "scripts/demo.py", "3"]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "@tiny  " in line and "%" not in line]
    names = {line.split()[0] for line in lines}
    assert len(names) == 5
    assert f"The report is {ROOT / 'demo' / 'report.html'}" in done.stdout
    assert f"web --store {ROOT / 'demo' / 'store.db'}" in done.stdout
    assert (ROOT / "demo" / "report.html").stat().st_size > 100_000

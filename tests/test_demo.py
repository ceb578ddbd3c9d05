"""``make demo`` where the data is not there: it says what to fetch, and that is no failure."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run_demo(data: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CALCULEMUS_DATA": str(data)}
    script = [sys.executable, "scripts/demo.py"]
    return subprocess.run(script, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_without_the_files_the_demo_says_what_to_fetch_and_where_to_put_it(tmp_path: Path) -> None:
    done = run_demo(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    wanted = ["https://github.com/openai/grade-school-math", "test.jsonl", "example_model_solutions.jsonl"]
    for part in [*wanted, str(ROOT / "data" / "gsm8k"), f"Looked in: {tmp_path}"]:
        assert part in done.stdout


def test_one_of_the_two_files_is_not_enough(tmp_path: Path) -> None:
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "gsm8k" / "test.jsonl").write_text("{}\n")
    assert "Fetch these two" in run_demo(tmp_path).stdout

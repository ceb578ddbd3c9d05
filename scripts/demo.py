"""Compare five methods on the model that ships with the package, and write a report: ``make demo``.

python scripts/demo.py [N] compares on N problems instead of 200.
"""

import shlex
import subprocess
import sys
from pathlib import Path

from here import CALCULEMUS, ROOT

PROBLEMS = 200
LEVEL = 4
STORE = Path("demo", "store.db")
METHODS = (
    "cot@tiny",
    "direct@tiny",
    "vote:n=8,temperature=0.7@tiny",
    "best_of_n:n=8,temperature=0.7@tiny",
    "pal@tiny",
)


def compare(n: int) -> None:
    """Run the comparison from the project's folder and show the command."""
    report = Path("demo", "report.html")
    arguments = ["compare", *METHODS, "--problems", f"generated:level={LEVEL},n={n}"]
    arguments += ["--store", str(STORE), "--report", str(report)]
    (ROOT / "demo").mkdir(exist_ok=True)
    print("$", shlex.join(["calculemus", *arguments]), flush=True)
    subprocess.run([CALCULEMUS, *arguments], cwd=ROOT, check=True)
    print(f"The report is {ROOT / report}: open it in a browser.")
    shown = shlex.join([str(CALCULEMUS), "web", "--store", str(ROOT / STORE)])
    print(f"The atlas of all systems, with these runs problem by problem: {shown}")


def main() -> int:
    """Compare on as many problems as are asked for."""
    try:
        compare(int(sys.argv[1]) if len(sys.argv) > 1 else PROBLEMS)
    except subprocess.CalledProcessError as failure:  # it has said why on stderr
        return failure.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Compare the four systems whose solutions come with GSM8K, and write a report: ``make demo``."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from here import CALCULEMUS, ROOT, SOLUTIONS, TEST, find_data, places

WHAT_TO_FETCH = f"""\
The demo compares four recorded systems on the test set of GSM8K. Their files do not come with the package.
Fetch these two from the folder grade_school_math/data of https://github.com/openai/grade-school-math
    {Path(TEST).name}
    {Path(SOLUTIONS).name}
and put them into {ROOT / "data" / "gsm8k"}
or into a folder gsm8k elsewhere, and name the folder above it: make demo CALCULEMUS_DATA=FOLDER
Looked in: {", ".join(map(str, places()))}"""


def compare(data: Path) -> None:
    """Run the comparison from the project's folder and show the command."""
    near = os.path.relpath(data, ROOT)
    report = Path("demo", "report.html")
    arguments = ["compare", f"recorded:{near}/{SOLUTIONS}", "--problems", "gsm8k:test", "--data", near]
    arguments += ["--store", "demo/store.db", "--report", str(report)]
    (ROOT / "demo").mkdir(exist_ok=True)
    print("$", shlex.join(["calculemus", *arguments]), flush=True)
    subprocess.run([CALCULEMUS, *arguments], cwd=ROOT, check=True)
    print(f"The report is {ROOT / report}: open it in a browser.")


def main() -> int:
    """Compare where the files are here; otherwise say what to fetch, which is no failure."""
    data = find_data()
    if data is None:
        print(WHAT_TO_FETCH)
        return 0
    try:
        compare(data)
    except subprocess.CalledProcessError as failure:  # it has said why on stderr
        return failure.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())

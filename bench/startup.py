"""Seconds until ``calculemus --help`` is printed, beside math-verify's import and a bare interpreter.

Run: python bench/startup.py
"""

import subprocess
import sys
import time

LIMIT = 0.3  # seconds that a user should wait for help at most


def fastest(*arguments: str, tries: int = 7) -> float:
    taken = []
    for _ in range(tries):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> None:
    bare = fastest("-c", "pass")
    ours = fastest("-c", "from calculemus.cli import run; run(['--help'])")
    peer = fastest("-c", "import math_verify")
    print(f"bare interpreter {bare:.3f} s, import math_verify {peer:.3f} s, calculemus --help {ours:.3f} s")
    print(f"limit {LIMIT} s: {'met' if ours <= LIMIT else 'missed'}")
    print(f"ratio: {peer / ours:.2f}")


if __name__ == "__main__":
    main()

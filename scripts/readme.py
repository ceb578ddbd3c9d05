"""Write the figures of README.md anew: ``make readme``; ``--check`` only says whether they are up to date.

A block of the README between ``<!-- figures:NAME -->`` and ``<!-- end -->`` is the output of a command.
Blocks that need data which is not here are left as they are.
"""

import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

from here import CALCULEMUS, ROOT, SOLUTIONS, find_data

README = ROOT / "README.md"
BLOCK = re.compile(r"(?<=<!-- figures:)(\w+)( -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)
WIDTH = 100
PLAIN = {"COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb", "LANG": "C.UTF-8"}


def console(*arguments: str, folder: Path = ROOT) -> str:
    """Return a command and what it prints in ``folder``, as a block of Markdown."""
    environment = {**os.environ, **PLAIN, "CALCULEMUS_STORE": str(folder / "store.db")}
    command = [CALCULEMUS, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True)
    lines = done.stdout.decode().strip().splitlines()
    printed = "\n".join(textwrap.fill(line, WIDTH) if len(line) > WIDTH else line.rstrip() for line in lines)
    return f"```console\n$ calculemus {' '.join(arguments)}\n{printed}\n```\n"


def compare() -> str | None:
    """Return the comparison of the four recorded systems; None where their files are not here."""
    data = find_data()
    if data is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").symlink_to(data.resolve())
        arguments = ["compare", f"recorded:data/{SOLUTIONS}", "--problems", "gsm8k:test", "--data", "data"]
        return console(*arguments, folder=Path(folder))


def built() -> str:
    """Return the methods that are built, with what their claims came to; none of the user's results count."""
    with tempfile.TemporaryDirectory() as folder:
        return console("list", "--status", "built", folder=Path(folder))


FIGURES: Mapping[str, Callable[[], str | None]] = {
    "help": lambda: console("--help"),
    "compare": compare,
    "built": built,
}


def renewed(text: str) -> str:
    """Return the README with every block written anew.

    Raises:
        KeyError: A block of a name that no command here writes.
    """

    def block(match: re.Match[str]) -> str:
        name, marker, written = match.groups()
        return name + marker + (FIGURES[name]() or written)

    return BLOCK.sub(block, text)


def main(arguments: list[str]) -> int:
    """Write the README, or with ``--check`` return 1 where it is out of date."""
    before = README.read_text("utf-8")
    after = renewed(before)
    if "--check" in arguments:
        if before != after:
            print("README.md is out of date; write its figures anew: make readme", file=sys.stderr)
        return int(before != after)
    partial = README.with_suffix(".md.part")
    partial.write_text(after, "utf-8")
    partial.replace(README)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

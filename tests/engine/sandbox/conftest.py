"""What the tests of the sandbox share: one sandbox, and a look at the processes that it has."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from calculemus.engine.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox with all tiers; on a machine that cannot isolate, the tests skip with the reason."""
    with Sandbox(workers=2) as made:
        for tier in ("std", "sci"):  # started here, so that no test pays for it
            problem = made.problem(tier)
            if problem is not None:
                pytest.skip(problem)
        yield made


@pytest.fixture
def descendants():
    """A function from a process to the processes below it, as this machine's /proc has them."""

    def find(root: int) -> set[int]:
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    parents[int(entry)] = int(
                        Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[1]
                    )
                except OSError:  # it has just ended
                    continue
        found = {root}
        while True:
            more = {process for process, parent in parents.items() if parent in found} - found
            if not more:
                return found - {root}
            found |= more

    return find

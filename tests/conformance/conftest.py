"""A stranger's method in a package of its own: four files and nothing else."""

from pathlib import Path

import pytest

METHOD = '''"""Halves: the model is asked twice, the second time to check itself."""

from dataclasses import dataclass
from typing import Annotated

from calculemus.engine.requests import Sample, Sampling
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class Halves(Solver):
    """Ask, then ask again with the first answer in view.

    Source: made up for a test.

    Attributes:
        max_tokens: Longest completion.
    """

    max_tokens: Annotated[int, AtLeast(1)] = 64

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Sample twice."""
        sampling = Sampling(max_tokens=self.max_tokens)
        (first,) = yield Sample(f"Q: {problem.question}\\nA: ", sampling)
        (second,) = yield Sample(first.prefix + "\\nIs this right? ", sampling)
        ctx.trace.follow("completion", first.text)
        ctx.trace.follow("completion", second.text)
        return ctx.solution(second)
'''

CARD = """id = "halves"
title = "Halves"
date = "2026-01-01"
authors = 1
room = "solving"
interface = "Solver"
entry = "strange_package.halves:Halves"
tags = []
summary = "Asks twice. The second time the first answer is in view."

[claim]
text = "Asking twice is better than asking once."
baseline = "direct"
treatment = "halves"
metric = "accuracy"
direction = "higher"

[scope]
shows = "Whether it runs."
does_not_show = "Anything else."
"""

CLAIM = '''"""Asking twice against asking once."""

from calculemus.claim import Claim, Contrast, Lab, Measured

TWICE = Contrast("twice against once", baseline="direct", treatment="halves")


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve a few problems."""
    return lab.solve(arm, lab.problems(smoke="generated:level=1,n=4", small="generated:level=1,n=40"))


CLAIM = Claim((TWICE,), control=TWICE.without_treatment(), measure=measure)
'''

TEST = '''"""What is particular to halves."""

from calculemus.conformance import check_method


def test_halves_conforms() -> None:
    assert check_method("halves").ok
'''


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """The folder of a package that Python's path does not have, with one method."""
    folder = tmp_path / "strange_package"
    files = {
        folder / "halves.py": METHOD,
        folder / "halves.toml": CARD,
        folder / "halves_claim.py": CLAIM,
        tmp_path / "tests" / "test_halves.py": TEST,
    }
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return folder

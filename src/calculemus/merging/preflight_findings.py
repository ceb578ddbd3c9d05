"""What a look at models before a merge finds: how bad it is, and what mends it."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from calculemus.checkpoint import Checkpoint

Severity = Literal["error", "warning", "note"]
"""Errors stand in the way of a merge; warnings say that it may come out wrong; notes are worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: How bad it is.
        topic: What it is about, in a word or two.
        found: What was found, and in which model.
        expected: What should have been there.
        fix: What to do; a command where there is one.
    """

    severity: Severity
    topic: str
    found: str
    expected: str = ""
    fix: str = ""

    def __str__(self) -> str:
        expected = f"; expected {self.expected}" if self.expected else ""
        return f"{self.topic}: {self.found}{expected}{f'. {self.fix}' if self.fix else ''}"


def align_command(model: Checkpoint, to: Checkpoint) -> str:
    """Return the command that gives a model the vocabulary of another one."""
    out = f"{Path(model.name).name.removesuffix('.safetensors')}-aligned"
    return "Run: " + shlex.join(["calculemus", "align", model.name, "--to", to.name, "--out", out])

"""Cards of solvers: what is known of a method without importing its code."""

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SolverCard:
    """What a solver's card says of it.

    Attributes:
        id: Its name on the command line; the stem of its files.
        title: Of its paper, or what people call it.
        summary: What it does, in two sentences.
        entry: ``module:Class``.
        tags: What checks go by: ``stochastic``, ``runs-code``, ``needs-logprobs``.
    """

    id: str
    title: str
    summary: str
    entry: str
    tags: tuple[str, ...]


def read_card(path: Path) -> SolverCard:
    """Read a card."""
    table = tomllib.loads(path.read_text("utf-8"))
    return SolverCard(table["id"], table["title"], table["summary"], table["entry"], tuple(table["tags"]))

"""Steps of a trace, for a terminal."""

from collections.abc import Sequence

_SHOWN = 4_000  # characters of a step


def step_heading(index: int, kind: str, parents: Sequence[int]) -> str:
    """Name a step: its number, its kind, and what it follows."""
    after = f" after {', '.join(map(str, parents))}" if parents else ""
    return f"[{index}] {kind}{after}"


def step_text(text: str) -> str:
    """Return a step without empty lines around it, and the start of a long one."""
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."
    return shown.strip("\n")

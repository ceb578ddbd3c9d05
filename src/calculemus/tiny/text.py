"""The text that the model reads and writes, in its two modes."""

from typing import Literal, Protocol

Mode = Literal["worked", "program"]
MODES: tuple[Mode, ...] = ("worked", "program")


class Told(Protocol):
    """What both modes are written from; the generator's items are such."""

    @property
    def question(self) -> str:
        """What is asked."""
        ...

    @property
    def solution(self) -> str:
        """The worked solution, annotated."""
        ...

    @property
    def program(self) -> str:
        """Source of a function ``solution()``."""
        ...


def prompt(question: str, mode: Mode) -> str:
    r"""Return what the model is given.

    Example:
        >>> prompt("How many?", "worked")
        'Q: How many?\nA:'
    """
    return f"Q: {question}\n{'A' if mode == 'worked' else 'P'}:"


def completion(item: Told, mode: Mode) -> str:
    """Return what the model is to write, without the token that ends it."""
    # The first step stands on the line of its "A:", so that every step, the first too, ends at a newline.
    return f" {item.solution}" if mode == "worked" else f"\n{item.program}"

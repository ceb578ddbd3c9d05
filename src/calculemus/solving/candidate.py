"""What can be chosen: whole chains, and partial or whole solutions of a search."""

from typing import Protocol

from calculemus.engine.requests import Prompt


class Candidate(Protocol):
    """Something with an answer, or on the way to one."""

    @property
    def prompt(self) -> Prompt:
        """Question and text together, to be continued or valued."""
        ...

    @property
    def text(self) -> str:
        """What was written behind the question."""
        ...

    @property
    def answer(self) -> str | None:
        """The answer that it gives; None where it gives none."""
        ...

    @property
    def logprob(self) -> float | None:
        """Sum of its tokens' log-probabilities; None where unknown."""
        ...

    @property
    def n_tokens(self) -> int:
        """Number of its tokens, as far as the engine gives them."""
        ...

    @property
    def node(self) -> int:
        """Its index in the trace."""
        ...

    @property
    def is_cut(self) -> bool:
        """Whether a limit ended it."""
        ...

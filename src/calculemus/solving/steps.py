"""Steps of a solution: what ends one, which of them is the last, and where they lie among sampled tokens."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_FINAL = re.compile(r"####|\\boxed|\banswer\s*(?:is|:|=)", re.I)

StepKind = Literal["line", "paragraph", "code", "tag", "tokens", "whole"]
"""What ends a step.

- ``line``: the end of a line that has something on it;
- ``paragraph``: a blank line;
- ``code``: the closing fence of a block of code;
- ``tag``: ``</step>``;
- ``tokens``: nothing, so that each step has as many tokens as it may;
- ``whole``: nothing, and it may have all the tokens that there are: a solution is one step.
"""

STOPS: dict[StepKind, tuple[str, ...]] = {
    "line": ("\n",),
    "paragraph": ("\n\n",),
    "code": ("\n```\n",),
    "tag": ("</step>",),
    "tokens": (),
    "whole": (),
}


def is_final(step: str) -> bool:
    """Say whether a step states the final answer.

    Example:
        >>> is_final("#### 18"), is_final("So there are 9 eggs.")
        (True, False)
    """
    return bool(_FINAL.search(step))


@dataclass(frozen=True, slots=True)
class StepSplitter:
    r"""Finds the ends of steps, while they are sampled and afterwards.

    Attributes:
        kind: What ends a step.
        n_tokens: Longest step, in tokens.

    Example:
        >>> StepSplitter("line", 100).ends(["2", "+", "1", "=", "3", "\n", "####", " 3"])
        [6, 8]
    """

    kind: StepKind = "line"
    n_tokens: int = 100

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts at which sampling pauses; they belong to the step that they end."""
        return STOPS[self.kind]

    def ends(self, pieces: Sequence[str]) -> list[int]:
        """Return behind which tokens of a solution its steps end, the last of them included.

        No text is encoded again: a step ends with the token in which the text that ends it is complete.

        Args:
            pieces: What each token writes.
        """
        found: list[int] = []
        begun, written = 0, ""
        for place, piece in enumerate(pieces, 1):
            written += piece
            is_ended = any(stop in written.lstrip() for stop in self.stops)
            if is_ended or (place - begun >= self.n_tokens and self.kind != "whole"):
                found.append(place)
                begun, written = place, ""
        if begun < len(pieces):
            found.append(len(pieces))
        return found

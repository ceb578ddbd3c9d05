"""Steps of a solution in text: which of them is the last."""

import re

_FINAL = re.compile(r"####|\\boxed|\banswer\s*(?:is|:|=)", re.I)


def is_final(step: str) -> bool:
    """Say whether a step states the final answer.

    Example:
        >>> is_final("#### 18"), is_final("So there are 9 eggs.")
        (True, False)
    """
    return bool(_FINAL.search(step))

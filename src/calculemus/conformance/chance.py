"""The global random generators, which methods leave alone: where they stand, and standing elsewhere."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_DRAWS = 3  # odd, so that generators which draw in pairs are disturbed, too


def _numpy() -> Any:
    import numpy as np  # here, so that importing the package stays fast

    return np.random


def _torch() -> Any:
    """Return torch where it is loaded; who has not loaded it draws nothing from it."""
    return sys.modules.get("torch")


def known_states() -> dict[str, object]:
    """Return where each global generator stands."""
    name, keys, *rest = _numpy().get_state()
    states: dict[str, object] = {"random": random.getstate(), "numpy.random": (name, keys.tobytes(), *rest)}
    torch = _torch()
    if torch is not None:
        states["torch"] = bytes(torch.get_rng_state().numpy())
    return states


@contextmanager
def shifted(way: int) -> Iterator[None]:
    """Let the block begin with the global generators elsewhere; afterwards they are where they were.

    Args:
        way: Where: other numbers are other places.
    """
    numpy, torch = _numpy(), _torch()
    before = random.getstate(), numpy.get_state()
    torch_before = torch.get_rng_state() if torch is not None else None
    try:
        for _ in range(_DRAWS * way):
            random.random()
            numpy.random()
            if torch is not None:
                torch.rand(1)
        yield
    finally:
        random.setstate(before[0])
        numpy.set_state(before[1])
        if torch is not None:
            torch.set_rng_state(torch_before)

"""Which tokens are drawn from, and which one a seed draws."""

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate

from calculemus.engine.requests import Sampling


def shape(probabilities: Sequence[float], sampling: Sampling) -> list[float]:
    """Return the probabilities that are drawn from: temperature, then top-k, top-p and min-p.

    Each of the three looks at the probabilities after the temperature; a token must pass all. Of equal
    tokens the first comes first. Temperature 0 takes the most probable token.
    """
    order = sorted(range(len(probabilities)), key=lambda token: -probabilities[token])
    if sampling.temperature == 0:
        return [1.0 if token == order[0] else 0.0 for token in range(len(probabilities))]
    most = probabilities[order[0]]
    heated = [(p / most) ** (1 / sampling.temperature) for p in probabilities]
    total = sum(heated)
    heated = [p / total for p in heated]
    before = [0.0, *accumulate(heated[token] for token in order)]
    kept = [
        token
        for place, token in enumerate(order)
        if (not sampling.top_k or place < sampling.top_k)
        and before[place] < sampling.top_p
        and heated[token] >= sampling.min_p * heated[order[0]]
    ]
    mass = sum(heated[token] for token in kept)
    return [heated[token] / mass if token in kept else 0.0 for token in range(len(heated))]


def number_of(seed: int, place: int) -> float:
    """Return the number in [0, 1) that a seed stands for at a place of a text."""
    hashed = blake2b(seed.to_bytes(8, "little") + place.to_bytes(8, "little"), digest_size=8).digest()
    return int.from_bytes(hashed, "little") / 2**64


class Choice:
    """Tokens to draw from, with their probabilities; those that cannot be drawn are left out.

    Attributes:
        tokens: The tokens, counted from 1.
        probabilities: Theirs.
    """

    __slots__ = ("_ends", "probabilities", "tokens")

    def __init__(self, probabilities: Sequence[float]) -> None:
        self.tokens = [token for token, p in enumerate(probabilities, 1) if p > 0]
        self.probabilities = [p for p in probabilities if p > 0]
        self._ends = list(accumulate(self.probabilities))

    def draw(self, number: float) -> int:
        """Return the token in whose share of [0, 1) a number falls."""
        place = bisect_right(self._ends, number)
        return self.tokens[min(place, len(self.tokens) - 1)]  # the last end may be rounded below 1

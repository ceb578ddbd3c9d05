"""The only place where a random generator is made.

Every draw comes from a keyed hash of a path such as (run seed, method, problem id, purpose), so that adding
a problem, changing the batch size or restarting changes nobody else's draws.
"""

import hashlib
import operator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@lru_cache(maxsize=4096, typed=True)  # few parts make up many paths; half the time of a seed goes here
def _encoded(part: str | int) -> bytes:
    """Write one part of a path; with kind and length before it, no two paths read alike when joined."""
    # A lone surrogate, which JSON can carry into a problem's id, and an integer of numpy's are parts too.
    is_text = isinstance(part, str)
    data = part.encode(errors="surrogatepass") if is_text else str(operator.index(part)).encode()
    return f"{'str' if is_text else 'int'}:{len(data)}:".encode() + data


@dataclass(frozen=True, slots=True)
class Rng:
    """A random stream named by a path; equal paths give equal streams in every process.

    Example:
        >>> Rng(7).child("vote", "gsm8k:test/0").integer(6) == Rng(7).child("vote", "gsm8k:test/0").integer(6)
        True
    """

    seed: int
    path: tuple[str | int, ...] = ()

    def child(self, *names: str | int) -> "Rng":
        """Return the stream further down the path."""
        return Rng(self.seed, (*self.path, *names))

    @property
    def key(self) -> int:
        """128 bits that name this stream."""
        return int.from_bytes(self._hash().digest(), "little")

    def _hash(self) -> "hashlib.blake2b":
        return hashlib.blake2b(b"".join(map(_encoded, (self.seed, *self.path))), digest_size=16)

    def seeds(self, n: int) -> tuple[int, ...]:
        """Return 64-bit seeds: the low halves of the keys of the children 0 to ``n - 1``."""
        start = self._hash()
        seeds: list[int] = []
        for index in range(n):
            hashed = start.copy()  # the path is hashed once, not once a seed
            hashed.update(_encoded(index))
            seeds.append(int.from_bytes(hashed.digest()[:8], "little"))
        return tuple(seeds)

    def generator(self) -> "np.random.Generator":
        """Return a fresh counter-based generator at the start of this stream."""
        import numpy as np  # here, so that importing the package stays fast

        return np.random.Generator(np.random.Philox(key=self.key))

    def integer(self, bound: int) -> int:
        """Return the stream's one integer in ``range(bound)``; derive a child for another."""
        return int(self.generator().integers(bound))

"""The only place where a random generator is made.

Every draw comes from a keyed hash of a path such as (run seed, method, problem id, purpose), so that adding
a problem, changing the batch size or restarting changes nobody else's draws.
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


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
        parts = (self.seed, *self.path)
        # Type and length before each part: ("ab", "c"), ("a", "bc") and (1,), ("1",) stay apart.
        encoded = b"".join(
            f"{type(part).__name__}:{len(data)}:".encode() + data
            for part in parts
            for data in [str(part).encode()]
        )
        return int.from_bytes(hashlib.blake2b(encoded, digest_size=16).digest(), "little")

    def generator(self) -> "np.random.Generator":
        """Return a fresh counter-based generator at the start of this stream."""
        import numpy as np  # here, so that importing the package stays fast

        return np.random.Generator(np.random.Philox(key=self.key))

    def integer(self, bound: int) -> int:
        """Return the stream's one integer in ``range(bound)``; derive a child for another."""
        return int(self.generator().integers(bound))

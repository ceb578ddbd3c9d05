"""How many threads a model computes with on a CPU."""

import torch

from calculemus.errors import InvalidParameterError

SMALL = 50_000_000
"""Parameters below which a model runs on one thread.

A step of such a model takes milliseconds: a second thread saves little of them, and where other processes
want the cores, the threads wait for each other for longer than they compute.
"""

_GIVEN = torch.get_num_threads()
"""What torch took when it was loaded: ``OMP_NUM_THREADS``, or one for each core."""


def choose_threads(wanted: int | None, parameters: int) -> int:
    """Return how many threads to use: as wanted, else one for a small model and torch's own number.

    Raises:
        InvalidParameterError: Fewer than one are wanted.
    """
    if wanted is not None:
        if wanted < 1:
            raise InvalidParameterError(f"TorchEngine: parameter 'threads' is {wanted}; expected 1 at least")
        return wanted
    return 1 if parameters < SMALL else _GIVEN


def use_threads(n: int) -> None:
    """Have torch compute with ``n`` threads from here on; it knows one number for the whole process."""
    if torch.get_num_threads() != n:
        torch.set_num_threads(n)

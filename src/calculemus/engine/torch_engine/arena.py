"""The memory of keys and values: pages of the rows in flight, and the pool behind the prefix tree.

All of it is taken once. Keys lie in their page as columns, one for each token: a product of a query with a
page then reads memory in order, which is twice as fast as with rows where memory sets the pace.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calculemus.engine.torch_engine.shapes import PAGE

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class KvShape:
    """Sizes of keys and values."""

    n_layers: int
    n_kv_heads: int
    d_key: int
    d_value: int

    def bytes_per_token(self, dtype: torch.dtype) -> int:
        """Return the memory of one token."""
        return self.n_layers * self.n_kv_heads * (self.d_key + self.d_value) * dtype.itemsize


class Arena:
    """Keys and values of so many pages, and of so many single tokens in the pool.

    Attributes:
        keys: (layer, page, head, width, token).
        values: (layer, page, head, token, width).
        shape: Sizes.
    """

    def __init__(
        self, shape: KvShape, *, n_pages: int, n_places: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.shape = shape

        def zeros(*sizes: int) -> Tensor:
            # Not empty: what a mask hides must be finite, for 0 * nan is nan.
            return torch.zeros(sizes, dtype=dtype, device=device)

        n_layers, n_heads, d_key, d_value = shape.n_layers, shape.n_kv_heads, shape.d_key, shape.d_value
        self.keys = zeros(n_layers, n_pages, n_heads, d_key, PAGE)
        self.values = zeros(n_layers, n_pages, n_heads, PAGE, d_value)
        self._pool_keys = zeros(n_places, n_layers, n_heads, d_key)
        self._pool_values = zeros(n_places, n_layers, n_heads, d_value)

    @property
    def n_pages(self) -> int:
        """Pages, the one for padding included."""
        return self.keys.shape[1]

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self.keys.device

    @property
    def dtype(self) -> torch.dtype:
        """Of keys and values."""
        return self.keys.dtype

    def put(self, array: Ids) -> Tensor:
        """Bring indices to where the memory is."""
        return torch.from_numpy(array).to(self.device)

    def load(self, places: Ids, pages: Ids, offsets: Ids) -> None:
        """Copy tokens from the pool into pages."""
        source, page, offset = self.put(places), self.put(pages), self.put(offsets)
        self.keys[:, page, :, :, offset] = self._pool_keys[source]
        self.values[:, page, :, offset] = self._pool_values[source]

    def save(self, pages: Ids, offsets: Ids, places: Ids) -> None:
        """Copy tokens from pages into the pool."""
        page, offset, target = self.put(pages), self.put(offsets), self.put(places)
        self._pool_keys[target] = self.keys[:, page, :, :, offset]
        self._pool_values[target] = self.values[:, page, :, offset]

    def move(self, pages: list[int], into: list[int]) -> None:
        """Copy whole pages."""
        source, target = (torch.tensor(some, device=self.device) for some in (pages, into))
        self.keys[:, target] = self.keys[:, source]
        self.values[:, target] = self.values[:, source]

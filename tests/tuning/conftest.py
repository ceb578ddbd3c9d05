"""A small module with tasks that need no training."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from calculemus.rng import Rng


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums of floats depend on how threads cut them up."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Small(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        draws = Rng(seed, ("small",)).generator()
        self.layers = nn.ModuleList([nn.Linear(3, 5), nn.Linear(5, 4)])
        self.register_buffer("steps", torch.tensor(7))
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.from_numpy(draws.normal(0, 1, tuple(weight.shape))).float())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers[1](torch.tanh(self.layers[0](x)))


@pytest.fixture
def small() -> type[Small]:
    return Small

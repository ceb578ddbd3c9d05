"""Evolution of numbers by CMA-ES, which can be taken up again from what it was told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calculemus.errors import InvalidParameterError, MissingExtraError
from calculemus.rng import Rng

if TYPE_CHECKING:
    from cmaes import CMA

Array = NDArray[np.float64]
Told = Sequence[Sequence[float]]
"""For each generation the fitness of its candidates, in order: all that a search has to remember."""


@dataclass
class Evolution:
    """A search for the numbers with the highest fitness.

    Source: Hansen and Ostermeier 2001, doi:10.1162/106365601750190398, as the package cmaes has it. Its draws
    depend on the stream alone, so that the same fitness leads to the same candidates.

    Args:
        start: Where it begins.
        sigma: Width of the first generation.
        rng: Names the draws.
        low: Least of all numbers; None for no bound.
        high: Most of them.
        population: Candidates of a generation; 4 + floor(3 ln n) if not given.
        told: What an earlier search with the same settings was told: it goes on from there.

    Attributes:
        told: Fitness of each candidate so far.
        best: The fittest candidate so far; the start before there is one.
        fitness: Of the fittest candidate.

    Raises:
        InvalidParameterError: What was told is of other sizes.
        MissingExtraError: cmaes is not installed.
    """

    start: Array
    sigma: float
    rng: Rng
    low: float | None = None
    high: float | None = None
    population: int | None = None
    told: list[list[float]] = field(default_factory=list)
    best: Array = field(init=False)
    fitness: float = field(init=False, default=-np.inf)
    _search: "CMA" = field(init=False, repr=False)
    _asked: list[Array] = field(init=False, repr=False, default_factory=list)

    def __post_init__(self) -> None:
        try:
            from cmaes import CMA
        except ImportError as error:
            raise MissingExtraError("searching by CMA-ES", "cmaes", "evolve") from error
        bounds: Any = None
        if self.low is not None or self.high is not None:
            ends = (-np.inf if self.low is None else self.low, np.inf if self.high is None else self.high)
            bounds = np.tile(ends, (len(self.start), 1))
        self._search = CMA(
            mean=self.start.astype(np.float64),
            sigma=self.sigma,
            bounds=bounds,
            seed=self.rng.integer(2**31),
            population_size=self.population,
        )
        self.best = self.start.astype(np.float64)
        remembered, self.told = self.told, []
        for values in remembered:
            self.ask()
            self.tell(values)

    @property
    def size(self) -> int:
        """Candidates of a generation."""
        return self._search.population_size

    def ask(self) -> list[Array]:
        """Return the candidates of the next generation; the same ones until they are told of."""
        if not self._asked:
            self._asked = [self._search.ask() for _ in range(self.size)]
        return self._asked

    def tell(self, fitness: Sequence[float]) -> None:
        """Take the fitness of the candidates that were asked for."""
        if len(fitness) != len(self._asked):
            raise InvalidParameterError(
                f"searching by CMA-ES: told of {len(fitness)} candidates of {len(self._asked)}; expected one "
                "fitness each. Go on with the settings that the search began with"
            )
        for candidate, value in zip(self._asked, fitness, strict=True):
            if value > self.fitness:
                self.best, self.fitness = candidate, float(value)
        # The package looks for the least.
        self._search.tell([(c, -float(value)) for c, value in zip(self._asked, fitness, strict=True)])
        self.told.append([float(value) for value in fitness])
        self._asked = []

    def run(self, fitness: Callable[[Array], float], trials: int) -> None:
        """Go on, generation by generation, as long as no more than so many candidates are tried in all."""
        while sum(map(len, self.told)) + self.size <= trials:
            self.tell([fitness(candidate) for candidate in self.ask()])

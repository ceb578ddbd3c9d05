"""Evolutionary merging in parameter space: weights and densities of each group of layers, found by CMA-ES."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from calculemus.merging.calibration import Calibrated, CalibratedMerge, Trial
from calculemus.merging.dare_ties import DareTies
from calculemus.merging.evolving import Evolution, Told
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.layers import address
from calculemus.merging.racing import Race
from calculemus.params import AtLeast, Between

Array = NDArray[np.float64]


@dataclass(frozen=True)
class EvoMerge(CalibratedMerge):
    """Search the weights and densities of a DARE-TIES merge for the best accuracy on the rows to choose by.

    Source: Akiba et al. 2024, arXiv:2403.13187, section 3.1; the settings are known at second hand. A group
    is so many layers, or the embeddings, or what is neither; for each it has a weight and a density a model.
    Weights are not divided by their sum, as in the tool that the paper used. Candidates that are clearly
    worse than the best one so far are stopped early; see ``Race``. For the order of layers see ``EvoFlow``,
    which goes on from what this finds when it is given the merged model.

    Attributes:
        trials: Most merges that are tried.
        sigma: Width of the first generation, of genes from 0 to 1.
        start: Weight of each model to begin with.
        start_density: Density of each model to begin with.
        population: Candidates of a generation; 4 + floor(3 ln n) for n genes if not given.
        layers_per_group: How many layers share their genes.
        n_heats: Into how many heats a candidate's rows are cut; 1 stops none early.
    """

    quick: ClassVar[Mapping[str, Any]] = {"trials": 40, "population": 10}

    trials: Annotated[int, AtLeast(1)] = 1000  # paper, not verified
    sigma: Annotated[float, Between(0, 1, open_left=True)] = 1 / 6  # paper, not verified
    start: Annotated[float, Between(0, 1)] = 0.5  # our own
    start_density: Annotated[float, Between(0, 1, open_left=True)] = 0.5  # our own
    population: Annotated[int | None, AtLeast(2)] = None
    layers_per_group: Annotated[int, AtLeast(1)] = 1
    n_heats: Annotated[int, AtLeast(1)] = 4  # our own

    def calibrate(self, trial: Trial) -> Calibrated:
        """Return the fittest merge.

        Raises:
            InvalidParameterError: There are fewer than 50 rows to choose by.
            MissingExtraError: cmaes is not installed.
        """
        return self.go_on(trial, ())

    def go_on(self, trial: Trial, told: Told) -> Calibrated:
        """Return the fittest merge, going on from what an earlier search was told.

        Args:
            trial: The same as that of the earlier search.
            told: The ``told`` of the earlier search's record; it may end anywhere.
        """
        search, race = self.search(trial, told), Race(trial.tasks, self.n_heats)
        if told:
            self.fitness(trial, search.best, race)  # the race knows again whom to beat
        search.run(lambda genes: self.fitness(trial, genes, race), self.trials)
        record = {
            "fitness": search.fitness,
            "genes": search.best.tolist(),
            "told": search.told,
            "stopped_early": race.n_stopped,
        }
        return self.settled(trial, search.best, record)

    def search(self, trial: Trial, told: Told = ()) -> Evolution:
        """Return the search over the genes of a trial."""
        n = len(self.groups(trial)) * len(trial.models)
        start = np.concatenate([np.full(n, self.start), np.full(n, self.start_density)])
        rng = trial.rng.child("evo_merge")
        return Evolution(start, self.sigma, rng, 0.0, 1.0, self.population, [list(row) for row in told])

    def groups(self, trial: Trial) -> list[str]:
        """Return the groups of tensors that share their genes, in order."""
        return list(dict.fromkeys(self._group(name) for name in trial.base_weights))

    def _group(self, name: str) -> str:
        at = address(name)
        if at.layer is not None:
            return f"layers {at.layer // self.layers_per_group}"
        return "embeddings" if at.part in ("embed", "positions") else "rest"

    def settled(self, trial: Trial, genes: Array, record: Mapping[str, Any] | None = None) -> Calibrated:
        """Return the merge of a genome: (group, model) weights, then (group, model) densities."""
        groups, n_models = self.groups(trial), len(trial.models)
        weights, densities = genes.reshape(2, len(groups), n_models)
        rows = {name: groups.index(self._group(name)) for name in trial.base_weights}
        return Calibrated(
            DareTies(scale=1.0, normalize=False),
            {name: weights[row].tolist() for name, row in rows.items()},
            (),
            record or {},
            {name: {"density": _above_zero(densities[row])} for name, row in rows.items()},
        )

    def fitness(self, trial: Trial, genes: Array, race: Race) -> float:
        """Return what a genome's merge is worth, in memory."""
        import torch

        from calculemus.tuning.weights import carrying

        merged = merge_in_memory(self.settled(trial, genes).plan(trial.models, trial.base))
        with carrying(trial.model, {name: torch.from_numpy(numbers) for name, numbers in merged.items()}):
            return race.run(trial.model)


_LEAST = 1e-3


def _above_zero(densities: Array) -> Sequence[float]:
    """Return densities that DARE can divide by."""
    return np.maximum(densities, _LEAST).tolist()

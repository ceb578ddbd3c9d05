"""Evolutionary merging in data-flow space: which layers of several models an input visits, and in what order.

Source: Akiba et al. 2024, arXiv:2403.13187, section 3.2; the settings are known at second hand.
"""

import copy
import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.merging.calibration import Trial
from calculemus.merging.evolving import Evolution, Told
from calculemus.merging.layers import address
from calculemus.merging.passthrough import Passthrough
from calculemus.merging.racing import Race
from calculemus.params import AtLeast, Between, Configured
from calculemus.tuning.weights import Weights

Array = NDArray[np.float64]
_LISTS = ("layers", "h", "blocks", "block", "layer")


@dataclass(frozen=True, slots=True)
class Visit:
    """A layer that an input goes through.

    Attributes:
        model: Number of its model, from 0.
        layer: Its number there, from 0.
        scale: What its input, the residual stream, is multiplied by.
    """

    model: int
    layer: int
    scale: float = 1.0


@dataclass(frozen=True)
class Flow:
    """The layers that an input goes through, in order.

    Attributes:
        visits: One for each layer; a layer may come again.

    Raises:
        InvalidParameterError: There is none, or a scale is not above 0.
    """

    visits: tuple[Visit, ...]

    def __post_init__(self) -> None:
        if not self.visits or min(visit.scale for visit in self.visits) <= 0:
            raise InvalidParameterError(
                f"making a flow of {len(self.visits)} layers: expected at least one, and scales above 0, "
                "since a norm does not undo a sign"
            )

    def passthrough(self) -> Passthrough:
        """Return the edit that makes a model of the flow.

        A norm stands before everything that reads the stream, and takes a scale out again, up to its epsilon.
        So a scale on the stream is the same as its inverse on all that is added to the stream from there on.
        """
        scales = itertools.accumulate((visit.scale for visit in self.visits), lambda a, b: a * b)
        return Passthrough(
            tuple(
                f"{visit.model}[{visit.layer}:{visit.layer + 1}]*{1 / scale:.17f}"
                for visit, scale in zip(self.visits, scales, strict=True)
            )
        )


@contextmanager
def flowing(models: Sequence[nn.Module], flow: Flow) -> Iterator[nn.Module]:
    """Have a model send its inputs through a flow, for a while; no weight is copied.

    Embeddings are those of the first visit's model, the last norm and the head those of the last one's. Each
    visit has a slot of its own in the cache of keys and values.

    Args:
        models: Of one make.
        flow: Through their layers.

    Raises:
        CheckpointMismatchError: A model has no list of layers.
    """
    host, last = models[flow.visits[0].model], models[flow.visits[-1].model]
    visits = nn.ModuleList(
        _visited(_layers(models[visit.model])[1][visit.layer], number, visit.scale)
        for number, visit in enumerate(flow.visits)
    )
    path, _ = _layers(host)
    with ExitStack() as undo:
        for name, module in [(path, visits), *_behind(last, path)]:
            _replace(host, name, module, undo)
        config: Any = getattr(host, "config", None)
        if config is not None:
            undo.callback(setattr, config, "num_hidden_layers", config.num_hidden_layers)
            config.num_hidden_layers = len(visits)
        yield host


def _layers(model: nn.Module) -> tuple[str, nn.ModuleList]:
    """Return where a model's list of layers is, and the list."""
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and name.rpartition(".")[2] in _LISTS:
            return name, module
    raise CheckpointMismatchError(
        f"sending inputs through layers of {type(model).__name__}: it has no list of layers; expected one "
        f"called {', '.join(_LISTS)}"
    )


def _behind(model: nn.Module, path: str) -> list[tuple[str, nn.Module]]:
    """Return what comes behind a model's layers: its norm beside them, and its head."""
    found = [(name, module) for name, module in model.named_modules() if name and path not in name]
    return [(name, module) for name, module in found if address(name).part in ("norm", "head")]


def _replace(model: nn.Module, name: str, module: nn.Module, undo: ExitStack) -> None:
    owner, _, attribute = name.rpartition(".")
    holder = model.get_submodule(owner)
    undo.callback(setattr, holder, attribute, getattr(holder, attribute))
    setattr(holder, attribute, module)


def _visited(layer: nn.Module, number: int, scale: float) -> nn.Module:
    """Return a layer at a place of the flow: with the layer's own weights, and a cache slot of the place."""
    made = _shallow(layer)
    for name, child in layer.named_children():
        if hasattr(child, "layer_idx"):
            own: Any = _shallow(child)
            own.layer_idx = number
            setattr(made, name, own)
    if scale != 1:

        def scaled(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
            if args:
                return (args[0] * scale, *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": kwargs["hidden_states"] * scale}

        made.register_forward_pre_hook(scaled, with_kwargs=True)
    return made


def _shallow(module: nn.Module) -> Any:
    """Return a module with the same parameters, whose children and hooks can be changed by themselves."""
    made = copy.copy(module)
    for kept in ("_modules", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs"):
        made.__dict__[kept] = copy.copy(module.__dict__[kept])
    return made


@dataclass(frozen=True, slots=True)
class Found:
    """What a search for a flow came to.

    Attributes:
        flow: The fittest one.
        fitness: Its mean accuracy on the rows to choose by.
        told: Fitness of all candidates by generation; a search goes on from it.
    """

    flow: Flow
    fitness: float
    told: Told


@dataclass(frozen=True)
class EvoFlow(Configured):
    """Search the layers that an input visits, and the scales between them, by CMA-ES.

    Source: Akiba et al. 2024, arXiv:2403.13187, section 3.2. All layers of all models stand in a row, several
    times over; a gene above 0 has one visited. The scale between two visits depends on which layers they
    are. It is the exponential of a gene, so that it stays above 0. The search begins with the first model.

    Attributes:
        repeats: How often the row is repeated (r).
        generations: Of the search.
        population: Candidates of a generation.
        sigma: Width of the first generation.
        n_heats: Into how many heats a candidate's rows are cut; see ``Race``.
    """

    repeats: Annotated[int, AtLeast(1)] = 3  # paper, not verified
    generations: Annotated[int, AtLeast(0)] = 100  # paper, not verified
    population: Annotated[int, AtLeast(2)] = 128  # paper, not verified
    sigma: Annotated[float, Between(0, 10, open_left=True)] = 1 / 6  # as in parameter space
    n_heats: Annotated[int, AtLeast(1)] = 4  # our own

    def search(self, trial: Trial, told: Told = ()) -> Found:
        """Return the fittest flow through the layers of a trial's models.

        Raises:
            InvalidParameterError: There are fewer than 50 rows to choose by.
            CheckpointMismatchError: The models have no list of layers.
            MissingExtraError: cmaes is not installed.
        """
        models = [loaded(trial.model, weights) for weights in trial.tuned_weights]
        layers = [(m, at) for m, model in enumerate(models) for at in range(len(_layers(model)[1]))]
        race = Race(trial.tasks, self.n_heats)
        start = self.start(layers)
        search = Evolution(
            start,
            self.sigma,
            trial.rng.child("evo_flow"),
            population=self.population,
            told=[list(row) for row in told],
        )

        def fitness(genes: Array) -> float:
            flow = self.flow(genes, layers)
            if flow is None:
                return -1.0
            with flowing(models, flow) as model:
                return race.run(model)

        # The first model itself is a candidate: what is found is never worse on these rows.
        alone = fitness(start)
        if alone > search.fitness:
            search.best, search.fitness = start, alone
        elif told:
            fitness(search.best)  # the race knows again whom to beat
        search.run(fitness, self.generations * self.population)
        flow = self.flow(search.best, layers)
        assert flow is not None, "a genome without layers is never the fittest"
        return Found(flow, search.fitness, search.told)

    def start(self, layers: Sequence[tuple[int, int]]) -> Array:
        """Return the genome of the first model: its layers once, and no scale."""
        used = [1.0 if model == 0 else -1.0 for model, _ in layers]
        others = [-1.0] * (len(layers) * (self.repeats - 1))
        scales = [0.0] * len(layers) ** 2
        return np.array([*used, *others, *scales]) * self.sigma

    def flow(self, genes: Array, layers: Sequence[tuple[int, int]]) -> Flow | None:
        """Return the flow of a genome; None where it visits no layer.

        Args:
            genes: One for each layer of each repetition, then the logarithms of (before, behind) scales.
            layers: Model and number of each layer.
        """
        n = len(layers)
        used, scales = genes[: n * self.repeats], np.exp(genes[n * self.repeats :].reshape(n, n))
        places = [int(place) % n for place in np.flatnonzero(used > 0)]
        before = [None, *places][: len(places)]
        visits = tuple(
            Visit(*layers[place], 1.0 if last is None else float(scales[last, place]))
            for last, place in zip(before, places, strict=True)
        )
        return Flow(visits) if visits else None


def loaded(model: nn.Module, weights: Weights) -> nn.Module:
    """Return a copy of a model with other weights."""
    made = copy.deepcopy(model)
    made.load_state_dict(dict(weights), strict=False)
    return made

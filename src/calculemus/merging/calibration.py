"""Merges that look at data first: for coefficients, masks or statistics.

What they find is kept, so that the merge itself can be run again without any data.

    @dataclass(frozen=True)
    class AdaMerging(CalibratedMerge):
        def calibrate(self, trial: Trial) -> Calibrated: ...

    found = AdaMerging().calibrate(trial)
    Executor().merge(found.plan(models, base), folder)
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from calculemus.catalog import read_catalog
from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointError, InvalidParameterError, MissingExtraError
from calculemus.files import replacing
from calculemus.merging.base import TensorMerge
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.plan import Plan, plan_merge
from calculemus.params import Configured
from calculemus.rng import Rng

if TYPE_CHECKING:
    from torch import nn

    from calculemus.tuning.blending import Blend, Group
    from calculemus.tuning.tasks import Score, Split, Task
    from calculemus.tuning.weights import Weights

_FILE = "calibrated.json"


@dataclass(frozen=True)
class Trial:
    """What a calibrated merge works with: models, their base, and tasks; nothing of it is changed.

    Raises:
        InvalidParameterError: There is no model, or no task.
        MissingExtraError: Torch is not installed.

    Attributes:
        model: A module of the models' make, in which merges are tried; its own weights do not matter.
        base: What the models were made from.
        models: What is to be merged.
        tasks: What the merged model is to be good at; of a method that goes model by model, one for each.
        rng: Names the method's draws.
    """

    model: "nn.Module"
    base: Checkpoint
    models: Sequence[Checkpoint]
    tasks: Sequence["Task"]
    rng: Rng = field(default_factory=lambda: Rng(0, ("calibrate",)))

    def __post_init__(self) -> None:
        _require_torch("trying merges on data")
        if not self.models or not self.tasks:
            raise InvalidParameterError(
                f"trying merges on data: there are {len(self.models)} models and {len(self.tasks)} tasks; "
                "expected at least one of each beside the base"
            )

    def pairs(self, doing: str) -> Iterator[tuple["Weights", "Task"]]:
        """Yield each model's weights with its own task.

        Args:
            doing: What they are wanted for, to begin an error with.

        Raises:
            InvalidParameterError: There is not one task for each model.
        """
        if len(self.tasks) != len(self.models):
            raise InvalidParameterError(
                f"{doing}: there are {len(self.models)} models and {len(self.tasks)} tasks; expected a task "
                "for each model, in the same order"
            )
        yield from zip(self.tuned_weights, self.tasks, strict=True)

    @cached_property
    def base_weights(self) -> "Weights":
        """The base's weights in float32."""
        from calculemus.tuning.weights import read_weights

        return read_weights(self.base)

    @cached_property
    def tuned_weights(self) -> Sequence["Weights"]:
        """Each model's weights in float32."""
        from calculemus.tuning.weights import read_weights

        return [read_weights(model) for model in self.models]

    def blend(self, group: "Group | None" = None) -> "Blend":
        """Return all the sums of the base and the task vectors; see ``Blend``."""
        from calculemus.tuning.blending import Blend, one_group

        return Blend(self.model, self.base_weights, self.tuned_weights, group or one_group)

    def measure(self, weights: "Weights", split: "Split" = "dev") -> "Mapping[str, Score]":
        """Return what a model with some weights is worth on each task, in memory."""
        from calculemus.tuning.tasks import measure
        from calculemus.tuning.weights import carrying

        with carrying(self.model, weights):
            return measure(self.model, self.tasks, split)

    def measure_plan(self, plan: Plan, split: "Split" = "dev") -> "Mapping[str, Score]":
        """Return what a merge is worth on each task, without writing it."""
        import torch

        merged = merge_in_memory(plan)
        return self.measure({name: torch.from_numpy(numbers) for name, numbers in merged.items()}, split)


@dataclass(frozen=True)
class Calibrated:
    """What was found: all that the merge needs.

    Attributes:
        method: Merges the tensors.
        weights: For each tensor a weight for each model, in the models' order; 1 for those left out.
        extras: What the method reads beside each tensor; see ``Part.extras``.
        record: What the search saw, for people: losses, coefficients, counts.
        settings: For each tensor further settings by name, such as densities, with a value for each model.
    """

    method: TensorMerge
    weights: Mapping[str, Sequence[float]] = field(default_factory=dict)
    extras: Sequence["Weights"] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write what was found, without the models.

        Raises:
            OutputError: The folder cannot be written.
        """
        from calculemus.tuning.weights import write_weights

        folder.mkdir(parents=True, exist_ok=True)
        for number, tensors in enumerate(self.extras):
            write_weights(tensors, folder / f"extra-{number}")
        kind = type(self.method)
        found = {
            "method": f"{kind.__module__}:{kind.__qualname__}",
            "params": self.method.params(),
            "weights": {name: list(row) for name, row in self.weights.items()},
            "extras": len(self.extras),
            "settings": {
                name: {setting: list(row) for setting, row in rows.items()}
                for name, rows in self.settings.items()
            },
            "record": dict(self.record),
        }
        with replacing(folder / _FILE) as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n", "utf-8")

    def plan(
        self, models: Sequence[Checkpoint], base: Checkpoint, folder: Path | None = None, **options: Any
    ) -> Plan:
        """Settle the merge.

        Args:
            models: In the order of the trial.
            base: Of the trial.
            folder: Where it was saved; needed where there are extras, which are read from there.
            options: Of ``plan_merge``: dtype and seed.

        Raises:
            InvalidParameterError: There are extras, and no folder.
        """
        if self.extras and folder is None:
            raise InvalidParameterError(
                f"planning a merge by {type(self.method).__name__}: it reads {len(self.extras)} further "
                "tensors beside each one; expected the folder that they were saved in. Call save() first"
            )
        extras = [Checkpoint.open(folder / f"extra-{n}") for n in range(len(self.extras))] if folder else []

        def values(name: str, model: int) -> dict[str, float]:
            found = {setting: float(row[model]) for setting, row in self.settings.get(name, {}).items()}
            return found | ({"weight": float(self.weights[name][model])} if name in self.weights else {})

        at_base = base if self.method.needs_base else None
        return plan_merge(self.method, models, at_base, values=values, extras=extras, **options)


def read_calibrated(folder: Path) -> Calibrated:
    """Return what a calibration found and saved.

    Raises:
        CheckpointError: It cannot be read.
    """
    from importlib import import_module

    try:
        found = json.loads((folder / _FILE).read_text("utf-8"))
        module, _, name = found["method"].partition(":")
        if module not in sys.modules and module not in _modules():
            raise TypeError(f"{module} is no module of merges that is known here")
        method = getattr(import_module(module), name).from_params(found["params"])
        places = [folder / f"extra-{n}" for n in range(found["extras"])]
        extras = _read_extras(places) if places else []
        if not isinstance(method, TensorMerge):
            raise TypeError(f"{found['method']} is no merge")
    except MissingExtraError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise CheckpointError(
            f"reading the calibration {folder}: {type(error).__name__}: {error}; expected a folder that "
            "Calibrated.save wrote"
        ) from error
    return Calibrated(method, found["weights"], extras, found["record"], found.get("settings", {}))


def _modules() -> list[str]:
    """Return the modules that a calibration may name: a file must not have just any module imported."""
    cards = [card.entry.partition(":")[0] for card in read_catalog() if card.entry]
    package = __name__.rpartition(".")[0]
    return [*cards, *(f"{package}.{path.stem}" for path in Path(__file__).parent.glob("*.py"))]


def _read_extras(places: Sequence[Path]) -> "list[Weights]":
    _require_torch("reading what a calibration found")
    from calculemus.tuning.weights import read_weights

    return [read_weights(Checkpoint.open(place)) for place in places]


def _require_torch(doing: str) -> None:
    if find_spec("torch") is None:
        raise MissingExtraError(doing, "torch", "torch")


@dataclass(frozen=True)
class CalibratedMerge(Configured):
    """Base of the merges that look at data; settings are its fields.

    Attributes:
        fewest: How many models there must be, the base not counted.
        quick: Settings in place of the defaults under which it takes a moment on a small model, and draws and
            learns as ever: what it is checked with.
    """

    fewest: ClassVar[int] = 1
    quick: ClassVar[Mapping[str, Any]] = {}

    def calibrate(self, trial: Trial) -> Calibrated:
        """Return what the merge needs to know.

        Raises:
            InvalidParameterError: The trial does not have what the method needs.
        """
        raise NotImplementedError

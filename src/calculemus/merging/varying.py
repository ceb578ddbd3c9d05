"""Settings that depend on the tensor: which of them a method takes, and what a recipe gives it for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from calculemus.errors import InvalidParameterError
from calculemus.merging.base import Part, TensorMerge
from calculemus.merging.layers import address
from calculemus.merging.settings import Settings, value_at
from calculemus.named import suggest
from calculemus.rng import Rng

WEIGHT = "weight"
"""The one setting that every method has without declaring it."""
_SHAPE = (4, 8)


class _Asked(dict[str, float]):
    """Settings of a model that remember what they were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        """Return the default, as for a model without settings of its own."""
        self.names.add(key)
        return default


def taken_by_tensor(method: TensorMerge) -> frozenset[str]:
    """Return the settings that a method takes for each tensor: those it asks for when it merges a small one.

    Others are the same for the whole model, and a value by tensor would be passed over in silence.
    """
    n_models = max(method.fewest, min(2, method.most or 2))
    values = [_Asked() for _ in range(n_models)]
    part = _small_part(n_models, values)
    found = method.gather()
    while found is not None:
        found.take(part)
        if found.is_complete():
            break
    method.merge(part, found)
    return frozenset[str]().union(*(asked.names for asked in values))


def _small_part(n_models: int, values: Sequence[_Asked]) -> Part:
    rng = Rng(0, ("merge", "settings"))
    numbers = [rng.child(n).generator().normal(size=_SHAPE).astype(np.float32) for n in range(n_models + 1)]
    base, *inputs = (array.ravel() for array in numbers)
    draws = [rng.child("model", n) for n in range(n_models)]
    return Part("settings", _SHAPE, 0, base, inputs, [1.0] * n_models, values, draws)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the merged model a tensor belongs.

    Attributes:
        slice: Number of the slice.
        depth: How far down the slice its layer is, from 0 to 1; 0 outside of layers.
    """

    slice: int
    depth: float


def place_of(name: str, n_layers: Sequence[int]) -> Place:
    """Return where a tensor belongs: one before the layers in the first slice, one behind them in the last.

    Args:
        name: The tensor's.
        n_layers: Of each slice.
    """
    at = address(name)
    if at.layer is None:
        return Place(0 if at.part in ("embed", "positions") else len(n_layers) - 1, 0.0)
    offset = at.layer
    for number, n in enumerate(n_layers):
        if offset < n:
            # One layer alone is the last one, as in mergekit.
            return Place(number, offset / (n - 1) if n > 1 else 1.0)
        offset -= n
    raise AssertionError(f"{name} is in no slice")


@dataclass(frozen=True)
class Varying:
    """What a recipe gives a method for each tensor and model.

    Attributes:
        method: The method.
        names: Settings that depend on the tensor or on the model.
        n_layers: Of each slice of the merged model.
        levels: For each model and each slice the settings that count, those that count first in front.
    """

    method: TensorMerge
    names: tuple[str, ...]
    n_layers: tuple[int, ...]
    levels: tuple[tuple[Sequence[Settings], ...], ...]
    _seen: set[tuple[str, float]] = field(default_factory=set, repr=False, compare=False)

    def __call__(self, name: str, model: int) -> dict[str, float]:
        """Return the settings of a model on a tensor.

        Raises:
            InvalidParameterError: One of them is outside what the method allows.
        """
        place = place_of(name, self.n_layers)
        found: dict[str, float] = {}
        for setting in self.names:
            values = (
                value_at(level.get(setting), name, place.depth) for level in self.levels[model][place.slice]
            )
            value = next((value for value in values if value is not None), None)
            if value is not None:
                found[setting] = self._checked(setting, value, name)
        return found

    def _checked(self, setting: str, value: Any, name: str) -> float:
        """Return a value once the method is known to allow it; each is asked about once."""
        doing = f"merging '{name}'"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InvalidParameterError(
                f"{doing}: '{setting}' is {value!r:.80}; expected a number, since it depends on the tensor"
            )
        if setting != WEIGHT and (setting, value) not in self._seen:
            try:
                replace(self.method, **{setting: value})
            except InvalidParameterError as error:
                raise InvalidParameterError(f"{doing}: {error}") from error
            self._seen.add((setting, value))
        return float(value)


def check_names(method: TensorMerge, names: Sequence[str]) -> None:
    """See that a method takes settings by tensor or by model.

    Raises:
        InvalidParameterError: It does not have one of them, or has it for the whole model only.
    """
    wanted = [name for name in names if name != WEIGHT]
    if not wanted:
        return
    kind, known = type(method).__name__, [one.name for one in fields(method)]
    unknown = next((name for name in wanted if name not in known), None)
    if unknown is not None:
        raise InvalidParameterError(
            f"{kind}: there is no parameter '{unknown}'; {suggest(unknown, [WEIGHT, *known])}"
            f"it has {', '.join([WEIGHT, *known])}"
        )
    taken = taken_by_tensor(method)
    fixed = next((name for name in wanted if name not in taken), None)
    if fixed is not None:
        raise InvalidParameterError(
            f"{kind}: parameter '{fixed}' depends on the tensor or on the model in this recipe; expected one "
            f"value for the whole merge. By tensor it takes {', '.join([WEIGHT, *sorted(taken)])}"
        )


def split(
    parameters: Settings, own: Sequence[Settings], whole: Sequence[str]
) -> tuple[Mapping[str, Any], ...]:
    """Share settings out: those that are one value for the whole merge, and those that are not.

    Args:
        parameters: Of the recipe.
        own: Of its slices and models.
        whole: Names of parameters that are lists themselves.

    Returns:
        Values by name, and settings by name with those of all levels.
    """
    fixed = {
        name: list(setting) if isinstance(setting, tuple) else setting
        for name, setting in parameters.items()
        if name != WEIGHT and (not isinstance(setting, tuple) or name in whole)
    }
    varying = {name: setting for name, setting in parameters.items() if name not in fixed}
    for settings in own:
        varying |= settings
    return fixed, varying

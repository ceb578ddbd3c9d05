"""Settings of a recipe: one value, a gradient over the layers, or values by the names of tensors.

    weight = 0.3                                      # for every tensor
    weight = [0, 0.5, 1]                              # from the first layer to the last
    weight = [{filter = "mlp", value = 0.3}, {value = [0, 1]}]   # the first that matches counts

They mean what they mean in mergekit's configurations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from calculemus.errors import InvalidParameterError
from calculemus.named import suggest

Value = bool | int | float | str
Gradient = tuple[Value, ...]
ALL = "*"


@dataclass(frozen=True, slots=True)
class Choice:
    """A value for the tensors of some names.

    Attributes:
        value: One value, or a gradient.
        filter: A part of the tensor's name in the merged model; ``*`` stands for any text.
    """

    value: Value | Gradient
    filter: str = ALL


Setting = Value | Gradient | tuple[Choice, ...]
Settings = Mapping[str, Setting]


def read_setting(doing: str, name: str, data: Any) -> Setting:
    """Return a setting from plain data.

    Args:
        doing: What is being read, for messages.
        name: Of the setting.
        data: A value, a list of values, a table with ``value`` and perhaps ``filter``, or a list of tables.

    Raises:
        InvalidParameterError: It is none of these.
    """
    if isinstance(data, Mapping):
        return (_read_choice(doing, name, data),)
    if isinstance(data, Sequence) and not isinstance(data, str) and any(isinstance(x, Mapping) for x in data):
        return tuple(_read_choice(doing, name, item) for item in data)
    return _read_value(doing, name, data)


def _read_choice(doing: str, name: str, data: Any) -> Choice:
    known = ("filter", "value")
    wrong = next((key for key in data if key not in known), None) if isinstance(data, Mapping) else ""
    if wrong is not None or "value" not in data:
        found = f"the key '{wrong}'" if wrong else f"{data!r:.80}"
        raise InvalidParameterError(
            f"{doing}: '{name}' has {found}; {suggest(str(wrong), known)}expected tables with 'value' and, "
            "where it is not for all tensors, 'filter'"
        )
    wanted = data.get("filter")
    if wanted is not None and not isinstance(wanted, str):
        raise InvalidParameterError(
            f"{doing}: a filter of '{name}' is {wanted!r:.80}; expected a part of the names of tensors"
        )
    return Choice(_read_value(doing, name, data["value"]), ALL if wanted is None else wanted)


def _read_value(doing: str, name: str, data: Any) -> Value | Gradient:
    if isinstance(data, Value):
        return data
    if isinstance(data, Sequence) and data and all(isinstance(item, Value) for item in data):
        return tuple(data)
    raise InvalidParameterError(
        f"{doing}: '{name}' is {data!r:.80}; expected a value, a list of values (from the first layer to the "
        "last), or tables with 'filter' and 'value'"
    )


def plain_setting(setting: Setting) -> Any:
    """Return a setting as plain data, the reverse of ``read_setting``."""
    if not isinstance(setting, tuple):
        return setting
    return [_plain_choice(item) if isinstance(item, Choice) else item for item in setting]


def _plain_choice(choice: Choice) -> dict[str, Any]:
    value = list(choice.value) if isinstance(choice.value, tuple) else choice.value
    return {"value": value} if choice.filter == ALL else {"filter": choice.filter, "value": value}


def is_total(setting: Setting | None) -> bool:
    """Say whether a setting gives every tensor a value.

    Example:
        >>> is_total((Choice(0.3, "mlp"),))
        False
    """
    if isinstance(setting, tuple) and any(isinstance(item, Choice) for item in setting):
        return any(isinstance(item, Choice) and item.filter == ALL for item in setting)
    return setting is not None


def value_at(setting: Setting | None, name: str, depth: float) -> Value | None:
    """Return a setting's value for a tensor; None where it has none.

    Args:
        setting: The setting.
        name: The tensor's.
        depth: How far down its layer is, from 0 for the first one to 1 for the last; 0 outside of layers.

    Example:
        >>> value_at((0.0, 1.0, 0.0), "model.layers.1.mlp.up_proj.weight", 0.25)
        0.5
        >>> value_at((Choice(0.3, "mlp"), Choice(0.7)), "model.norm.weight", 0)
        0.7
    """
    if not isinstance(setting, tuple):
        return setting
    if all(isinstance(item, Choice) for item in setting):
        choices = [item for item in setting if isinstance(item, Choice)]
        found = next((c for c in choices if fnmatchcase(name, f"*{c.filter}*")), None)
        return None if found is None else value_at(found.value, name, depth)
    return _interpolated([item for item in setting if not isinstance(item, Choice)], depth)


def _interpolated(values: Sequence[Value], depth: float) -> Value:
    """Return the value of a list at a place from 0 to 1: between two numbers, a word or a truth as it is."""
    place = depth * (len(values) - 1)
    before = int(place)
    after = min(before + 1, len(values) - 1)
    first, second, share = values[before], values[after], place - before
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        return first
    return (1 - share) * float(first) + share * float(second)

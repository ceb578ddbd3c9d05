"""Merge recipes: what is merged, by which method and with which settings, as TOML.

    method = "ties"                # id or alias of a method; 'calculemus list --room merging' shows them
    base = "llama-7b"              # a folder, a file, or a hub id in the local cache
    dtype = "bfloat16"             # of the merged model; the base's, if it is left out

    [parameters]                   # the method's settings
    density = 0.5

    [[models]]                     # settings of one model beside its name; MODEL+ADAPTER for one with a LoRA
    model = "math-7b"
    weight = [0, 1]                # a gradient from the first layer to the last

    [[models]]
    model = "code-7b"
    weight = [{filter = "mlp", value = 0.3}, {value = 0.7}]

Instead of ``models`` there may be ``slices``: layers of the merged model from the first to the last, each
slice with ``sources`` that say of which ``model`` and which ``layers`` they are. A setting of a source counts
before that of its slice, and this before that of the recipe.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calculemus.errors import InvalidParameterError
from calculemus.merging.settings import Setting, Settings, plain_setting, read_setting
from calculemus.named import suggest

_TEXTS = ("method", "base", "dtype", "precision", "tokenizer")
_KNOWN = (*_TEXTS, "seed", "parameters", "models", "slices")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Input:
    """A model of a recipe.

    Attributes:
        model: A folder, a file or a hub id, with ``+ADAPTER`` behind it for one with a LoRA.
        settings: Its own, ``weight`` among them.
        layers: In a slice, its first layer and the one behind its last.
    """

    model: str
    settings: Settings = field(default_factory=dict)
    layers: tuple[int, int] | None = None


@dataclass(frozen=True)
class Slice:
    """Some layers of the merged model, one behind the other.

    Attributes:
        sources: Layers of models that are merged with one another; as many of each.
        settings: Of this slice.
    """

    sources: tuple[Input, ...]
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True)
class MergeRecipe:
    """A merge, as a user writes it down.

    Attributes:
        method: Id or alias.
        models: What is merged, the base left out.
        slices: In place of ``models``, with the base among the sources where the method needs one.
        base: What the models were made from; empty for none.
        parameters: Settings of the method, and of all models.
        dtype: Of the merged model, named as in torch; None for the base's, or else the widest.
        precision: What the merge is computed in, float32 or float64; empty for float32.
        seed: Of the method's draws.
        tokenizer: Whose vocabulary the merged model gets: ``base``, ``union``, or the name of a model; empty
            where all have the same.

    Example:
        >>> recipe = MergeRecipe("linear", (Input("a", {"weight": 0.3}), Input("b", {"weight": 0.7})))
        >>> recipe_from(tomllib.loads(to_toml(recipe))) == recipe
        True
    """

    method: str
    models: tuple[Input, ...] = ()
    slices: tuple[Slice, ...] = ()
    base: str = ""
    parameters: Settings = field(default_factory=dict)
    dtype: str | None = None
    precision: str = ""
    seed: int = 0
    tokenizer: str = ""

    def names(self) -> list[str]:
        """Return the models that are named, the base first, each once."""
        inputs = (*self.models, *(source for piece in self.slices for source in piece.sources))
        return list(dict.fromkeys([*([self.base] if self.base else ()), *(one.model for one in inputs)]))


def read_recipe(path: Path) -> MergeRecipe:
    """Read a recipe from a TOML file.

    Raises:
        InvalidParameterError: It cannot be read, or says something that no recipe can.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidParameterError(
            f"reading the recipe {path}: {error}; expected a TOML file in UTF-8. Mend it"
        ) from error
    return recipe_from(table, f"reading the recipe {path}")


def recipe_from(table: Mapping[str, Any], doing: str = "reading a recipe") -> MergeRecipe:
    """Return the recipe that a table describes.

    Args:
        table: What a TOML file holds.
        doing: What is being read, for messages.

    Raises:
        InvalidParameterError: A key is unknown or missing, or a value is of another kind.
    """
    check_keys(doing, table, _KNOWN)
    texts = {name: _text(doing, name, table[name]) for name in _TEXTS if name in table}
    if not texts.get("method"):
        raise InvalidParameterError(f"{doing}: there is no 'method'; expected the id of one. Add it")
    seed = table.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise InvalidParameterError(f"{doing}: 'seed' is {seed!r:.80}; expected a whole number")
    if ("models" in table) == ("slices" in table):
        found = "both" if "models" in table else "neither"
        raise InvalidParameterError(
            f"{doing}: there is {found} of 'models' and 'slices'; expected one of them"
        )
    return MergeRecipe(
        models=tuple(_input(doing, item) for item in _tables(doing, "models", table.get("models", ()))),
        slices=tuple(_slice(doing, item) for item in _tables(doing, "slices", table.get("slices", ()))),
        parameters=read_settings(doing, table.get("parameters", {})),
        seed=seed,
        **texts,
    )


def check_keys(doing: str, table: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse a key that has no meaning.

    Raises:
        InvalidParameterError: There is one; near ones are suggested.
    """
    wrong = next((key for key in table if key not in known), None)
    if wrong is not None:
        raise InvalidParameterError(
            f"{doing}: there is no key '{wrong}'; {suggest(str(wrong), known)}expected some of "
            f"{', '.join(known)}"
        )


def read_settings(doing: str, table: Any) -> Settings:
    """Return settings by name.

    Raises:
        InvalidParameterError: It is no table, or one of them is no setting.
    """
    if not isinstance(table, Mapping):
        raise InvalidParameterError(f"{doing}: the settings are {table!r:.80}; expected names with values")
    return {str(name): read_setting(doing, str(name), data) for name, data in table.items()}


def _text(doing: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidParameterError(f"{doing}: '{name}' is {value!r:.80}; expected text")
    return value


def _tables(doing: str, name: str, value: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, Sequence) or not all(isinstance(item, Mapping) for item in value):
        raise InvalidParameterError(f"{doing}: '{name}' is {value!r:.80}; expected tables, as in [[{name}]]")
    return value


def _input(doing: str, table: Mapping[str, Any]) -> Input:
    model = _text(doing, "model", table.get("model", ""))
    if not model:
        raise InvalidParameterError(f"{doing}: a model has no 'model'; expected a folder, a file or a hub id")
    settings = {name: data for name, data in table.items() if name not in ("model", "layers")}
    layers = _layers(doing, table["layers"]) if "layers" in table else None
    return Input(model, read_settings(doing, settings), layers)


def _layers(doing: str, value: Any) -> tuple[int, int]:
    if (
        not isinstance(value, Sequence)
        or len(value) != 2
        or not all(isinstance(n, int) and not isinstance(n, bool) for n in value)
    ):
        raise InvalidParameterError(
            f"{doing}: the layers are {value!r:.80}; expected the first and the one behind the last, as in "
            "[0, 8]"
        )
    return value[0], value[1]


def _slice(doing: str, table: Mapping[str, Any]) -> Slice:
    sources = tuple(_input(doing, item) for item in _tables(doing, "sources", table.get("sources", ())))
    if not sources or any(source.layers is None for source in sources):
        raise InvalidParameterError(
            f"{doing}: a slice has no source, or one without 'layers'; expected [[slices.sources]] with "
            "'model' and 'layers'"
        )
    settings = {name: data for name, data in table.items() if name != "sources"}
    return Slice(sources, read_settings(doing, settings))


def to_toml(recipe: MergeRecipe) -> str:
    """Return a recipe as TOML, the reverse of ``read_recipe``."""
    return "\n".join(_lines(recipe)) + "\n"


def _lines(recipe: MergeRecipe) -> Iterator[str]:
    for name in _TEXTS:
        if getattr(recipe, name):
            yield f"{name} = {_value(getattr(recipe, name))}"
    if recipe.seed:
        yield f"seed = {recipe.seed}"
    if recipe.parameters:
        yield "\n[parameters]"
        yield from _assignments(recipe.parameters)
    for one in recipe.models:
        yield "\n[[models]]"
        yield from _input_lines(one)
    for piece in recipe.slices:
        yield "\n[[slices]]"
        yield from _assignments(piece.settings)
        for source in piece.sources:
            yield "\n[[slices.sources]]"
            yield from _input_lines(source)


def _input_lines(one: Input) -> Iterator[str]:
    yield f"model = {_value(one.model)}"
    if one.layers is not None:
        yield f"layers = {_value(list(one.layers))}"
    yield from _assignments(one.settings)


def _assignments(settings: Mapping[str, Setting]) -> Iterator[str]:
    for name, setting in settings.items():
        yield f"{_key(name)} = {_value(plain_setting(setting))}"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    """Write a value; JSON's text is TOML's too, but for the delete character."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(name)} = {_value(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)

"""Mergekit's configurations as recipes: the part of them that says what we can do too.

What has no counterpart is refused by name. Where a method differs on purpose, a note says how; see
``[differs]`` of its card. Two readings differ: a filter is held against names of the merged model, where
mergekit holds it against those of the single one, and ``dtype`` is that of the output alone, since all
arithmetic is in float32.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from calculemus.errors import InvalidParameterError
from calculemus.events import note
from calculemus.merging.finding import get_merge
from calculemus.merging.mergekit_methods import ELSEWHERE, HARMLESS, KNOWN, SCALED, Known
from calculemus.merging.mergekit_words import check_all_keys, read_model, refusal, with_numbers
from calculemus.merging.recipe import Input, MergeRecipe, Slice
from calculemus.merging.safe_yaml import read_yaml
from calculemus.merging.settings import Choice, Setting, Settings, is_total, read_setting
from calculemus.named import suggest

_KEYS = (
    "merge_method",
    "models",
    "slices",
    "base_model",
    "parameters",
    "dtype",
    "out_dtype",
    "tokenizer_source",
)
_NOTHING = 1e-8
_ITS_OWN_WAY = re.compile(r"(?<!as in )mergekit")


def read_mergekit(path: Path) -> MergeRecipe:
    """Read a configuration of mergekit's; notes say where our method differs.

    Raises:
        InvalidParameterError: It is no safe YAML, or says something that no recipe of ours can.
        MissingExtraError: No reader of YAML is installed.
    """
    doing = f"reading {path}"
    table = read_yaml(path)
    if not isinstance(table, Mapping):
        raise InvalidParameterError(f"{doing}: found {type(table).__name__}; expected keys and values")
    return _Reader(doing, table).recipe()


def is_mergekit(path: Path) -> bool:
    """Say whether a file's name is that of a YAML file."""
    return path.suffix.lower() in (".yml", ".yaml")


@dataclass(frozen=True)
class _Reader:
    """Reads one configuration.

    Attributes:
        doing: For messages.
        table: What is read.
    """

    doing: str
    table: Mapping[str, Any]

    def recipe(self) -> MergeRecipe:
        """Return the recipe."""
        self._check_keys(self.table, (*_KEYS, "tokenizer"))
        name = self.table.get("merge_method")
        known = KNOWN.get(name) if isinstance(name, str) else None
        if known is None:
            raise self._refusal(
                f"the method is {name!r:.80}",
                f"{suggest(str(name), KNOWN)}expected one of {', '.join(KNOWN)}. "
                "Write another one as a recipe in TOML, if 'calculemus list --room merging' has it",
            )
        if known.id == "passthrough" and any("scale" in level for level in self._levels()):
            known = SCALED
        recipe = self._with_base(MergeRecipe(known.id, **self._inputs(known)), known)
        parameters = {**known.fixed, **self._completed(self._settings(self.table, known, "the merge"), known)}
        recipe = replace(recipe, parameters={**recipe.parameters, **parameters})
        self._check_required(recipe, known)
        if known.folds and self._normalizes():
            recipe = self._folded(recipe)
        _tell_differences(known)
        return replace(recipe, dtype=self._dtype(), tokenizer=self._tokenizer())

    def _refusal(self, found: str, advice: str) -> InvalidParameterError:
        return refusal(self.doing, found, advice)

    def _check_keys(self, table: Mapping[str, Any], known: Sequence[str]) -> None:
        check_all_keys(self.doing, table, known)

    def _model(self, value: Any) -> str:
        return read_model(self.doing, value)

    def _levels(self) -> Iterator[Mapping[str, Any]]:
        """Yield all tables of parameters."""
        for holder in (self.table, *self._items(self.table, "models"), *self._items(self.table, "slices")):
            yield self._parameters(holder)
            for source in self._items(holder, "sources"):
                yield self._parameters(source)

    def _items(self, holder: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
        found = holder.get(key) or ()
        if not isinstance(found, Sequence) or not all(isinstance(item, Mapping) for item in found):
            raise self._refusal(f"'{key}' is {found!r:.80}", "expected a list of keys and values")
        return found

    def _parameters(self, holder: Mapping[str, Any]) -> Mapping[str, Any]:
        found = holder.get("parameters") or {}
        if not isinstance(found, Mapping):
            raise self._refusal(f"'parameters' is {found!r:.80}", "expected names and values")
        return found

    def _inputs(self, known: Known) -> dict[str, Any]:
        models, slices = (self._items(self.table, key) for key in ("models", "slices"))
        if bool(models) == bool(slices):
            found = "both" if models else "neither"
            raise self._refusal(f"there is {found} of 'models' and 'slices'", "expected one of them")
        if models:
            return {"models": tuple(self._input(item, known, ("model", "parameters")) for item in models)}
        return {"slices": tuple(self._slice(item, known) for item in slices)}

    def _slice(self, table: Mapping[str, Any], known: Known) -> Slice:
        self._check_keys(table, ("sources", "base_model", "parameters"))
        if table.get("base_model") not in (None, self.table.get("base_model")):
            raise self._refusal(
                f"a slice has the base {table['base_model']!r:.80}", "expected that of the whole merge"
            )
        keys = ("model", "layer_range", "parameters")
        sources = tuple(self._input(item, known, keys) for item in self._items(table, "sources"))
        if not sources:
            raise self._refusal("a slice has no 'sources'", "expected one or more")
        return Slice(sources, self._settings(table, known, "a slice"))

    def _input(self, table: Mapping[str, Any], known: Known, keys: Sequence[str]) -> Input:
        self._check_keys(table, keys)
        name = self._model(table.get("model"))
        layers = table.get("layer_range") if "layer_range" in keys else None
        if "layer_range" in keys and not (
            isinstance(layers, Sequence) and len(layers) == 2 and all(type(layer) is int for layer in layers)
        ):
            raise self._refusal(
                f"the 'layer_range' of {name} is {layers!r:.80}", "expected two whole numbers"
            )
        settings = self._settings(table, known, name)
        return Input(name, settings, None if layers is None else (layers[0], layers[1]))

    def _settings(self, holder: Mapping[str, Any], known: Known, whose: str) -> Settings:
        """Return the parameters of one level under our names."""
        is_shared = holder is self.table or "sources" in holder
        found: dict[str, Setting] = {}
        for name, data in self._parameters(holder).items():
            if name in known.own or (is_shared and name in known.shared):
                setting = read_setting(self.doing, name, with_numbers(data))
                found[known.own.get(name) or known.shared[name]] = setting
            elif name in known.only and data != known.only[name]:
                raise self._refusal(
                    f"'{name}' of {whose} is {data!r:.80}",
                    f"expected {known.only[name]}, which is how '{known.id}' is done here. Leave it out",
                )
            elif name not in (*HARMLESS, *ELSEWHERE):
                names = [*known.own, *known.shared, *known.only]
                raise self._refusal(
                    f"there is no parameter '{name}'", f"{suggest(str(name), names)}it has {', '.join(names)}"
                )
            elif name not in (*HARMLESS, *known.only) and not (name == "normalize" and known.folds):
                note(f"{self.doing}: '{name}' of {whose} does nothing there, in mergekit as here")
        return found

    def _completed(self, settings: Settings, known: Known) -> Settings:
        """Return the settings of the merge with mergekit's defaults, also for what filters leave out."""
        completed = dict(settings)
        for name, default in known.defaults.items():
            setting = settings.get(name)
            if setting is None:
                completed[name] = default
            elif not is_total(setting) and isinstance(setting, tuple):
                choices = tuple(item for item in setting if isinstance(item, Choice))
                completed[name] = (*choices, Choice(default))
        return completed

    def _with_base(self, recipe: MergeRecipe, known: Known) -> MergeRecipe:
        """Return the recipe with the base where our method has it."""
        named = self.table.get("base_model")
        if named is None:
            return recipe
        base = self._model(named)
        if known.base == "none":
            if known.id == "karcher":
                raise self._refusal(
                    f"there is a base, {base}", "expected none: 'multislerp' of task vectors is not done here"
                )
            note(f"{self.doing}: the base is not used; configuration and tokenizer are the first slice's")
            return recipe
        others = tuple(one for one in recipe.models if one.model != base)
        if known.base == "input":
            is_named = len(others) < len(recipe.models) or bool(recipe.slices)
            models = recipe.models if is_named else (*recipe.models, Input(base))
            return replace(recipe, base=base, models=models)
        fixed = {"of_task_vectors": True} if known.base == "either" else {}
        return replace(recipe, base=base, models=others, parameters=fixed)

    def _check_required(self, recipe: MergeRecipe, known: Known) -> None:
        """See that every tensor of every model has what mergekit has no default for."""
        for one, levels in _levels_of(recipe, is_base_apart=known.base in ("apart", "either")):
            for name in known.required:
                if not any(is_total(level.get(name)) for level in levels):
                    raise self._refusal(
                        f"{one.model} has no '{name}' for some tensors", "expected one for all. Add it"
                    )

    def _normalizes(self) -> bool:
        found = self._parameters(self.table).get("normalize", False)
        if not isinstance(found, bool):
            raise self._refusal(f"'normalize' is {found!r:.80}", "expected true or false")
        return found

    def _folded(self, recipe: MergeRecipe) -> MergeRecipe:
        """Return the recipe with weights that are divided by their sum."""
        weights = [_weight(levels) for _, levels in _levels_of(recipe, is_base_apart=True)]
        numbers = [weight for weight in weights if isinstance(weight, (int, float))]
        if recipe.slices or len(numbers) < len(weights):
            raise self._refusal(
                "'normalize' is true, and weights depend on the tensor",
                "expected one weight for each model. Divide them by their sum, and set normalize to false",
            )
        total = sum(numbers)
        divisor = total if abs(total) >= _NOTHING else 1.0
        models = tuple(
            replace(one, settings={**one.settings, "weight": number / divisor})
            for one, number in zip(recipe.models, numbers, strict=True)
        )
        return replace(recipe, models=models)

    def _dtype(self) -> str | None:
        name = self.table.get("out_dtype") or self.table.get("dtype")
        if name is not None and not isinstance(name, str):
            raise self._refusal(f"the dtype is {name!r:.80}", "expected a name such as bfloat16")
        return None if name is None else name.removeprefix("torch.")

    def _tokenizer(self) -> str:
        wanted, table = self.table.get("tokenizer_source"), self.table.get("tokenizer")
        if table is not None:
            if not isinstance(table, Mapping) or wanted is not None:
                raise self._refusal(
                    f"'tokenizer' is {table!r:.80}", "expected 'source' in it, or 'tokenizer_source' alone"
                )
            self._check_keys(table, ("source",))
            wanted = table.get("source", "union")
        if wanted is None or wanted in ("base", "union"):
            return wanted or ""
        return self._model(wanted)


def _tell_differences(known: Known) -> None:
    """Say where our method differs from mergekit's on purpose, by its card."""
    for subject, text in get_merge(known.id).card.differs.items():
        if subject not in known.settled and _ITS_OWN_WAY.search(text):
            note(f"{known.id} differs from mergekit in {subject}: {text}")


def _levels_of(recipe: MergeRecipe, *, is_base_apart: bool) -> Iterator[tuple[Input, Sequence[Settings]]]:
    """Yield what is merged, each model with the settings that count for it, the nearest first."""
    for piece in recipe.slices or (Slice(recipe.models),):
        for one in piece.sources:
            if not (recipe.slices and is_base_apart and one.model == recipe.base):
                yield one, (one.settings, piece.settings, recipe.parameters)


def _weight(levels: Sequence[Settings]) -> Setting | None:
    return next((level["weight"] for level in levels if "weight" in level), None)

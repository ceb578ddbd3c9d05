"""From a recipe to a plan: the method is found, models are opened, settings are checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from calculemus.card import Card
from calculemus.checkpoint import Checkpoint, with_adapter
from calculemus.errors import InvalidParameterError
from calculemus.merging.alignment import align_models
from calculemus.merging.base import TensorMerge
from calculemus.merging.finding import get_merge
from calculemus.merging.layers import count_layers
from calculemus.merging.matching import as_dtype, as_precision
from calculemus.merging.plan import Plan, plan_merge
from calculemus.merging.recipe import Input, MergeRecipe, Slice
from calculemus.merging.settings import Setting
from calculemus.merging.stacking import Stack, stack, with_same_heads
from calculemus.merging.structure import StructureEdit, plan_edit
from calculemus.merging.varying import WEIGHT, Varying, check_names, split

Models = Mapping[str, Checkpoint]


@dataclass(frozen=True)
class Prepared:
    """A recipe that can be run.

    Attributes:
        recipe: What the user wrote.
        card: Of the method.
        models: The checkpoints of the recipe by name, the base first, as they are on disk.
        used: The same with one vocabulary, where the recipe wants that.
        plan: What the executor runs.
    """

    recipe: MergeRecipe
    card: Card
    models: Models
    used: Models
    plan: Plan


def to_plan(recipe: MergeRecipe, *folders: Path, work: Path | None = None) -> Plan:
    """Return the plan of a recipe; see ``prepare``."""
    return prepare(recipe, *folders, work=work).plan


def prepare(recipe: MergeRecipe, *folders: Path, work: Path | None = None) -> Prepared:
    """Make a recipe ready to run: reads headers, and checks every value before any work.

    Args:
        recipe: What is to be merged.
        folders: More folders with cards of methods.
        work: Where tables of embeddings are kept until the merge is done, if vocabularies are aligned.

    Raises:
        InvalidParameterError: There is no such method or parameter, or a value is out of range.
        CardError: The method's code cannot be imported.
        CheckpointError: A model cannot be read, or does not fit the others.
    """
    found = get_merge(recipe.method, *folders)
    fixed, varying = split(recipe.parameters, _own_settings(recipe), _lists(found.kind))
    method = found.kind.from_params(fixed)
    if isinstance(method, TensorMerge):
        check_names(method, list(varying))
    else:
        _check_edit(recipe, method, list(varying))
    models = {name: open_model(name) for name in recipe.names()}
    used = _aligned(recipe, models, work)
    if isinstance(method, TensorMerge):
        plan = _merge_plan(recipe, method, tuple(varying), used)
    else:
        plan = _edit_plan(recipe, method, used)
    return Prepared(recipe, found.card, models, used, plan)


def open_model(name: str) -> Checkpoint:
    """Open a model of a recipe; reads headers only.

    Args:
        name: What ``Checkpoint.open`` takes, with ``+ADAPTER`` behind it for a model with a LoRA.

    Raises:
        CheckpointError: It cannot be read.
    """
    model, plus, adapter = name.rpartition("+")
    if plus and model and adapter and not Path(name).exists():
        return with_adapter(Checkpoint.open(model), adapter)
    return Checkpoint.open(name)


def _own_settings(recipe: MergeRecipe) -> list[Mapping[str, Setting]]:
    """Return the settings of single slices and models."""
    found = [one.settings for one in recipe.models]
    for piece in recipe.slices:
        found += [piece.settings, *(source.settings for source in piece.sources)]
    return found


def _lists(kind: type[Any]) -> list[str]:
    """Return the parameters whose values are lists: one that is given for them is no gradient."""
    hints = get_type_hints(kind)
    return [name for name, hint in hints.items() if get_origin(hint) is tuple]


def _check_edit(recipe: MergeRecipe, edit: StructureEdit, varying: Sequence[str]) -> None:
    kind = type(edit).__name__
    if varying:
        raise InvalidParameterError(
            f"{kind}: '{varying[0]}' depends on the tensor or on the model in this recipe; expected settings "
            f"for the whole model, of which it has {', '.join(edit.params()) or 'none'}"
        )
    if recipe.base:
        raise InvalidParameterError(
            f"{kind}: there is a base, {recipe.base}; expected none, since it puts models together as they "
            "are. Name it among the models, or leave it out"
        )


def _aligned(recipe: MergeRecipe, models: Models, work: Path | None) -> Models:
    """Return the models with one vocabulary, where the recipe wants that."""
    if not recipe.tokenizer:
        return models
    if work is None:
        raise InvalidParameterError(
            "aligning vocabularies: there is no folder for work files; expected one, since the recipe names "
            "a tokenizer"
        )
    policy = recipe.tokenizer if recipe.tokenizer in ("base", "union") else f"source:{recipe.tokenizer}"
    others = [name for name in models if name != recipe.base]
    done = align_models([models[name] for name in others], models.get(recipe.base), policy, work)
    aligned = dict(zip(others, done.models, strict=True))
    return aligned if done.base is None else {recipe.base: done.base, **aligned}


def _merge_plan(recipe: MergeRecipe, method: TensorMerge, varying: Sequence[str], models: Models) -> Plan:
    slices = recipe.slices or (Slice(recipe.models),)
    columns = _columns(recipe, slices, is_base_apart=method.needs_base)
    base = _base(recipe, models, is_needed=method.needs_base)
    stacks = [*(_position(column, models) for column in columns), *([base] if base is not None else ())]
    if recipe.slices:
        stacks = with_same_heads(stacks)
    inputs = [one.model for one in stacks[: len(columns)]]
    levels = tuple(
        tuple(
            (one.settings, piece.settings, recipe.parameters)
            for one, piece in zip(column, slices, strict=True)
        )
        for column in columns
    )
    n_layers = tuple(_n_layers(piece, inputs) for piece in slices)
    plan = plan_merge(
        method,
        inputs,
        None if base is None else stacks[-1].model,
        weights=[_plain_weight(column[0], recipe) for column in columns],
        values=Varying(method, tuple(varying), n_layers, levels) if varying else None,
        dtype=recipe.dtype,
        precision=as_precision(recipe.precision or "float32"),
        seed=recipe.seed,
    )
    folder = models[recipe.base].folder if recipe.base else plan.folder
    return replace(plan, folder=folder, config={**stacks[-1].config, **plan.config})


def _columns(recipe: MergeRecipe, slices: Sequence[Slice], *, is_base_apart: bool) -> list[tuple[Input, ...]]:
    """Return for each model that is merged what it is in each slice."""
    rows = [
        [one for one in piece.sources if not (recipe.slices and is_base_apart and one.model == recipe.base)]
        for piece in slices
    ]
    if len({len(row) for row in rows}) > 1:
        raise InvalidParameterError(
            f"putting slices together: they have {', '.join(str(len(row)) for row in rows)} sources, the "
            "base not counted; expected as many in each. Merge them one by one"
        )
    if not rows[0]:
        raise InvalidParameterError("merging: the recipe names no models; expected one or more")
    return list(zip(*rows, strict=True))


def _position(column: Sequence[Input], models: Models) -> Stack:
    """Return the model that is merged at one place of all slices."""
    if column[0].layers is None:
        return Stack(models[column[0].model], {})
    return stack([(models[one.model], one.layers) for one in column if one.layers is not None])


def _base(recipe: MergeRecipe, models: Models, *, is_needed: bool) -> Stack | None:
    """Return the base, in slices put together from its own layers; None where there is none."""
    if not recipe.base or not recipe.slices:
        return Stack(models[recipe.base], {}) if recipe.base else None
    if not is_needed:
        return None
    found = [[one for one in piece.sources if one.model == recipe.base] for piece in recipe.slices]
    wrong = next((number for number, sources in enumerate(found, start=1) if len(sources) != 1), None)
    if wrong is not None:
        raise InvalidParameterError(
            f"putting slices together: slice {wrong} has {len(found[wrong - 1])} sources of the base "
            f"{recipe.base}; expected one. Say which layers of the base it is made from"
        )
    return _position([source for (source,) in found], models)


def _n_layers(piece: Slice, inputs: Sequence[Checkpoint]) -> int:
    """Return how many layers of the merged model a slice is."""
    counts = {one.layers[1] - one.layers[0] for one in piece.sources if one.layers is not None}
    if len(counts) > 1:
        raise InvalidParameterError(
            f"putting slices together: the sources of one have {', '.join(map(str, sorted(counts)))} layers; "
            "expected as many of each"
        )
    return counts.pop() if counts else count_layers(inputs[0])


def _plain_weight(one: Input, recipe: MergeRecipe) -> float:
    """Return a model's weight if it is the same for all tensors: it orders copies of one model."""
    for settings in (one.settings, recipe.parameters):
        weight = settings.get(WEIGHT)
        if isinstance(weight, (int, float)):
            return float(weight)
    return 1.0


def _edit_plan(recipe: MergeRecipe, edit: StructureEdit, models: Models) -> Plan:
    slices = recipe.slices or (Slice(recipe.models),)
    stacks = [_position(column, models) for column in _columns(recipe, slices, is_base_apart=False)]
    plan = plan_edit(edit, [one.model for one in stacks])
    plan = replace(plan, config={**plan.config, **stacks[0].config})
    return plan if recipe.dtype is None else _in_dtype(plan, recipe.dtype, stacks[0].model.config)


def _in_dtype(plan: Plan, name: str, config: Mapping[str, Any]) -> Plan:
    """Return a plan whose floating-point tensors get a dtype; one that has it already stays as it is."""
    dtype = as_dtype(name)
    steps = tuple(
        step
        if not step.tensor.dtype.is_float
        else replace(
            step,
            tensor=replace(step.tensor, dtype=dtype),
            is_as_it_was=step.is_as_it_was and step.tensor.dtype == dtype,
        )
        for step in plan.steps
    )
    key = "dtype" if "dtype" in config else "torch_dtype"
    return replace(plan, steps=steps, config={**plan.config, key: name})

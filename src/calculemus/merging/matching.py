"""Whether models fit each other and a method: found out from headers, and said with the likely cause."""

import math
from collections.abc import Sequence
from typing import get_args

from calculemus.checkpoint import DTYPES, Checkpoint, Dtype, Entry
from calculemus.checkpoint.dtypes import BY_TORCH_NAME
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.merging.base import Precision, TensorMerge


def check_models(
    method: TensorMerge,
    models: Sequence[Checkpoint],
    base: Checkpoint | None,
    weights: Sequence[float] | None,
) -> None:
    """See that the method takes so many models, none of them quantised, and one weight for each.

    Raises:
        InvalidParameterError: It needs a base, or another number of models or weights.
        CheckpointMismatchError: A model is quantised.
    """
    name = type(method).__name__
    if method.needs_base and base is None:
        raise InvalidParameterError(
            f"{name}: there is no base; expected the model that the others were made from"
        )
    most = method.most
    if len(models) < method.fewest or (most is not None and len(models) > most):
        expected = (
            f"{method.fewest}" if most == method.fewest else f"{method.fewest} to {most or 'any number'}"
        )
        raise InvalidParameterError(f"{name}: there are {len(models)} models; expected {expected}")
    if weights is not None and len(weights) != len(models):
        raise InvalidParameterError(
            f"{name}: there are {len(weights)} weights for {len(models)} models; expected one for each"
        )
    for model in (*models, *((base,) if base is not None else ())):
        if model.config.get("quantization_config"):
            raise CheckpointMismatchError(f"merging {model.name}: its weights are quantised; {_UNQUANTISED}")


_UNQUANTISED = "expected floating-point numbers. Take the model that it was made from"


def check_weights(name: str, weights: Sequence[float]) -> None:
    """See that the weights of a tensor are numbers.

    Raises:
        InvalidParameterError: One of them is infinite or none.
    """
    for weight in weights:
        if not math.isfinite(weight):
            raise InvalidParameterError(f"merging '{name}': a weight is {weight}; expected finite numbers")


def as_precision(name: str) -> Precision:
    """Return what a merge is computed in, by its name.

    Raises:
        InvalidParameterError: It is neither float32 nor float64.
    """
    for known in get_args(Precision):
        if name == known:
            return known
    raise InvalidParameterError(
        f"planning a merge: the precision is '{name}'; expected one of {', '.join(get_args(Precision))}. The "
        "dtype of what is written is another setting"
    )


def as_dtype(name: str) -> Dtype:
    """Return the dtype of a name as in ``torch``.

    Raises:
        InvalidParameterError: There is none of that name to merge into.
    """
    if name not in BY_TORCH_NAME:
        raise InvalidParameterError(
            f"merging: the dtype is '{name}'; expected one of {', '.join(BY_TORCH_NAME)}"
        )
    return DTYPES[BY_TORCH_NAME[name]]


def check_names(model: Checkpoint, reference: Checkpoint) -> None:
    """See that a model has the tensors of another one.

    Raises:
        CheckpointMismatchError: It lacks some, or has more.
    """
    missing = [name for name in reference.entries if name not in model.entries]
    more = [name for name in model.entries if name not in reference.entries]
    if missing or more:
        what = f"lacks '{missing[0]}'" if missing else f"has '{more[0]}' beside them"
        raise CheckpointMismatchError(
            f"merging {model.name} with {reference.name}: it {what} ({len(missing)} tensors missing, "
            f"{len(more)} more); expected the same names. {why_other_names(missing or more)}"
        )


def why_other_names(names: Sequence[str]) -> str:
    """Return the likely cause of tensors that one model has and another lacks."""
    if any("lm_head" in name for name in names):
        return "One of them ties its output layer to its embeddings, the other does not"
    if any("lora" in name.lower() for name in names):
        return "One of them is an adapter: merge it into its base first"
    return "They are models of different makes, or one was saved with other parts"


def check_alike(entry: Entry, other: Entry, model: Checkpoint) -> None:
    """See that a tensor has the shape and kind of another model's.

    Raises:
        CheckpointMismatchError: It has not, or it is of a quantised format.
    """
    doing = f"merging '{entry.name}'"
    if entry.dtype.name.startswith("F8") or other.dtype.name.startswith("F8"):
        raise CheckpointMismatchError(f"{doing}: {model.name} has {other.dtype.name}; {_UNQUANTISED}")
    if other.shape != entry.shape:
        raise CheckpointMismatchError(
            f"{doing}: {entry.path.parent.name} has the shape {entry.shape}, {model.name} has {other.shape}; "
            f"expected the same. {why_other_shape(entry, other)}"
        )
    if other.dtype.is_float != entry.dtype.is_float:
        raise CheckpointMismatchError(
            f"{doing}: {entry.path.parent.name} has {entry.dtype.name}, {model.name} has {other.dtype.name}; "
            "expected floating-point numbers in both, or in neither. One of them is quantised: take the "
            "model that it was made from"
        )


def why_other_shape(entry: Entry, other: Entry) -> str:
    """Return the likely cause of a tensor's other shape in another model."""
    if "embed" in entry.name or "lm_head" in entry.name:
        return (
            f"Their vocabularies differ by {abs(entry.shape[0] - other.shape[0])} rows: align them first "
            "(calculemus check says how)"
        )
    if "k_proj" in entry.name or "v_proj" in entry.name:
        return "They have other numbers of key and value heads"
    return "They are models of different sizes"

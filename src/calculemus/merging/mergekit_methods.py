"""Mergekit's methods and parameters, and what they are called here.

Source: mergekit 0.1.5, https://github.com/arcee-ai/mergekit: names, defaults and what a parameter belongs to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from calculemus.merging.settings import Value

Base = Literal["apart", "either", "input", "none"]


@dataclass(frozen=True)
class Known:
    """A method of mergekit's as one of ours.

    Attributes:
        id: Ours.
        base: Whether the base stands apart from what is merged, may do so, is merged like the others, or is
            not used.
        own: Parameters that a model may have of its own, by mergekit's name, with ours.
        shared: Parameters that are the same for all models, in the same way.
        required: Those of ours that mergekit has no default for.
        defaults: Values that count in mergekit where none is given, by our name.
        fixed: Our settings that make the method mergekit's.
        only: Parameters that can have one value only, by mergekit's name.
        folds: Whether ``normalize`` divides by the sum of the weights, which is done to the weights here.
        settled: Subjects of the card's ``[differs]`` that make no difference to what is read here.
    """

    id: str
    base: Base = "apart"
    own: Mapping[str, str] = field(default_factory=dict)
    shared: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    defaults: Mapping[str, Value] = field(default_factory=dict)
    fixed: Mapping[str, Value] = field(default_factory=dict)
    only: Mapping[str, Value] = field(default_factory=dict)
    folds: bool = False
    settled: tuple[str, ...] = ()


_WEIGHT = {"weight": "weight"}
_DENSITY = {**_WEIGHT, "density": "density"}
_LAMBDA = {"lambda": "scale"}
_VECTORS = {"scale": 1.0, "density": 1.0}

KNOWN: Mapping[str, Known] = {
    "linear": Known("linear", "input", _WEIGHT, {"normalize": "normalize"}, ("weight",)),
    "slerp": Known("slerp", shared={"t": "t"}, required=("t",)),
    "task_arithmetic": Known(
        "task_arithmetic",
        own=_WEIGHT,
        shared=_LAMBDA,
        required=("weight",),
        defaults={"scale": 1.0},
        folds=True,
    ),
    "ties": Known(
        "ties",
        own=_DENSITY,
        shared=_LAMBDA,
        required=("weight",),
        defaults=_VECTORS,
        only={"normalize": True, "rescale": False},
    ),
    "dare_linear": Known(
        "dare_linear",
        own=_DENSITY,
        shared=_LAMBDA,
        required=("weight",),
        defaults=_VECTORS,
        only={"rescale": True},
        folds=True,
    ),
    "dare_ties": Known(
        "dare_ties",
        own=_DENSITY,
        shared={**_LAMBDA, "normalize": "normalize"},
        required=("weight",),
        defaults={**_VECTORS, "normalize": False},
        only={"rescale": True},
        settled=("mean",),
    ),
    "breadcrumbs": Known(
        "breadcrumbs",
        own={**_DENSITY, "gamma": "gamma"},
        shared=_LAMBDA,
        required=("weight",),
        defaults={**_VECTORS, "gamma": 0.01},
        only={"rescale": False},
        folds=True,
    ),
    "della": Known(
        "della",
        own={**_DENSITY, "epsilon": "epsilon"},
        shared={**_LAMBDA, "normalize": "normalize"},
        required=("weight",),
        defaults={**_VECTORS, "epsilon": 0.15, "normalize": True},
        only={"rescale": True},
    ),
    "model_stock": Known("model_stock", only={"filter_wise": False}),
    "nuslerp": Known(
        "nuslerp",
        "either",
        own=_WEIGHT,
        required=("weight",),
        only={"nuslerp_row_wise": False, "nuslerp_flatten": True},
        settled=("rows", "base"),
    ),
    "karcher": Known(
        "karcher",
        "input",
        shared={"max_iter": "max_steps"},
        defaults={"max_steps": 10},
        settled=("weights", "multislerp"),
    ),
    "multislerp": Known(
        "karcher",
        "none",
        own=_WEIGHT,
        required=("weight",),
        fixed={"max_steps": 0},
        only={"normalize_weights": True},
        settled=("weights", "multislerp"),
    ),
    "sce": Known("sce", shared={"select_topk": "density"}, defaults={"density": 1.0}),
    "passthrough": Known("passthrough", "none", settled=("scale",)),
}
"""By mergekit's name."""

SCALED = Known("linear", "none", {"scale": "weight"}, defaults={"weight": 1.0}, fixed={"normalize": False})
"""``passthrough`` with a ``scale``: it multiplies every tensor that no filter spares, as a weight does."""

HARMLESS = ("eps", "int8_mask", "tol")
"""Parameters that do not say what is merged, but with how much memory or how exactly."""

ELSEWHERE = (
    *("density", "epsilon", "filter_wise", "gamma", "lambda", "max_iter", "normalize", "normalize_weights"),
    *("nuslerp_flatten", "nuslerp_row_wise", "rescale", "scale", "select_topk", "t", "weight"),
)
"""Parameters that some method of mergekit's has: on another one they do nothing, there as here."""

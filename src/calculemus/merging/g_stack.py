"""Growing models: a small trained one becomes a large one that is trained on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.merging.layers import INTO_STREAM, address, choose, count_layers, in_layer
from calculemus.merging.passthrough import Passthrough
from calculemus.merging.structure import Layout, Source, StructureEdit
from calculemus.merging.widening import fresh, widen
from calculemus.params import AtLeast
from calculemus.rng import Rng

# Settings by which a layer's number changes what it computes.
_BY_NUMBER = ("scale_attn_by_inverse_layer_idx", "use_sliding_window")
_PERIODS = ("sliding_window_pattern", "full_attention_interval", "cross_attention_interval")


@dataclass(frozen=True)
class GStack(StructureEdit):
    """Grow a model: repeat its stack of layers, or another operator to hold that against.

    Source: Du et al. 2024, arXiv:2405.15319, section 3; G_stack is ``depth``, direct. Embeddings, final norm
    and head are copied once. The operators:

    - ``stack``: M on M on ... on M; layer i is layer i mod l of the l there were.
    - ``interleave``: each layer is repeated where it stands; layer i is layer i // factor.
    - ``zero``: the model, and on it copies of its layers that add nothing: their projections into the stream
      are zero. It computes what it computed. All of a new layer at zero would never learn anything.
    - ``random``: the model, and on it new layers. The paper has them come in by a mask that rises from 0 to 1
      in training; ``tuning.growing`` has that.
    - ``width``: every width is multiplied, after Net2Net. Rows are repeated, columns are shared out among
      repeated inputs by unequal shares that sum up to 1, so that copies learn different things. It computes
      what it computed.

    The paper's operator that learns how to grow is left out.

    Attributes:
        factor: How many times as many layers, or as wide.
        operator: How.
        seed: Of new weights.
    """

    fewest: ClassVar[int] = 1
    most: ClassVar[int | None] = 1

    factor: Annotated[int, AtLeast(1)] = 4  # section 4.2
    operator: Literal["stack", "interleave", "zero", "random", "width"] = "stack"
    seed: Annotated[int, AtLeast(0)] = 0

    def layout(self, models: Sequence[Checkpoint]) -> Layout:
        """Return the table of the grown model."""
        model = models[0]
        if self.operator == "width":
            return widen(model, self.factor)
        origins = self.origins(count_layers(model))
        _check_numbered(model, origins)
        slices = tuple(f"0[{layer}:{layer + 1}]" for layer in origins)
        grown = Passthrough(slices).layout(models)
        if self.operator in ("stack", "interleave"):
            return grown
        return Layout({**grown.tensors, **self._new_layers(model, origins)}, grown.config)

    def origins(self, n_layers: int) -> tuple[int, ...]:
        """Return for each layer of the grown model which of the old ones it is, or stands for."""
        layers = range(n_layers * self.factor)
        if self.operator == "interleave":
            return tuple(layer // self.factor for layer in layers)
        return tuple(layer % n_layers for layer in layers)

    def _new_layers(self, model: Checkpoint, origins: Sequence[int]) -> dict[str, tuple[Source, ...]]:
        """Return what of the layers on top of the old ones is not a copy."""
        new: dict[str, tuple[Source, ...]] = {}
        for layer in range(count_layers(model), len(origins)):
            for name in choose(model, layers=(origins[layer],)):
                grown = in_layer(name, layer)
                if not model.entry(name).dtype.is_float:
                    continue
                if self.operator == "random":
                    change = fresh(model, name, Rng(self.seed, ("g_stack", grown)))
                    new[grown] = (Source(0, name, change=change),)
                elif address(name).part in INTO_STREAM:
                    new[grown] = (Source(0, name, 0.0),)
        return new


def _check_numbered(model: Checkpoint, origins: Sequence[int]) -> None:
    """See that a layer computes the same under its new number."""
    config: Mapping[str, Any] = model.config
    if origins == tuple(range(count_layers(model))) or isinstance(config.get("layer_types"), list):
        return  # what the configuration says of each layer goes along with it
    by_number = next((name for name in _BY_NUMBER if config.get(name)), None)
    if by_number is not None:
        raise CheckpointMismatchError(
            f"growing {model.name}: its configuration has '{by_number}', by which a layer's number changes "
            "what it computes; expected layers that are all alike, or 'layer_types' that says of each what "
            "it is"
        )
    period = next((config[name] for name in _PERIODS if isinstance(config.get(name), int)), 1)
    if any(layer % period != origin % period for layer, origin in enumerate(origins)):
        raise CheckpointMismatchError(
            f"growing {model.name}: its layers take turns with a period of {period}, and repeating its "
            f"{count_layers(model)} layers breaks that; expected a number of layers that {period} divides, "
            "stacked. Grow a model with such a number"
        )


def growth_tokens(parameters: float, flops: float) -> float:
    """Return after how many tokens of the small model to grow it.

    log10 d = 0.88 log10 N + 163.27 / log10 C - 5.74, for a factor of 4. Source: arXiv:2405.15319, section
    4.1.

    Args:
        parameters: N, of the grown model.
        flops: C, of all its training; about 6 N times its tokens.

    Raises:
        InvalidParameterError: They are not above 1.

    Example:
        >>> f"{growth_tokens(8e9, 6 * 8e9 * 15e12) / 1e9:.2f} billion"
        '6.58 billion'
    """
    if not (parameters > 1 and flops > 1):
        raise InvalidParameterError(
            f"asking when to grow a model: it has {parameters} parameters and {flops} operations of "
            "training; expected more than 1 of each"
        )
    return 10 ** (0.88 * math.log10(parameters) + 163.27 / math.log10(flops) - 5.74)

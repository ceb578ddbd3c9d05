"""What runs a model over one step's tokens, and who may look at its hidden states on the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from calculemus.engine.torch_engine.attention import Attend
from calculemus.engine.torch_engine.plan import Plan


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of a model.

    Attributes:
        n_layers: Attention layers.
        n_heads: Query heads.
        n_kv_heads: Heads with keys and values.
        d_key: Width of a key.
        d_value: Width of a value.
        d_model: Width of the hidden states.
        vocab_size: Rows of the output layer.
        parameters: Weights that are multiplied with: all but the table of input embeddings.
    """

    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_key: int
    d_value: int
    d_model: int
    vocab_size: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Seen:
    """Hidden states behind one layer.

    Attributes:
        layer: Which, from 0.
        hidden_states: (token, width), of all the step's tokens.
        input_ids: Their ids.
        positions: Their positions, each in its own sequence.
    """

    layer: int
    hidden_states: Tensor
    input_ids: Tensor
    positions: Tensor


Tap = Callable[[Seen], Tensor | None]
"""Looks at hidden states; returns what shall stand in their place, or None to leave them."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a step gives.

    Attributes:
        hidden_states: (token, width) behind the last norm; padded rows behind the plan's tokens.
        logits: (row, vocabulary) in float32 for the plan's ``logit_rows``; None where there are none.
    """

    hidden_states: Tensor
    logits: Tensor | None


class Runner(Protocol):
    """Runs a model.

    Attributes:
        sizes: The model's.
        taps: Who looks at hidden states.
        uses_arena: Whether it keeps keys and values in the arena; if not, it computes all tokens anew.
    """

    sizes: Sizes
    taps: list[Tap]
    uses_arena: bool

    def run(self, plan: Plan, attend: Attend) -> Output:
        """Run the step's tokens through the model."""
        ...

    def release(self) -> None:
        """Leave the module as it was; the runner cannot be used afterwards."""
        ...


def apply_taps(taps: Sequence[Tap], layer: int, hidden_states: Tensor, plan: Plan) -> Tensor:
    """Show hidden states (token, width) to the taps, padding left out; return what goes on."""
    n = plan.n_tokens
    for tap in taps:
        changed = tap(Seen(layer, hidden_states[:n], plan.input_ids[:n], plan.positions[:n]))
        if changed is not None:
            hidden_states = hidden_states.clone()
            hidden_states[:n] = changed
    return hidden_states

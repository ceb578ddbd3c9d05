"""Runs a Hugging Face module as it is, for architectures without a lean pass of their own.

``HostedRunner`` feeds all tokens of a step as one packed sequence and answers the module's calls for
attention from the arena. ``PlainRunner`` is for modules that do not ask for attention in that way: it gives
them one sequence at a time, from its beginning, and keeps nothing.
"""

import inspect
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel

from calculemus.engine.torch_engine.attention import Attend
from calculemus.engine.torch_engine.plan import Plan
from calculemus.engine.torch_engine.runner import Output, Sizes, Tap, apply_taps
from calculemus.errors import EngineError

NAME = "calculemus"
"""What the attention function is called in the module's configuration."""


def _answer(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **other: Any,
) -> tuple[Tensor, None]:
    """Answer a module that calls for attention; tensors are (1, head, token, width)."""
    del attention_mask
    for name in ("s_aux", "sinks", "position_bias", "block_indices"):
        if other.get(name) is not None:
            raise EngineError(f"attention of {type(module).__name__}: it needs '{name}', which is not there")
    queries = query[0].transpose(0, 1) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    keys, values = key[0].transpose(0, 1), value[0].transpose(0, 1)
    attend, layer = module.calculemus_attend, module.layer_idx  # type: ignore[attr-defined]  # set by the runner
    out = attend()(layer, queries, keys, values, window=sliding_window, softcap=softcap)  # type: ignore[operator]  # set before the call
    return out.unflatten(-1, (query.shape[1], -1))[None], None


AttentionInterface.register(NAME, _answer)


class _Watched:
    """A causal language model whose last hidden states and layers can be seen."""

    def __init__(self, model: Any, sizes: Sizes) -> None:
        self.sizes = sizes
        self.taps: list[Tap] = []
        self._model = model
        self._plan: Plan | None = None
        self._last: Tensor | None = None
        self._keeps = "logits_to_keep" in inspect.signature(model.forward).parameters
        # Some modules call their decoder alone, some a body around it, which then has the last word.
        bodies = [part for part in model.children() if isinstance(part, PreTrainedModel)]
        bodies = dict.fromkeys(body for body in (model.get_decoder(), *bodies) if body is not model)
        self._hooks = [body.register_forward_hook(self._see_last) for body in bodies]
        for i, layer in enumerate(_layers(model, sizes.n_layers)):
            see = partial(self._see_layer, i)
            self._hooks.append(layer.register_forward_hook(lambda _, __, out, see=see: see(out)))

    def release(self) -> None:
        """Leave the module as it was."""
        for hook in self._hooks:
            hook.remove()

    def _see_last(self, _module: nn.Module, _inputs: Any, out: Any) -> None:
        self._last = out[0]

    def _see_layer(self, layer: int, out: Any) -> Any:
        if not self.taps or self._plan is None:
            return None
        hidden = out[0] if isinstance(out, tuple) else out
        changed = apply_taps(self.taps, layer, hidden.flatten(0, -2), self._plan).view_as(hidden)
        return (changed, *out[1:]) if isinstance(out, tuple) else changed

    def _run(self, input_ids: Tensor, rows: Tensor | None, **more: Any) -> tuple[Tensor, Tensor | None]:
        """Run one sequence (token,); return last hidden states and, for ``rows`` of them, the logits."""
        keep = input_ids.new_zeros(1) if rows is None else rows
        kept = {"logits_to_keep": keep} if self._keeps else {}
        out = self._model(input_ids=input_ids[None], use_cache=False, **kept, **more)
        if self._last is None or self._last.shape[-1] != self.sizes.d_model:
            raise EngineError(f"watching a {type(self._model).__name__}: its last hidden states are not seen")
        logits = out.logits[0].float() if self._keeps else out.logits[0, keep].float()
        return self._last[0], None if rows is None else logits


class HostedRunner(_Watched):
    """Runs a module that calls for attention through Hugging Face's interface; see ``Runner``.

    Attributes:
        sizes: The model's.
        taps: Who looks at hidden states.
        uses_arena: It does.
    """

    uses_arena = True

    def __init__(self, model: Any, sizes: Sizes) -> None:
        super().__init__(model, sizes)
        self._attend: Attend | None = None
        self._own_attention = model.config._attn_implementation
        for module in model.modules():
            if hasattr(module, "layer_idx"):
                module.calculemus_attend = lambda: self._attend
        model.set_attn_implementation(NAME)

    def release(self) -> None:
        """Leave the module as it was, its attention included."""
        super().release()
        self._model.set_attn_implementation(self._own_attention)
        for module in self._model.modules():
            if hasattr(module, "calculemus_attend"):
                del module.calculemus_attend

    def run(self, plan: Plan, attend: Attend) -> Output:
        """Run the step's tokens through the model, all as one sequence."""
        self._plan, self._attend = plan, attend
        hidden, logits = self._run(plan.input_ids, plan.logit_rows, position_ids=plan.positions[None])
        return Output(hidden, logits)


class PlainRunner(_Watched):
    """Runs any module, one sequence at a time and from its beginning; see ``Runner``.

    Attributes:
        sizes: The model's.
        taps: Who looks at hidden states.
        uses_arena: It does not.
    """

    uses_arena = False

    def run(self, plan: Plan, attend: Attend) -> Output:
        """Run each row's whole sequence through the model."""
        del attend
        like, n_rows, sizes = plan.input_ids, len(plan.input_ids), self.sizes
        hidden = torch.zeros(n_rows, sizes.d_model, dtype=self._model.dtype, device=like.device)
        wanted = plan.logit_rows if plan.logit_rows is not None else like.new_empty(0)
        logits = torch.zeros(len(wanted), sizes.vocab_size, device=like.device)
        offset = 0
        for ids, n_new in plan.segments():
            here = ((wanted >= offset) & (wanted < offset + n_new)).nonzero()[:, 0]
            # Each row is asked for once, however often padding repeats it: bits depend on how many there are.
            rows, places = torch.unique(wanted[here] - offset + len(ids) - n_new, return_inverse=True)
            seen, found = self._run(torch.from_numpy(ids).to(like.device), rows if len(rows) else None)
            hidden[offset : offset + n_new] = seen[-n_new:]
            if found is not None:
                logits[here] = found[places]
            offset += n_new
        return Output(hidden, logits if plan.logit_rows is not None else None)


def _layers(model: Any, n_layers: int) -> nn.ModuleList:
    """Return the module's list of layers: its first list of that length."""
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == n_layers:
            return module
    return nn.ModuleList()

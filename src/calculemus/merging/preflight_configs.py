"""Pre-flight on configurations: settings that change what the same weights compute."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from calculemus.checkpoint import Checkpoint
from calculemus.merging.preflight_findings import Finding, Severity

_NAMES: dict[str, tuple[Severity, tuple[str, ...]]] = {
    "the kind of model": ("warning", ("model_type",)),
    "the number of heads": ("error", ("num_attention_heads", "n_head", "num_heads")),
    "the number of key and value heads": ("error", ("num_key_value_heads",)),
    "the size of a head": ("error", ("head_dim",)),
    "the activation": ("warning", ("hidden_act", "activation_function")),
    "the epsilon of norms": ("warning", ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon")),
    "the attention window": ("warning", ("sliding_window",)),
    "the longest text": ("note", ("max_position_embeddings", "n_positions")),
}
"""What a setting is called by people and in configurations, and how bad another value is."""
_MEANS: dict[Severity, str] = {
    "error": "Their weights do not fit each other, though they have one shape: leave one of them out",
    "warning": "The merged model gets that of {reference}: see whether the other still works with it",
    "note": "The merged model gets that of {reference}",
}


def check_configs(models: Sequence[Checkpoint], base: Checkpoint | None) -> Iterator[Finding]:
    """Yield the settings in which a model differs from the base, or else from the first model.

    Raises:
        CheckpointError: A configuration cannot be read.
    """
    reference = base if base is not None else models[0]
    expected = _settings(reference.config)
    for model in models:
        found = _settings(model.config)
        for what, value in expected.items():
            # A setting that is left out has a default that only the model's code knows.
            if what in found and found[what] != value:
                severity = _severity(what)
                yield Finding(
                    severity,
                    "configuration",
                    f"{what} is {json.dumps(found[what])} in {model.name} and {json.dumps(value)} in "
                    f"{reference.name}",
                    "the same",
                    _MEANS[severity].format(reference=reference.name),
                )


def _severity(what: str) -> Severity:
    return _NAMES[what][0] if what in _NAMES else "warning"


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a configuration has, by what people call them."""
    inner = config.get("text_config")
    table = inner if isinstance(inner, dict) else config
    found = {}
    for what, (_, names) in _NAMES.items():
        name = next((name for name in names if table.get(name) is not None), None)
        if name is not None:
            found[what] = table[name]
    return {**found, **_rotation(table)}


def _rotation(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return how positions are rotated; newer configurations put it all into one setting."""
    newer = table.get("rope_parameters")
    parts = dict(newer) if isinstance(newer, dict) else {}
    theta = parts.pop("rope_theta", table.get("rope_theta"))
    if theta is None:
        return {}
    older = table.get("rope_scaling")
    scaling = parts or (dict(older) if isinstance(older, dict) else {})
    kind = scaling.pop("rope_type", scaling.pop("type", "default"))
    return {
        "the base of the rotation (rope_theta)": float(theta) if isinstance(theta, int) else theta,
        "the scaling of the rotation (rope_scaling)": None
        if kind == "default"
        else {"type": kind, **scaling},
    }

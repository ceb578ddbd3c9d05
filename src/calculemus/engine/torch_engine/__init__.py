"""Runs Hugging Face models white-box: continuous batching, shared prefixes, results free of the batch.

This package is the only place where a model is run with torch; importing it needs the extra ``torch``.
"""

from importlib.util import find_spec

from calculemus.errors import MissingExtraError

for _module in ("torch", "transformers", "safetensors", "tokenizers"):
    if find_spec(_module) is None:
        raise MissingExtraError("running a model from a checkpoint", _module, "torch")

from calculemus.engine.torch_engine.engine import TorchEngine  # noqa: E402  # after the check above
from calculemus.engine.torch_engine.heads import ValueHead  # noqa: E402  # after that check too
from calculemus.engine.torch_engine.runner import Seen, Tap  # noqa: E402  # after that check too

__all__ = ["Seen", "Tap", "TorchEngine", "ValueHead"]

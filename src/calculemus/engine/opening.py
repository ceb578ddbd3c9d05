"""From what a user writes to the engine it means: the shipped model, a folder, a hub id, an endpoint."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from calculemus.engine.base import Engine
from calculemus.errors import InvalidParameterError
from calculemus.named import suggest
from calculemus.params import AtLeast, Configured

TINY = "tiny"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+\Z")


@dataclass(frozen=True)
class EngineOptions(Configured):
    """How engines are opened.

    Attributes:
        rows: Rows that a local model works on at once.
        dtype: Number format of a local model's weights and activations.
        device: Where a local model runs; ``auto`` takes CUDA where there is one.
        concurrency: Requests that an endpoint gets at once.
    """

    rows: Annotated[int, AtLeast(1)] = 256
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    concurrency: Annotated[int, AtLeast(1)] = 16


def open_engine(text: str, options: EngineOptions, key: str | None = None) -> Engine:
    """Open an engine.

    Args:
        text: ``tiny`` (the model that ships with the package), ``tiny-drafter`` or another relative of it
            (made on first use), the folder of a Hugging Face model, its id on
            the hub (ORG/NAME), or an endpoint (``http://127.0.0.1:8000/v1#model``).
        options: See ``EngineOptions``.
        key: The endpoint's key.

    Raises:
        InvalidParameterError: The text is in none of these forms, or names no folder.
        EngineError: The model cannot be loaded, or the endpoint does not answer.
        MissingExtraError: A local model without the extra ``torch``.
    """
    if text.startswith(("http://", "https://")):
        from calculemus.engine.http_engine import HttpEngine

        return HttpEngine(text, key=key, concurrency=options.concurrency)
    from calculemus.engine.torch_engine import TorchEngine  # costs seconds: only where a local model runs

    return TorchEngine(_model(text), dtype=options.dtype, device=options.device, rows=options.rows, name=text)


def _model(text: str) -> str:
    """Return the folder or hub id that a name means."""
    from calculemus.tiny import MODEL, RELATIVES, relative

    if text == TINY:
        return str(MODEL)
    if text.removeprefix(f"{TINY}-") in RELATIVES:
        return str(relative(text.removeprefix(f"{TINY}-")))
    if Path(text).is_dir() or _HUB_ID.match(text):
        return text
    near = [path.name for path in Path().iterdir() if (path / "config.json").exists()]
    raise InvalidParameterError(
        f"opening the model '{text}': there is no such folder; {suggest(text, [TINY, *near])}"
        f"expected '{TINY}', '{TINY}-' and a relative of it ({', '.join(RELATIVES)}), the folder of a "
        "Hugging Face model, its id on the hub (ORG/NAME), or an endpoint (http://127.0.0.1:8000/v1#model)"
    )

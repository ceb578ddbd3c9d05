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
_ENDPOINTS = ("http://", "https://")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+\Z")


@dataclass(frozen=True)
class EngineOptions(Configured):
    """How engines are opened.

    Attributes:
        rows: Rows that a local model works on at once.
        dtype: Number format of a local model's weights and activations.
        device: Where a local model runs; ``auto`` takes CUDA where there is one.
        concurrency: Requests that an endpoint gets at once.
        threads: Threads of a local model on a CPU; None for one where it is small, else for torch's number.
    """

    rows: Annotated[int, AtLeast(1)] = 256
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    concurrency: Annotated[int, AtLeast(1)] = 16
    threads: Annotated[int | None, AtLeast(1)] = None


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
    check_model_name(text)
    if text.startswith(_ENDPOINTS):
        from calculemus.engine.http_engine import HttpEngine

        return HttpEngine(text, key=key, concurrency=options.concurrency)
    from calculemus.engine.torch_engine import TorchEngine  # costs seconds: only where a local model runs

    return TorchEngine(
        model_source(text),
        dtype=options.dtype,
        device=options.device,
        rows=options.rows,
        name=text,
        threads=options.threads,
    )


def check_model_name(text: str) -> None:
    """Refuse a text that names no model, before anything is loaded or trained.

    Raises:
        InvalidParameterError: It is none of the forms that ``open_engine`` takes, or names no folder.
    """
    from calculemus.tiny import RELATIVES

    is_known = text == TINY or text.removeprefix(f"{TINY}-") in RELATIVES
    # An empty text is a path, too: the folder where the command runs.
    if is_known or text.startswith(_ENDPOINTS) or (text and Path(text).is_dir()) or _HUB_ID.match(text):
        return
    near = [path.name for path in Path().iterdir() if (path / "config.json").exists()]
    relatives = [f"{TINY}-{relative}" for relative in RELATIVES]
    raise InvalidParameterError(
        f"opening the model '{text}': there is no such folder; {suggest(text, [TINY, *relatives, *near])}"
        f"expected '{TINY}', '{TINY}-' and a relative of it ({', '.join(RELATIVES)}), the folder of a "
        "Hugging Face model, its id on the hub (ORG/NAME), or an endpoint (http://127.0.0.1:8000/v1#model)"
    )


def model_source(text: str) -> str:
    """Return the folder or hub id that a local model's name means; a relative is made where it must be."""
    from calculemus.tiny import MODEL, RELATIVES, relative

    if text == TINY:
        return str(MODEL)
    name = text.removeprefix(f"{TINY}-")
    return str(relative(name)) if name in RELATIVES else text

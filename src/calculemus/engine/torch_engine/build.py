"""Puts together what runs a checkpoint: the way to run it, its memory, and the shapes it may use."""

import torch

from calculemus.engine.torch_engine.arena import Arena, KvShape
from calculemus.engine.torch_engine.batcher import Machine
from calculemus.engine.torch_engine.checkpoint import Checkpoint
from calculemus.engine.torch_engine.choosing import choose_runner, steady_context
from calculemus.engine.torch_engine.device import kv_limit
from calculemus.engine.torch_engine.measure import stable_shapes
from calculemus.engine.torch_engine.shapes import PAGE, n_pages
from calculemus.engine.torch_engine.text import Texts
from calculemus.engine.torch_engine.tree import PrefixTree
from calculemus.errors import EngineError
from calculemus.tuning.quiet import quiet

STEP_TOKENS = 1024
"""Tokens of one step, where the rows are not more; what decoding leaves of them, prompts take."""
STEP_TOKENS_LARGE = 128
"""The same for large models, whose steps are full with less."""
LARGE = 1 << 29
"""Parameters from which on a model is large."""


def context_of(checkpoint: Checkpoint, wanted: int | None) -> int:
    """Return the longest prompt and completion together; what is not wanted is what runs fast.

    Raises:
        EngineError: More is wanted than the model was made for, or less than two tokens.
    """
    config = checkpoint.model.config
    allowed = getattr(config, "max_position_embeddings", None)
    allowed = int(allowed or min(checkpoint.tokenizer.model_max_length, 4096))
    if wanted is not None and not 2 <= wanted <= allowed:
        raise EngineError(
            f"{checkpoint.name}: a context of {wanted} tokens is asked for; expected 2 to {allowed}, the "
            "positions that the model has"
        )
    return wanted or min(allowed, steady_context(config) or allowed)


def build_machine(
    checkpoint: Checkpoint,
    dtype: torch.dtype,
    device: torch.device,
    rows: int,
    context: int,
    kv_bytes: int | None,
) -> Machine:
    """Find out how a checkpoint runs, and lay out its memory.

    Raises:
        EngineError: There is no memory for a single row.
    """
    texts = Texts(checkpoint.tokenizer, checkpoint.model)
    with quiet():
        runner = choose_runner(checkpoint.model, context, f"running the model '{checkpoint.name}'")
    sizes = runner.sizes
    step_tokens = STEP_TOKENS if sizes.parameters < LARGE else STEP_TOKENS_LARGE
    shapes = stable_shapes(runner, max(rows + 16, step_tokens), context, dtype, device)
    shape = KvShape(sizes.n_layers, sizes.n_kv_heads, sizes.d_key, sizes.d_value)
    shape = shape if runner.uses_arena else KvShape(1, 1, 1, 1)
    limit = kv_limit(device) if kv_bytes is None else kv_bytes
    each = shape.bytes_per_token(dtype)
    n_row_pages, n_places = _share_memory(rows, context, limit // each)
    if n_row_pages < 1:
        raise EngineError(
            f"{checkpoint.name}: keys and values may take {limit} bytes; expected room for {2 * PAGE} tokens "
            f"of {each} bytes. Free memory, or set kv_bytes"
        )
    arena = Arena(shape, n_pages=n_row_pages + 1, n_places=n_places, dtype=dtype, device=device)
    return Machine(runner, texts, arena, PrefixTree(n_places), shapes, rows, context)


def _share_memory(rows: int, context: int, n_tokens: int) -> tuple[int, int]:
    """Split the memory for so many tokens into pages of rows and places of the prefix tree.

    Both get all that they can use, or else two thirds and one.
    """
    pages = rows * n_pages(context)
    places = max(pages // 2, 4 * n_pages(context)) * PAGE
    if (pages + 1) * PAGE + places > n_tokens:
        places = n_tokens // 3
        pages = (n_tokens - places) // PAGE - 1
    return pages, places

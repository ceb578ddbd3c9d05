"""Puts together what runs a checkpoint: the way to run it, its memory, and the shapes it may use."""

import torch

from calculemus.engine.torch_engine.arena import Arena, KvShape, slot_length
from calculemus.engine.torch_engine.batcher import Machine
from calculemus.engine.torch_engine.checkpoint import Checkpoint
from calculemus.engine.torch_engine.device import kv_limit
from calculemus.engine.torch_engine.measure import choose_runner, stable_shapes
from calculemus.engine.torch_engine.shapes import SLOT_TILE
from calculemus.engine.torch_engine.text import Texts
from calculemus.engine.torch_engine.tree import PrefixTree
from calculemus.errors import EngineError

STEP_TOKENS = 512
"""Tokens of one step, where the rows are not more; what decoding leaves of them, prompts take."""
STEP_TOKENS_LARGE = 128
"""The same for large models, whose steps are full with less."""
LARGE = 1 << 29
"""Parameters from which on a model is large."""
SLAB_ROWS = 64
"""Rows of one slab: more of them are fewer operations, less are shorter waits beside longer rows."""


def context_of(checkpoint: Checkpoint, wanted: int | None) -> int:
    """Return the longest prompt and completion together.

    Raises:
        EngineError: More is wanted than the model was made for, or less than two tokens.
    """
    allowed = getattr(checkpoint.model.config, "max_position_embeddings", None)
    allowed = int(allowed or min(checkpoint.tokenizer.model_max_length, 4096))
    if wanted is not None and not 2 <= wanted <= allowed:
        raise EngineError(
            f"{checkpoint.name}: a context of {wanted} tokens is asked for; expected 2 to {allowed}, the "
            "positions that the model has"
        )
    return wanted or allowed


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
    runner = choose_runner(checkpoint.model, context)
    sizes = runner.sizes
    step_tokens = STEP_TOKENS if sizes.parameters < LARGE else STEP_TOKENS_LARGE
    shapes = stable_shapes(runner, max(rows + 16, step_tokens), context, dtype, device)
    shape = KvShape(sizes.n_layers, sizes.n_kv_heads, max(sizes.d_key, sizes.d_value))
    shape = shape if runner.uses_arena else KvShape(1, 1, 1)
    limit = kv_limit(device) if kv_bytes is None else kv_bytes
    slot_tokens, pool_tokens = _share_memory(rows, context, limit // shape.bytes_per_token(dtype))
    if slot_tokens < SLOT_TILE:
        raise EngineError(
            f"{checkpoint.name}: keys and values get {limit} bytes; expected room for {SLOT_TILE} tokens "
            f"of {shape.bytes_per_token(dtype)} bytes. Free memory, or set kv_bytes"
        )
    slab_rows = max(1, min(SLAB_ROWS, rows // 2))
    arena = Arena(
        shape,
        slot_tokens=slot_tokens,
        pool_tokens=pool_tokens,
        slab_rows=slab_rows,
        dtype=dtype,
        device=device,
    )
    return Machine(runner, texts, arena, PrefixTree(pool_tokens), shapes, rows, context)


def _share_memory(rows: int, context: int, n_tokens: int) -> tuple[int, int]:
    """Split the memory for so many tokens between slots and prefix tree: all that they can use, or 2 : 1."""
    slots = rows * slot_length(context)
    pool = max(slots // 2, 4 * slot_length(context))
    if slots + pool > n_tokens:
        pool = n_tokens // 3
        slots = n_tokens - pool - 1
    return slots, pool

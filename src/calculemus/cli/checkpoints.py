"""Opening the checkpoints that a command names."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calculemus.checkpoint import Checkpoint


def open_checkpoint(text: str, base: "Checkpoint | None" = None) -> "Checkpoint":
    """Open a model; an adapter as the model that it makes of its base.

    Args:
        text: A file, a folder or a hub id in the local cache.
        base: What an adapter is added to; without it, an adapter is opened as the tensors that it has.

    Raises:
        CheckpointError: It cannot be read, or the adapter does not fit the base.
    """
    from calculemus.checkpoint import Checkpoint, with_adapter
    from calculemus.checkpoint.folder import ADAPTER, find_files

    is_adapter = base is not None and any(path.name == ADAPTER for path in find_files(text).shards)
    return with_adapter(base, text) if is_adapter and base is not None else Checkpoint.open(text)

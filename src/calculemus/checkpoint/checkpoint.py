"""A checkpoint: named tensors in files, known from their headers, read where and when they are wanted."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from calculemus.checkpoint.bits import from_float32, to_float32
from calculemus.checkpoint.folder import find_files, read_json
from calculemus.checkpoint.header import Entry, LowRank, read_header
from calculemus.checkpoint.low_rank import Change
from calculemus.checkpoint.reading import OpenFile
from calculemus.errors import CheckpointError
from calculemus.named import suggest
from calculemus.params import digest

HEADS = ("lm_head.weight",)
EMBEDDINGS = ("model.embed_tokens.weight", "transformer.wte.weight", "embed_tokens.weight")


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name.

    Attributes:
        name: What people call it.
        folder: Where its files lie.
        entries: Where each tensor is, in the order of files and bytes.

    Example:
        >>> checkpoint = Checkpoint.open("path/to/model")              # doctest: +SKIP
        >>> checkpoint.read("model.norm.weight").shape                 # doctest: +SKIP
        (4096,)
    """

    name: str
    folder: Path
    entries: Mapping[str, Entry]

    @classmethod
    def open(cls, text: str | Path) -> Self:
        """Open a checkpoint; reads headers only.

        Args:
            text: A file, an index, a folder, or a hub id in the local cache; see ``find_files``.

        Raises:
            CheckpointError: It cannot be read, or its parts contradict each other.
        """
        files = find_files(text)
        entries: dict[str, Entry] = {}
        for shard in files.shards:
            for entry in read_header(shard).entries:
                if entry.name in entries:
                    raise CheckpointError(
                        f"opening the checkpoint {text}: the tensor '{entry.name}' is in "
                        f"{entries[entry.name].path.name} and in {shard.name}; expected it once"
                    )
                entries[entry.name] = entry
        for tensor, shard in (files.named or {}).items():
            if tensor not in entries or entries[tensor].path != shard:
                raise CheckpointError(
                    f"opening the checkpoint {text}: the index names '{tensor}' in {shard.name}, which does "
                    "not have it; expected an index that fits its shards. Fetch both again"
                )
        return cls(str(text), files.folder, entries)

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The Hugging Face configuration beside it; empty where there is none."""
        return read_json(self.folder, "config.json")

    @property
    def is_tied(self) -> bool:
        """Whether its output layer is its table of embeddings."""
        return bool(self.config.get("tie_word_embeddings")) and not any(
            name in self.entries for name in HEADS
        )

    @property
    def n_bytes(self) -> int:
        """Of all tensors."""
        return sum(entry.n_bytes for entry in self.entries.values())

    @property
    def n_parameters(self) -> int:
        """Numbers in all tensors."""
        return sum(entry.n_elements for entry in self.entries.values())

    def entry(self, name: str) -> Entry:
        """Return where a tensor is; the head of a tied model is its embeddings.

        Raises:
            CheckpointError: There is none of that name; near names are suggested.
        """
        found = self.entries.get(name)
        if found is None and name in HEADS and self.is_tied:
            found = next((self.entries[other] for other in EMBEDDINGS if other in self.entries), None)
        if found is None:
            raise CheckpointError(
                f"looking for the tensor '{name}' in {self.name}: there is none; "
                f"{suggest(name, self.entries)}it has {len(self.entries)}"
            )
        return found

    def read(self, name: str) -> NDArray[np.float32]:
        """Return a tensor in float32.

        Raises:
            CheckpointError: There is none of that name, it holds no floating-point numbers, or the file
                ends early.
        """
        entry = self._floating(name)
        runs = list(self.pieces(name, max(1, entry.n_elements)))
        return (runs[0] if runs else np.empty(0, np.float32)).reshape(entry.shape)

    def _floating(self, name: str) -> Entry:
        entry = self.entry(name)
        if not entry.dtype.is_float:
            raise CheckpointError(
                f"reading '{name}' of {self.name}: it holds {entry.dtype.name}; expected floating-point "
                "numbers"
            )
        return entry

    def pieces(self, name: str, most: int = 1 << 18) -> Iterator[NDArray[np.float32]]:
        """Yield a tensor in float32, flat, in runs of at most so many numbers.

        Raises:
            CheckpointError: There is none of that name, it holds no floating-point numbers, or the file ends
                early.
        """
        entry = self._floating(name)
        change = Change(entry.low_rank, _read) if entry.low_rank is not None else None
        with OpenFile(entry.path) as file:
            for start in range(0, entry.n_elements, most):
                size = entry.dtype.n_bytes
                data = file.read(entry.start + start * size, min(most, entry.n_elements - start) * size)
                numbers = to_float32(data, entry.dtype)
                if change is not None:
                    change.add_to(numbers, start)
                yield numbers

    def read_bytes(self, name: str) -> bytes:
        """Return a tensor's bytes, as they stand in the file if no adapter changes it.

        Raises:
            CheckpointError: There is none of that name, or the file ends early.
        """
        entry = self.entry(name)
        return _read(entry) if entry.low_rank is None else from_float32(self.read(name), entry.dtype)

    def digest(self) -> str:
        """Return what names the checkpoint by its content: all tensors, in order of their names."""
        parts = []
        for name in sorted(self.entries):
            entry = self.entries[name]
            parts.append([name, entry.dtype.name, list(entry.shape), hash_entry(entry)])
        return digest(parts)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def _read(entry: Entry) -> bytes:
    """Return a tensor's bytes as they stand in its file."""
    with OpenFile(entry.path) as file:
        return file.read(entry.start, entry.n_bytes)


_PIECE = 1 << 18


def hash_entry(entry: Entry) -> str:
    """Return the BLAKE2 hash of a tensor's bytes and of what changes it, in hexadecimal digits.

    Raises:
        CheckpointError: The file ends early, or cannot be read.
    """
    found = hashlib.blake2b(digest_size=16)
    with OpenFile(entry.path) as file:
        for offset in range(0, entry.n_bytes, _PIECE):
            found.update(file.read(entry.start + offset, min(_PIECE, entry.n_bytes - offset)))
    if entry.low_rank is not None:
        found.update(describe_change(entry.low_rank).encode())
    return found.hexdigest()


def describe_change(change: LowRank) -> str:
    """Return what names a low-rank change by its content."""
    return digest([hash_entry(change.a), hash_entry(change.b), change.scale, change.is_turned])

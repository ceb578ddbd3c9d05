"""What names a checkpoint by its content, from samples of its bytes: quick for any size."""

import hashlib
from itertools import groupby

from calculemus.checkpoint.checkpoint import Checkpoint, describe_change
from calculemus.checkpoint.header import Entry
from calculemus.checkpoint.reading import OpenFile
from calculemus.params import digest

SAMPLES = 8
SAMPLE_BYTES = 512


def fingerprint(checkpoint: Checkpoint) -> str:
    """Return the digest of all names, dtypes and shapes and of a few samples of each tensor's bytes.

    Two checkpoints of the same make that were trained differently have other fingerprints, unless the
    training spared every sample. ``Checkpoint.digest`` reads everything.
    """
    found: dict[str, str] = {}
    for path, entries in groupby(checkpoint.entries.values(), key=lambda entry: entry.path):
        with OpenFile(path) as file:
            found |= {entry.name: _sampled(file, entry) for entry in entries}
    described = [
        [name, checkpoint.entries[name].dtype.name, list(checkpoint.entries[name].shape), found[name]]
        for name in sorted(found)
    ]
    return digest(described)


def _sampled(file: OpenFile, entry: Entry) -> str:
    hashed = hashlib.blake2b(digest_size=16)
    last = max(0, entry.n_bytes - SAMPLE_BYTES)
    for sample in range(SAMPLES if last else 1):
        start = last * sample // (SAMPLES - 1)
        hashed.update(file.read(entry.start + start, min(SAMPLE_BYTES, entry.n_bytes - start)))
    if entry.low_rank is not None:
        hashed.update(describe_change(entry.low_rank).encode())
    return hashed.hexdigest()

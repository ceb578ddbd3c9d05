"""The files of a merged model: laid out before the work, and given their names when all is there."""

import errno
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from calculemus.checkpoint.folder import INDEX, SINGLE, others, read_json
from calculemus.checkpoint.header import write_header
from calculemus.errors import OutputError
from calculemus.files import replacing
from calculemus.merging.journal import NAME, Journal
from calculemus.merging.plan import Plan, Step
from calculemus.params import canonical_json, digest

PART = ".part"
_METADATA = {"format": "pt"}
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CANNOT_RESERVE = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a tensor is to be written.

    Attributes:
        step: The tensor's.
        path: The file, under its name while it is unfinished.
        start: First byte in the file.
    """

    step: Step
    path: Path
    start: int


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that is to be written.

    Attributes:
        path: Its name while it is unfinished.
        head: Its bytes before the first tensor.
        n_bytes: Its size.
        targets: Its tensors.
    """

    path: Path
    head: bytes
    n_bytes: int
    targets: tuple[Target, ...]

    @property
    def final(self) -> Path:
        """Its name when it is finished."""
        return self.path.with_name(self.path.name.removesuffix(PART))

    def is_begun(self) -> bool:
        """Whether it is there, at its full size and with its head, so that tensors in it can be trusted."""
        path = self.path if self.path.exists() else self.final
        if not path.exists() or path.stat().st_size != self.n_bytes:
            return False
        with path.open("rb") as file:
            return file.read(len(self.head)) == self.head

    def begin(self) -> None:
        """Make it at its full size, so that a full disk is met before any work."""
        with self.path.open("wb") as file:
            file.write(self.head)
            file.flush()
            reserve(file.fileno(), self.n_bytes)


def reserve(descriptor: int, n_bytes: int) -> None:
    """Give a file its size, on the disk too where the file system can."""
    try:
        os.posix_fallocate(descriptor, 0, n_bytes)
    except AttributeError:  # a system that cannot reserve
        os.ftruncate(descriptor, n_bytes)
    except OSError as error:
        if error.errno not in _CANNOT_RESERVE:
            raise
        os.ftruncate(descriptor, n_bytes)


def lay_out(plan: Plan, folder: Path, shard_bytes: int) -> list[OutputFile]:
    """Say which tensor goes where."""
    shards = plan.shards(shard_bytes)
    files = []
    for number, steps in enumerate(shards, start=1):
        name = SINGLE if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}.safetensors"
        path = folder / (name + PART)
        head, starts = write_header([step.tensor for step in steps], _METADATA)
        targets = tuple(Target(step, path, starts[step.tensor.name]) for step in steps)
        n_bytes = len(head) + sum(step.tensor.n_bytes for step in steps)
        files.append(OutputFile(path, head, n_bytes, targets))
    return files


def open_journal(plan: Plan, files: Sequence[OutputFile], folder: Path) -> Journal:
    """Make the folder and its files, or find what an earlier merge of the same plan left.

    Raises:
        OutputError: The folder holds a model, another process is at work in it, or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    finished = sorted(path.name for path in folder.glob("*.safetensors"))
    if finished and not (folder / NAME).exists():
        raise _holds_weights(folder, finished[0])
    layout = [[file.path.name, file.n_bytes] for file in files]
    journal = Journal(folder, digest([plan.digest, layout]))
    try:
        targets = [target for file in files for target in file.targets]
        is_whole = journal.is_same and all(target.step.tensor.name in journal.done for target in targets)
        # A merge that was killed while it gave its files their names has finished files, and all tensors.
        if finished and not is_whole:
            raise _holds_weights(folder, finished[0])
        if not journal.is_same or not all(file.is_begun() for file in files):
            journal.restart()
            _begin(files, folder)
    except BaseException:
        journal.close()
        raise
    return journal


def _holds_weights(folder: Path, name: str) -> OutputError:
    return OutputError(
        f"merging into {folder}: it holds {name}; expected a folder without weights. Name another one, or "
        "remove what is there"
    )


def _begin(files: Sequence[OutputFile], folder: Path) -> None:
    """Make all files anew; none is left where one of them cannot be made."""
    for stale in sorted(folder.glob(f"*.safetensors{PART}")):
        stale.unlink()
    try:
        for file in files:
            file.begin()
    except OSError:
        for file in files:
            file.path.unlink(missing_ok=True)
        (folder / NAME).unlink()
        raise


def finish(plan: Plan, files: Sequence[OutputFile], folder: Path) -> None:
    """Give the files their names: first what lies beside the weights, at last the index that joins them."""
    for file in files:
        _to_disk(file.path if file.path.exists() else file.final)
    beside = others(plan.folder)
    for name in (*(source.name for source in beside), INDEX):
        for stale in folder.glob(f".{name}.*.tmp"):  # what a killed process was writing
            stale.unlink()
    for source in beside:
        if not (folder / source.name).exists():
            _copy_beside(plan, source, folder)
    for file in files:
        if file.path.exists():
            file.path.rename(file.final)
    if len(files) > 1:
        named = {t.step.tensor.name: file.final.name for file in files for t in file.targets}
        index = {"metadata": {"total_size": plan.n_bytes_written}, "weight_map": named}
        with replacing(folder / INDEX) as temporary:
            temporary.write_text(canonical_json(index) + "\n", "utf-8")
    with suppress(OSError):  # some file systems take no such wish for folders
        _to_disk(folder)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_beside(plan: Plan, source: Path, folder: Path) -> None:
    """Copy a file from beside the weights; the configuration gets what the plan changes in it."""
    with replacing(folder / source.name) as temporary:
        if source.name == "config.json" and plan.config:
            config = {**read_json(source.parent, source.name), **plan.config}
            temporary.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", "utf-8")
        else:
            temporary.write_bytes(source.read_bytes())


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk raises into an error that says what to do.

    Raises:
        OutputError: In place of another OSError.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        advice = "Make room" if error.errno in _NO_ROOM else "Change that"
        raise OutputError(
            f"merging into {folder}: {error.strerror or error}; expected a disk that takes the merged model. "
            f"{advice}, and run the same merge again: it goes on from here"
        ) from error

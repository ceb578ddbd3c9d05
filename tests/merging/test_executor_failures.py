"""Merges that cannot go on: what is told, what is left, and going on from it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointError, NotConformingError, OutputError
from calculemus.merging.base import TensorMerge
from calculemus.merging.executor import Executor
from calculemus.merging.journal import NAME
from calculemus.merging.linear import Linear
from calculemus.merging.plan import Plan, plan_merge
from calculemus.merging.task_arithmetic import TaskArithmetic
from calculemus.merging.ties import Ties


def plan_of(method: TensorMerge, family: Any) -> Plan:
    return plan_merge(method, family.tuned, family.base if method.needs_base else None)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def one_file(folder: Path, name: str, **tensors: torch.Tensor) -> Checkpoint:
    save_file(tensors, folder / f"{name}.safetensors")
    return Checkpoint.open(folder / f"{name}.safetensors")


def check_nothing_finished(folder: Path) -> None:
    """See that no reader could take what is there for a model."""
    assert not list(folder.glob("*.safetensors"))
    assert not list(folder.glob("*.index.json"))
    with pytest.raises(CheckpointError):
        Checkpoint.open(folder)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_a_number_that_is_none_names_tensor_file_and_place(
    number: float, dtype: torch.dtype, tmp_path: Path
) -> None:
    good = torch.ones(1000, dtype=dtype)
    bad = good.clone()
    bad[777] = number
    models = [one_file(tmp_path, "good", w=good), one_file(tmp_path, "bad", w=bad)]
    with pytest.raises(CheckpointError) as raised:
        Executor(run=256).merge(plan_merge(Linear(), models), tmp_path / "out")
    for part in ("merging 'w'", "number 777", "bad.safetensors", str(np.float32(number)), "leave it out"):
        assert part in str(raised.value)
    check_nothing_finished(tmp_path / "out")


def test_a_result_that_the_dtype_cannot_hold_is_an_error(tmp_path: Path) -> None:
    big = one_file(tmp_path, "big", w=torch.tensor([1.0, 64000.0], dtype=torch.float16))
    plan = plan_merge(Linear(normalize=False), [big], weights=[2])
    with pytest.raises(
        CheckpointError, match=r"number 1 of the merged tensor is 128000; expected numbers that F16"
    ):
        Executor().merge(plan, tmp_path / "out")
    check_nothing_finished(tmp_path / "out")
    Executor().merge(
        plan_merge(Linear(normalize=False), [big], weights=[2], dtype="bfloat16"), tmp_path / "out"
    )
    assert load_file(tmp_path / "out" / "model.safetensors")["w"][0] == 2


def test_a_method_that_returns_another_number_of_numbers_is_named(tmp_path: Path) -> None:
    class Halves(TensorMerge):
        def merge(self, part: Any, found: Any) -> Any:
            return part.inputs[0][::2]

    with pytest.raises(NotConformingError, match="returned 2 numbers for a run of 4"):
        Executor().merge(plan_merge(Halves(), [one_file(tmp_path, "m", w=torch.ones(4))]), tmp_path / "out")


def test_a_folder_with_a_model_is_not_touched(family: Any, tmp_path: Path) -> None:
    plan = plan_of(Linear(), family)
    Executor().merge(plan, tmp_path)
    before = files_of(tmp_path)
    for again in (plan, plan_of(TaskArithmetic(), family)):
        with pytest.raises(OutputError, match=r"holds model\.safetensors; expected a folder without weights"):
            Executor().merge(again, tmp_path)
    assert files_of(tmp_path) == before


def test_a_folder_that_cannot_be_made_is_an_error(family: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="merging into"):
        Executor().merge(plan_of(Linear(), family), tmp_path / "file")


def fail_at(monkeypatch: pytest.MonkeyPatch, name: str, call: int, error: int) -> None:
    """Let a system call fail once, at one of its calls."""
    real: Callable[..., Any] = getattr(os, name)
    calls = iter(range(1_000_000))

    def wrapped(*args: Any) -> Any:
        if next(calls) == call:
            raise OSError(error, os.strerror(error))
        return real(*args)

    monkeypatch.setattr(os, name, wrapped)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("posix_fallocate", 0),
        ("posix_fallocate", 2),
        ("pwrite", 0),
        ("pwrite", 9),
        ("write", 4),
        ("fsync", 1),
    ],
)
def test_a_full_disk_is_told_and_the_merge_goes_on_when_there_is_room(
    name: str, call: int, family: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(Ties(), family)
    executor = Executor(threads=2, shard_bytes=3000)
    executor.merge(plan, tmp_path / "whole")
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        fail_at(patch, name, call, errno.ENOSPC)
        with pytest.raises(
            OutputError, match=r"No space left on device.*Make room, and run the same merge again"
        ):
            executor.merge(plan, out)
    check_nothing_finished(out)
    if name == "posix_fallocate":
        assert not list(out.iterdir())  # what could not be made whole takes no room
    merged = executor.merge(plan, out)
    assert files_of(out) == files_of(tmp_path / "whole")
    assert name not in ("write", "fsync") or merged.n_resumed > 0


def test_a_disk_that_cannot_reserve_room_is_written_all_the_same(
    family: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(Linear(), family)
    Executor().merge(plan, tmp_path / "whole")
    fail_at(monkeypatch, "posix_fallocate", 0, errno.EOPNOTSUPP)
    Executor().merge(plan, tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_short_reads_and_writes_are_gone_on_with(
    family: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(Ties(), family)
    Executor().merge(plan, tmp_path / "whole")
    read, write = os.preadv, os.pwrite
    monkeypatch.setattr(os, "preadv", lambda file, views, place: read(file, [views[0][:333]], place))
    monkeypatch.setattr(os, "pwrite", lambda file, data, place: write(file, data[:111], place))
    Executor().merge(plan, tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_a_file_that_shrinks_or_goes_is_an_error(tmp_path: Path) -> None:
    model = one_file(tmp_path, "m", w=torch.ones(5000))
    plan = plan_merge(Linear(), [model])
    os.truncate(tmp_path / "m.safetensors", 9000)
    with pytest.raises(CheckpointError, match=r"m\.safetensors: it ends at byte 9000; expected \d+ more"):
        Executor(run=256).merge(plan, tmp_path / "out")
    (tmp_path / "m.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"m\.safetensors: No such file"):
        Executor().merge(plan, tmp_path / "out")
    check_nothing_finished(tmp_path / "out")


def interrupted(plan: Plan, folder: Path, n_tensors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a merge behind of which some tensors are written."""
    with monkeypatch.context() as patch:
        fail_at(patch, "write", 1 + n_tensors, errno.EIO)  # the head of the journal is the first one
        with pytest.raises(OutputError):
            Executor(threads=1).merge(plan, folder)


def test_it_goes_on_from_an_interrupted_merge(
    family: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(Ties(), family)
    whole = Executor().merge(plan, tmp_path / "whole")
    interrupted(plan, tmp_path / "out", 5, monkeypatch)
    merged = Executor().merge(plan, tmp_path / "out")
    assert merged.n_resumed == 5
    assert merged.bytes_written < whole.bytes_written
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


@pytest.mark.parametrize(
    "what", ["other plan", "other layout", "file gone", "file cut", "head overwritten", "journal torn"]
)
def test_it_begins_anew_where_what_is_there_cannot_be_trusted(
    what: str, family: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, out = plan_of(Ties(), family), tmp_path / "out"
    Executor().merge(plan, tmp_path / "whole")
    first = plan_of(Ties(density=0.9), family) if what == "other plan" else plan
    if what == "other layout":
        with monkeypatch.context() as patch:
            fail_at(patch, "write", 6, errno.EIO)
            with pytest.raises(OutputError):
                Executor(threads=1, shard_bytes=3000).merge(first, out)
    else:
        interrupted(first, out, 5, monkeypatch)
    part = next(iter(out.glob("*.part")))
    if what == "file gone":
        part.unlink()
    elif what == "file cut":
        os.truncate(part, 2000)
    elif what == "head overwritten":
        with part.open("r+b") as file:
            file.write(b"\x00" * 20)
    elif what == "journal torn":
        (out / NAME).write_text((out / NAME).read_text()[10:])
    assert Executor().merge(plan, out).n_resumed == 0
    assert files_of(out) == files_of(tmp_path / "whole")


def test_half_a_file_of_a_killed_process_is_cleared_away(
    family: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, out = plan_of(Ties(), family), tmp_path / "out"
    Executor(shard_bytes=3000).merge(plan, tmp_path / "whole")
    with monkeypatch.context() as patch:
        fail_at(patch, "fsync", 0, errno.EIO)
        with pytest.raises(OutputError):
            Executor(shard_bytes=3000).merge(plan, out)
    for name in ("config.json", "model.safetensors.index.json"):
        (out / f".{name}.12345.tmp").write_text("{")
    Executor(shard_bytes=3000).merge(plan, out)
    assert files_of(out) == files_of(tmp_path / "whole")

"""Merges whose process is killed, meets a limit, or may take no more memory: in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from calculemus.checkpoint.dtypes import DTYPES
from calculemus.checkpoint.header import NewTensor, write_header

CAP = 64_000_000
"""Bytes of memory that a merge may take above what its imports take."""

# Runs a merge in forks that kill themselves at the n-th call which changes something on the disk.
KILLING = """
import os, signal, sys, json
from pathlib import Path
from calculemus.checkpoint import Checkpoint
from calculemus.merging.dare_ties import DareTies
from calculemus.merging.executor import Executor
from calculemus.merging.plan import plan_merge
folder, share, offset = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
base, *tuned = (Checkpoint.open(path) for path in json.loads(sys.argv[4]))
plan = plan_merge(DareTies(density=0.5), tuned, base, seed=7)
names = ["pwrite", "write", "fsync", "rename", "replace", "ftruncate", "posix_fallocate", "unlink", "open"]
real = {name: getattr(os, name) for name in names}

def merge(out, kill_at=None):
    calls = 0
    def counting(name):
        def call(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return real[name](*args, **kwargs)
        return call
    for name in names:
        setattr(os, name, counting(name))
    Executor(threads=2, run=256, shard_bytes=3000).merge(plan, out)
    return calls

def forked(*args):
    child = os.fork()
    if not child:
        try:
            merge(*args)
        except BaseException:
            import traceback; traceback.print_exc(); os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]

def contents(out):
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}

assert forked(folder / "whole") == 0
whole = contents(folder / "whole")
n_killed, at = 0, 1 + offset
while True:
    out = folder / f"out{at}"
    status = forked(out, at)
    if status == 0:
        break
    assert status == signal.SIGKILL, status
    n_killed += 1
    files = contents(out) if out.exists() else {}
    # What looks finished is finished.
    if "model.safetensors.index.json" in files:
        assert all(files[name] == data for name, data in whole.items())
    # And once more, a little later; a merge that was finished by then is not gone on with.
    assert forked(out, at + 3) == 0 or forked(out) == 0, at
    assert contents(out) == whole, at
    at += share
print(json.dumps(n_killed))
"""


def run(code: str, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stderr
    return done


def folders(family: Any) -> str:
    return json.dumps([str(model.folder) for model in (family.base, *family.tuned)])


@pytest.mark.slow
def test_a_merge_killed_anywhere_goes_on_to_the_same_bytes(family: Any, tmp_path: Path) -> None:
    n_killed = json.loads(run(KILLING, str(tmp_path), "19", "4", folders(family)).stdout)
    assert n_killed > 5


LIMITED = """
import json, resource, sys
from pathlib import Path
from calculemus.checkpoint import Checkpoint
from calculemus.merging.executor import Executor
from calculemus.merging.linear import Linear
from calculemus.merging.plan import plan_merge
models = [Checkpoint.open(path) for path in json.loads(sys.argv[2])]
plan = plan_merge(Linear(), models)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
Executor().merge(plan, Path(sys.argv[1]))
"""


def test_a_limit_on_the_size_of_files_is_told_and_leaves_nothing(family: Any, tmp_path: Path) -> None:
    done = run(LIMITED, str(tmp_path / "out"), folders(family), "5000", check=False)
    assert "OutputError" in done.stderr
    assert "Make room, and run the same merge again" in done.stderr
    assert not list((tmp_path / "out").iterdir())


MEASURING = """
import json, re, sys
from pathlib import Path
import numpy as np
from calculemus.catalog import load, read_catalog
from calculemus.checkpoint import Checkpoint
from calculemus.merging import kernels
from calculemus.merging.executor import Executor
from calculemus.merging.plan import plan_merge
from calculemus.merging.ties import Ties

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024

base, *tuned = (Checkpoint.open(path) for path in json.loads(sys.argv[2]))
cards = [c for c in read_catalog() if c.entry and c.interface == "TensorMerge" and "data-free" in c.tags]
chosen = [Ties(scope="model")] if sys.argv[3] == "ties" else [load(card)() for card in cards]
kernels.are_finite(np.zeros(1, np.float32))  # the compiler is an import, too: it starts with its first loop
before = peak()
found = {}
for number, method in enumerate(chosen):
    models = tuned[: method.most or len(tuned)]
    plan = plan_merge(method, models, base if method.needs_base else None)
    out = Path(sys.argv[1]) / str(number)
    Executor(threads=2).merge(plan, out)
    (out / "model.safetensors").unlink()
    found[type(method).__name__] = peak() - before
assert "torch" not in sys.modules and "transformers" not in sys.modules
print(json.dumps(found))
"""


def write_sparse(path: Path, shapes: dict[str, tuple[int, ...]], number: int) -> int:
    """Write a checkpoint of zeros that takes no room, with a few numbers in it; returns its size."""
    tensors = [NewTensor(name, DTYPES["BF16"], shape) for name, shape in shapes.items()]
    head, starts = write_header(tensors, {})
    n_bytes = sum(tensor.n_bytes for tensor in tensors)
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(head)
        for start in starts.values():
            file.seek(start)
            file.write(bytes([number, 0x3F, 0x80, 0x40 + number]))
        file.truncate(len(head) + n_bytes)
    return n_bytes


def measure(tmp_path: Path, shapes: dict[str, tuple[int, ...]], which: str) -> tuple[int, dict[str, int]]:
    paths = [tmp_path / f"m{n}" / "model.safetensors" for n in range(3)]
    n_bytes = max(write_sparse(path, shapes, n) for n, path in enumerate(paths))
    args = str(tmp_path), json.dumps([str(path) for path in paths]), which
    if which == "all":
        run(MEASURING, *args)  # compiling takes memory, and is kept on disk
    return n_bytes, json.loads(run(MEASURING, *args).stdout)


@pytest.mark.slow
def test_no_method_takes_more_memory_than_the_cap(tmp_path: Path) -> None:
    n_bytes, found = measure(tmp_path, {"a.w": (6000, 4099), "b.w": (9, 9)}, "all")
    assert 2 * n_bytes > 1.4 * CAP  # in float32 one tensor alone would be over it
    assert len(found) > 5
    assert {name: n for name, n in found.items() if n > CAP} == {}


@pytest.mark.slow
def test_a_model_ten_times_larger_than_the_cap_takes_no_more(tmp_path: Path) -> None:
    n_bytes, found = measure(tmp_path, {f"layers.{n}.w": (10_000, 8200) for n in range(4)}, "ties")
    assert n_bytes > 10 * CAP
    assert found["Ties"] < CAP

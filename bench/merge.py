"""Merges of Llama-shaped checkpoints against mergekit 0.1.5: a base and three models of 309 M numbers.

Each merge is a process of its own, on files that are in memory. CPU and wall-clock seconds are given for
the whole command, imports and all, and for the merge alone; the ratios are those of the merge alone. Memory
is the growth of the process's peak above its imports (Linux). The outputs are compared number by number,
except for DARE, whose draws differ: there the sizes of what was added are.

Usage: python bench/merge.py [PYTHON_WITH_MERGEKIT [LAYERS]]
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from _random_checkpoint import write_family
from calculemus.checkpoint import Checkpoint

MODELS = ["base", "a", "b", "c"]
REPEATS = 3

# Ours: what the command does, with the moment of the first byte that is written.
OURS = """
import json, os, re, sys, time
started = float(sys.argv[1])
from pathlib import Path
import numpy as np
from calculemus.catalog import load, read_catalog
from calculemus.checkpoint import Checkpoint
from calculemus.merging import kernels
from calculemus.merging.executor import Executor
from calculemus.merging.plan import plan_merge
card = next(card for card in read_catalog() if card.id == sys.argv[2])
method = load(card).from_params(json.loads(sys.argv[3]))
folder, out = Path(sys.argv[4]), Path(sys.argv[5])
first, write = [], os.pwrite
def pwrite(*args):
    if not first:
        first.append(time.time() - started)
    return write(*args)
os.pwrite = pwrite
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024
kernels.are_finite(np.zeros(1, np.float32))  # the compiler is an import, too
before, wall, cpu = peak(), time.perf_counter(), time.process_time()
base, *tuned = (Checkpoint.open(folder / name) for name in ("base", "a", "b", "c"))
merged = Executor().merge(plan_merge(method, tuned, base if method.needs_base else None), out)
assert not {"torch", "transformers"} & set(sys.modules)
print(json.dumps({
    "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "memory": peak() - before,
    "first": first[0], "bytes": merged.bytes_read + merged.bytes_written,
}))
"""

PEER = """
import json, re, sys, time
import yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import MergeOptions, run_merge
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024
config = MergeConfiguration.model_validate(yaml.safe_load(open(sys.argv[1])))
before, wall, cpu = peak(), time.perf_counter(), time.process_time()
run_merge(config, sys.argv[2], MergeOptions(copy_tokenizer=False, quiet=True))
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps({"wall": wall, "cpu": cpu, "memory": peak() - before}))
"""

# Our settings, and theirs for the same merge.
METHODS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "linear": ({}, {"weight": 1.0}),
    "task_arithmetic": ({"scale": 0.4}, {"weight": 0.4, "normalize": False}),
    "ties": ({"density": 0.2}, {"weight": 1.0, "density": 0.2, "normalize": True}),
    "dare_ties": ({"density": 0.5}, {"weight": 1.0, "density": 0.5, "normalize": True, "rescale": True}),
}


def run(command: list[str]) -> dict[str, float]:
    """Run a process; returns what it printed, and its seconds from start to end."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**json.loads(done.stdout.splitlines()[-1]), "command_wall": wall, "command_cpu": cpu}


def ours(name: str, folder: Path) -> dict[str, float]:
    found = []
    for _ in range(REPEATS):
        shutil.rmtree(folder / f"ours_{name}", ignore_errors=True)
        settings = json.dumps(METHODS[name][0])
        args = [str(time.time()), name, settings, str(folder), str(folder / f"ours_{name}")]
        found.append(run([sys.executable, "-c", OURS, *args]))
    return sorted(found, key=lambda figures: figures["wall"])[REPEATS // 2]


def peer(python: str, name: str, folder: Path) -> dict[str, float]:
    parameters = dict(METHODS[name][1])
    own = {key: parameters.pop(key) for key in ("weight", "density") if key in parameters}
    recipe: dict[str, Any] = {
        "merge_method": name,
        "models": [{"model": str(folder / model), "parameters": own} for model in MODELS[1:]],
        "parameters": parameters,
        "dtype": "bfloat16",
    }
    if name != "linear":
        recipe["base_model"] = str(folder / "base")
    path = folder / f"{name}.yml"
    path.write_text(json.dumps(recipe))  # JSON is YAML
    return run([python, "-c", PEER, str(path), str(folder / f"peer_{name}")])


def check_agreement(name: str, folder: Path) -> None:
    """See that both merged the same: they round differently, and mergekit adds in bfloat16."""
    base, here, there = (Checkpoint.open(folder / f) for f in ("base", f"ours_{name}", f"peer_{name}"))
    tensor = "model.layers.0.mlp.up_proj.weight"
    start, mine, theirs = (model.read(tensor) for model in (base, here, there))
    if name == "dare_ties":
        ratio = np.abs(mine - start).mean() / np.abs(theirs - start).mean()
        assert 0.5 < ratio < 2, f"{name}: task vectors of sizes that differ by {ratio}"
        return
    off = np.sqrt(np.mean((mine - theirs) ** 2) / np.mean((theirs - start) ** 2))
    print(f"{name}: the two differ by {100 * off:.1f} % of what was added to the base (root mean square)")
    assert off < 0.25, f"{name}: both must merge the same"


def copy_bandwidth(folder: Path) -> float:
    """Return the bytes a second, read and written, of copying a model file by file."""
    sources = sorted((folder / "base").glob("*.safetensors"))
    n_bytes = sum(path.stat().st_size for path in sources)
    start = time.perf_counter()
    for path in sources:
        with path.open("rb") as source, (folder / "copy").open("wb") as copy:
            while piece := source.read(1 << 20):
                copy.write(piece)
    os.unlink(folder / "copy")
    return 2 * n_bytes / (time.perf_counter() - start)


def line(who: str, figures: dict[str, float]) -> str:
    text = f"{who} CPU {figures['cpu']:.2f} s, wall {figures['wall']:.2f} s, {figures['memory']:.0f} MB; "
    return text + f"whole command CPU {figures['command_cpu']:.2f} s, wall {figures['command_wall']:.2f} s"


def main(python: str = "", n_layers: int = 16) -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        folder = Path(name)
        n_numbers = write_family(folder, MODELS, n_layers)
        print(f"{n_numbers / 1e6:.0f} M numbers in each of {len(MODELS)} models")
        ratios: dict[str, float] = {}
        for method in METHODS:
            copied = copy_bandwidth(folder)
            here = ours(method, folder)
            print(line(f"{method}: ours", here))
            speed = here["bytes"] / here["wall"] / 1e9
            print(
                f"  {speed:.2f} GB/s, a plain copy {copied / 1e9:.2f}; first byte after {here['first']:.2f} s"
            )
            if python:
                there = peer(python, method, folder)
                print(line("  mergekit", there))
                check_agreement(method, folder)
                ratios[f"{method}, wall"] = there["wall"] / here["wall"]
                ratios[f"{method}, CPU"] = there["cpu"] / here["cpu"]
                shutil.rmtree(folder / f"peer_{method}")
            shutil.rmtree(folder / f"ours_{method}")
    if not python:
        print("mergekit was not measured: name a Python that has mergekit 0.1.5 as the first argument.")
    for what, ratio in ratios.items():
        print(f"{what}:")
        print(f"ratio: {ratio:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))

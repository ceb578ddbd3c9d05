"""Which device and dtype a model runs on, and how much memory its keys and values may take."""

import os
from pathlib import Path

import torch

from calculemus.errors import EngineError, InvalidParameterError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
KV_SHARE = 0.4
"""Share of the free memory that keys and values may take."""
KV_LIMIT_CPU = 4 << 30
"""On a CPU they take no more than this unless told: the machine belongs to others too."""


def choose_dtype(name: str) -> torch.dtype:
    """Return the dtype of a name.

    Raises:
        InvalidParameterError: The name is none of ``float32`` and ``bfloat16``.
    """
    if name not in DTYPES:
        raise InvalidParameterError(
            f"choosing the dtype of a model: found {name!r}; expected one of {', '.join(DTYPES)}"
        )
    return DTYPES[name]


def choose_device(name: str) -> torch.device:
    """Return the device of a name: ``cpu``, ``cuda``, ``cuda:1``, or ``auto`` for CUDA where there is one.

    Raises:
        InvalidParameterError: No such kind of device.
        EngineError: CUDA is asked for and absent.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdecimal()):
        raise InvalidParameterError(
            f"choosing the device of a model: found {name!r}; expected 'cpu', 'cuda', 'cuda:N' or 'auto'"
        )
    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cuda" and int(index or 0) >= n_devices:
        raise EngineError(
            f"choosing the device of a model: {name!r} is asked for, and torch {torch.__version__} finds "
            f"{n_devices} CUDA devices; expected that device. Use 'cpu' or 'auto', or install a CUDA build "
            "of torch and its driver"
        )
    return torch.device(name)


def kv_limit(device: torch.device) -> int:
    """Return how many bytes keys and values may take on a device."""
    if device.type == "cuda":
        return int(KV_SHARE * torch.cuda.mem_get_info(device)[0])
    return min(KV_LIMIT_CPU, int(KV_SHARE * _free_memory()))


def _free_memory() -> int:
    """Return the bytes that this process may still take, by the kernel and by its control group."""
    page = os.sysconf("SC_PAGE_SIZE")
    free = page * os.sysconf("SC_PHYS_PAGES")
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and used.is_file() and limit.read_text().strip().isdecimal():
        free = min(free, int(limit.read_text()) - int(used.read_text()))
    return max(free, 0)

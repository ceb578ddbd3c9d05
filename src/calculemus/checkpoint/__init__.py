"""Checkpoints: tensors in safetensors files, read by range and never whole; and what lies between two."""

from calculemus.checkpoint.adapter import with_adapter
from calculemus.checkpoint.checkpoint import Checkpoint
from calculemus.checkpoint.dtypes import DTYPES, Dtype
from calculemus.checkpoint.header import Entry
from calculemus.checkpoint.patch import Patch, save_patch
from calculemus.checkpoint.task_vector import TaskVector, packed_mask, sign_conflicts

__all__ = [
    "DTYPES",
    "Checkpoint",
    "Dtype",
    "Entry",
    "Patch",
    "TaskVector",
    "packed_mask",
    "save_patch",
    "sign_conflicts",
    "with_adapter",
]

"""TIES against the plain sum of task vectors, each at its best scale."""

from calculemus.merging.contest import claim

CLAIM = claim("trimmed and elected", "task_arithmetic:scale=best", "ties:scale=best")

"""The sum of task vectors at its best scale against the mean of the models."""

from calculemus.merging.contest import claim

CLAIM = claim("a scaled sum against the mean", "linear", "task_arithmetic:scale=best")

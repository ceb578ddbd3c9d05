"""Breadcrumbs against the plain sum of task vectors, each at its best scale."""

from calculemus.merging.contest import claim

CLAIM = claim("without outliers and small numbers", "task_arithmetic:scale=best", "breadcrumbs:scale=best")

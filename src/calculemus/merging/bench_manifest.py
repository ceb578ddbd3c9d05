"""Manifests of a bench: what was measured, by content, and what it came to; enough to measure it again."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from calculemus import __version__
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.files import replacing
from calculemus.merging.bench_panel import Panel, panel_from
from calculemus.merging.mergebench import MergeBench, Row, Skipped
from calculemus.params import digest

_KIND = "calculemus.mergebench"


@dataclass(frozen=True)
class Again:
    """A row, measured again.

    Attributes:
        row: What it came to now.
        was: What the manifest has of it; None where it has no such row.
        is_same: Whether the same problems were solved by the same merge.
    """

    row: Row | Skipped
    was: dict[str, Any] | None
    is_same: bool


def manifest(bench: MergeBench, panel: Panel, rows: Sequence[Row | Skipped]) -> dict[str, Any]:
    """Return a bench as plain values."""
    return {
        "kind": _KIND,
        "version": __version__,
        "bench": bench.params(),
        "panel": dict(panel.source),
        "models": _digests(panel),
        "tasks": _tasks(panel),
        "rows": [row_record(row) for row in rows],
    }


def row_record(row: Row | Skipped) -> dict[str, Any]:
    """Return a row as plain values."""
    if isinstance(row, Skipped):
        return {"name": row.name, "skipped": row.reason}
    return {
        "name": row.name,
        "method": row.method,
        "accuracies": dict(row.accuracies),
        "normalised": asdict(row.normalised),
        "forgetting": asdict(row.forgetting) if row.forgetting else None,
        "cost": row.cost.known(),
        "outcomes": row.outcomes,
    }


def save_manifest(path: Path, found: dict[str, Any]) -> None:
    """Write a manifest.

    Raises:
        OutputError: The file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def read_manifest(path: Path) -> dict[str, Any]:
    """Return a manifest that was saved.

    Raises:
        InvalidParameterError: The file is none.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidParameterError(f"reading the manifest {path}: {error}; expected a JSON file") from error
    if not isinstance(found, dict) or found.get("kind") != _KIND:
        raise InvalidParameterError(
            f"reading the manifest {path}: it is no manifest of merges; expected a file that "
            "'calculemus mergebench --out FILE' wrote"
        )
    return found


def again(found: dict[str, Any], *folders: Path) -> Iterator[Again]:
    """Measure what a manifest has once more; yields each row beside what it was.

    Args:
        found: The manifest.
        folders: More folders with cards of methods.

    Raises:
        CheckpointMismatchError: A model or a task is not what it was.
    """
    panel = panel_from(found["panel"])
    _check_same(found["models"], _digests(panel))
    _check_same(found["tasks"], _tasks(panel))
    before = {row["name"]: row for row in found["rows"]}
    for row in MergeBench.from_params(found["bench"]).rows(panel, *folders):
        was, now = before.get(row.name), row_record(row)
        compared = ("skipped",) if isinstance(row, Skipped) else ("method", "outcomes")
        is_same = was is not None and all(was.get(name) == now.get(name) for name in compared)
        yield Again(row, was, is_same)


def _digests(panel: Panel) -> dict[str, str]:
    named = {f"expert: {task.name}": e for task, e in zip(panel.tasks, panel.experts, strict=True)}
    return {name: model.digest() for name, model in {"base": panel.base, **named}.items()}


def _tasks(panel: Panel) -> dict[str, str]:
    """Return for each task of texts a name by content; tasks of images follow from the panel's source."""
    from calculemus.tuning.text_task import TextTask

    return {
        task.name: digest([[row.prompt, row.completion] for row in (*task.dev, *task.test)])
        for task in (*panel.tasks, *panel.abilities)
        if isinstance(task, TextTask)
    }


def _check_same(before: dict[str, str], now: dict[str, str]) -> None:
    other = [name for name in before if before[name] != now.get(name)]
    if other:
        raise CheckpointMismatchError(
            f"measuring a manifest again: '{other[0]}' and {len(other) - 1} more are not what they were; "
            "expected the same models and problems. Fetch those that the manifest was made with"
        )

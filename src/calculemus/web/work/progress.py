"""What a job has done so far: read from the files that it writes."""

import json
import shlex
from pathlib import Path
from typing import Any

from calculemus.web.work.queue import Job, Queue

TAIL = 64 * 1024
"""Bytes of a job's output that its page shows, from the end."""

_EVENTS = 256 * 1024


def record_of(queue: Queue, job: Job) -> dict[str, Any]:
    """Return all that is known of a job, as JSON-like data."""
    tasks, notes = _events(queue.place(job, "events"))
    return {
        "id": job.id,
        "kind": job.kind,
        "title": job.title,
        "command": shlex.join(("calculemus", *job.arguments)),
        "subject": job.arguments[1] if job.kind == "claim" else None,
        # A stored run is called what a form calls its system; recorded files hold several.
        "runs": [
            each for each in job.arguments[1:] if "@" in each and not each.startswith(("-", "recorded:"))
        ]
        if job.kind == "comparison"
        else [],
        "status": job.status,
        "is_open": job.is_open,
        "is_unwanted": job.is_unwanted,
        "created": job.created,
        "started": job.started,
        "ended": job.ended,
        "code": job.code,
        "reason": job.reason,
        "tasks": tasks,
        "notes": notes,
        "output": _tail(queue.place(job, "stdout")),
        "errors": _tail(queue.place(job, "stderr")),
    }


def _tail(path: Path, most: int = TAIL) -> str:
    """Return the end of a file; what comes before it is said, not shown."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - most))
            text = file.read(most).decode("utf-8", "replace")
    except OSError:
        return ""
    return text if size <= most else f"[{size - most:,} bytes before]\n{text}"


def _events(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the tasks in the order they began, each as it stands, and the notes; half a line is left out."""
    tasks: dict[str, dict[str, Any]] = {}
    notes: list[str] = []
    for line in _tail(path, _EVENTS).splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if not isinstance(told, dict):
            continue
        if "note" in told:
            notes.append(_sound(told["note"]))
        elif "task" in told:
            task = _sound(told["task"])
            tasks[task] = {"task": task, "done": told.get("done"), "total": told.get("total")}
    return list(tasks.values()), notes[-20:]


def _sound(text: object) -> str:
    """Return a text without the halves of characters that names of files may hold: no reply can."""
    return str(text).encode("utf-8", "replace").decode("utf-8")

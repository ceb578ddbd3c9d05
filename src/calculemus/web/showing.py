"""What pages about runs share: texts that can be sent, turning of pages, long texts, a missing store."""

import math
from pathlib import Path
from typing import Any

from calculemus.errors import PageError
from calculemus.study.records import storable as without_surrogates


def storable(value: Any) -> Any:
    """Return JSON-like data that JSON and HTML can hold: no half letters, no figure that is none."""
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, dict):
        return {storable(name): storable(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [storable(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def turning(n: int, start: int, size: int) -> dict[str, Any]:
    """Return where a page of a list begins, and the pages before and after it; None where there is none.

    The first page is written as the empty text, which addresses leave out.
    """
    before = max(0, min(start - size, (n - 1) // size * size))
    return {
        "n": n,
        "start": start,
        "limit": size,
        "before": (before or "") if start > 0 else None,
        "after": start + size if start + size < n else None,
    }


def no_store(path: Path) -> PageError:
    """Return the error of a page that needs a store where there is none yet."""
    return PageError(
        f"reading the store {path}: there is no such file yet; expected one with runs. "
        "Make runs first: calculemus compare cot@tiny direct@tiny --problems generated:level=4,n=50"
    )


def cut(text: str | None, limit: int) -> dict[str, Any]:
    """Return the start of a text, and how many characters are left out."""
    shown = (text or "")[:limit]
    return {"text": shown, "left_out": len(text or "") - len(shown)}

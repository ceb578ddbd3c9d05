"""Results of claims that were measured before: those that come with the package, and the user's."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from calculemus.store import Store

MEASURED = Path(__file__).parent / "measured.json"
"""Results of the claims of this package, written by ``make claims``."""


def read_results(store: Store | None = None) -> dict[str, dict[str, Any]]:
    """Return for each method its result that counts: of the largest size, the newest.

    Args:
        store: The user's, beside the results that come with the package; None for those alone.
    """
    shipped = json.loads(MEASURED.read_text("utf-8")) if MEASURED.is_file() else []
    return newest([*shipped, *(store.claims() if store is not None else [])])


def newest(results: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return for each method the newest of its results, a smoke test only where there is no other."""
    chosen: dict[str, dict[str, Any]] = {}
    for result in results:
        other = chosen.get(result["id"])
        if other is None or _weight(result) >= _weight(other):
            chosen[result["id"]] = dict(result)
    return chosen


def _weight(result: Mapping[str, Any]) -> tuple[bool, str]:
    return result["size"] != "smoke", result["date"]

"""Results and cards to make news of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calculemus.card import Card, CardClaim, CardScope
from calculemus.claims import history
from calculemus.news import gathering


@pytest.fixture(autouse=True)
def nothing_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the results that come with the package: they change with every version."""
    for module in (history, gathering):
        monkeypatch.setattr(module, "MEASURED", tmp_path / "measured.json")


@pytest.fixture
def result() -> Callable[..., dict[str, Any]]:
    """Make a result of a claim."""

    def make(name: str = "vote", verdict: str = "holds", **changed: Any) -> dict[str, Any]:
        effect = {"metric": "accuracy", "baseline": "cot", "treatment": name, "n": 400}
        effect |= {"delta": 0.125, "low": -0.5, "high": 0.75}
        made = {
            "id": name,
            "title": f"About {name}",
            "claim": "Many are better than one.",
            "verdict": verdict,
        }
        made |= {
            "size": "small",
            "model": "tiny",
            "version": "1.0",
            "date": "2026-11-01",
            "effects": [effect],
        }
        return made | changed

    return make


@pytest.fixture
def card() -> Callable[..., Card]:
    """Make a card."""

    def make(name: str = "vote", **changed: Any) -> Card:
        claim = CardClaim("Many are better than one.", "cot", name, "accuracy", "higher")
        fixed: dict[str, Any] = {"room": "solving", "interface": "Solver", "scope": CardScope("a", "b")}
        fixed |= {"title": f"About {name}", "date": "2024-05-30", "authors": 2, "summary": "It votes."}
        return Card(id=name, claim=claim, **(fixed | changed))

    return make

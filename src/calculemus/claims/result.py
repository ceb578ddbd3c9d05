"""What a claim came to, and how it is written down."""

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import calculemus
from calculemus.card import Card
from calculemus.claim import Size
from calculemus.claims.judge import Effect, Verdict

_PACKAGES = ("numpy", "scipy", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """The result of one claim.

    Attributes:
        card: Of the method.
        size: Of the experiment.
        seeds: That it was measured with.
        model: What solvers ran on.
        effects: The claim itself, then what is shown beside it.
        control: The contrast in which it must not hold.
    """

    card: Card
    size: Size
    seeds: tuple[int, ...]
    model: str
    effects: tuple[Effect, ...]
    control: Effect

    @property
    def is_valid(self) -> bool:
        """Whether the control came out as it must."""
        return self.control.verdict == "undecided"

    @property
    def verdict(self) -> Verdict:
        """Of the claim itself; undecided where the control did not come out as it must."""
        return self.effects[0].verdict if self.is_valid else "undecided"


def result_record(result: ClaimResult) -> dict[str, Any]:
    """Return a result as JSON-like data, with what it was made on and when."""
    card = result.card
    return {
        "id": card.id,
        "room": card.room,
        "title": card.title,
        "claim": card.claim.text,
        "reported": card.claim.reported,
        "verdict": result.verdict,
        "size": result.size,
        "seeds": list(result.seeds),
        "model": result.model,
        "effects": [_effect_record(effect) for effect in result.effects],
        "control": _effect_record(result.control),
        "shows": card.scope.shows,
        "does_not_show": card.scope.does_not_show,
        **surroundings(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _effect_record(effect: Effect) -> dict[str, Any]:
    contrast, difference = effect.contrast, effect.difference
    return {
        **asdict(contrast),
        "baseline_figure": effect.baseline,
        "treatment_figure": effect.treatment,
        "delta": difference.delta,
        "low": difference.low,
        "high": difference.high,
        "p_value": difference.p_value,
        "n": difference.n,
        "n_seeds": effect.n_seeds,
        "method": difference.method,
        "verdict": effect.verdict,
        "baseline_cost": effect.baseline_cost.known(),
        "treatment_cost": effect.treatment_cost.known(),
    }


@cache
def surroundings() -> Mapping[str, Any]:
    """Return the versions and the machine that a result was made with."""
    return {
        "version": calculemus.__version__,
        "commit": _commit(),
        "versions": {"python": platform.python_version()} | _versions(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _commit() -> str | None:
    """Return the commit that the code stands at; None where it is installed without its repository."""
    root = Path(__file__).parents[3]
    if not (root / ".git").exists():
        return None
    asked = ("git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty")
    try:
        found = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()

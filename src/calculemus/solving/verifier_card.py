"""The card of a verifier: what it was made from, and what it is worth, beside its weights."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calculemus.files import replacing
from calculemus.solving.attempting import Attempt
from calculemus.solving.verifier_figures import Figures

_TEXT = """# A verifier of `{model}`

A copy of the model with a value head: behind every token of a solution it says how likely the solution is to
end right{scale}. It knows problems like those it was trained on, and this model's own solutions.

It learned from {n_solutions} different solutions ({n_samples} samples) of {n_problems} problems, of which
{share} were right. `recipe.json` has every setting.

On {held_out} problems that it did not learn from, {n} samples each:

{table}

AUC is the chance that a right solution has a higher value than a wrong one; "within" takes solutions of one
problem alone. A Brier score is a mean squared error; that of a constant is {constant}. By quarters of the
solutions it is {quarters}.

| of {n} samples | share of problems |
| --- | --- |
| one at random | {mean} |
| one of the different ones at random | {coin} |
| the most frequent answer | {vote} |
| the highest value | {best} |
| any is right | {any} |
"""


def write_card(
    folder: Path,
    model: str,
    recipe: Mapping[str, Any],
    known: Sequence[Sequence[Attempt]],
    found: Figures,
    losses: Sequence[float],
) -> None:
    """Write ``README.md``, and ``recipe.json`` and ``evaluation.json`` for machines.

    Args:
        folder: The verifier's.
        model: Name of the model that it verifies.
        recipe: Its settings.
        known: What it learned from, by problem.
        found: What it is worth.
        losses: Of each step.
    """
    flat = [each for some in known for each in some]
    n_samples = sum(each.count for each in flat)
    n_right = sum(each.count * each.is_correct for each in flat)
    text = _TEXT.format(
        model=model,
        scale=", on a scale from -1 to 1" if recipe.get("labels") == "td" else "",
        n_solutions=f"{len(flat):,}",
        n_samples=f"{n_samples:,}",
        n_problems=f"{len(known):,}",
        share=_percent(n_right / n_samples),
        held_out=found.n_problems,
        n=found.n_samples,
        table=_table(found),
        constant=f"{found.mean * (1 - found.mean):.3f}",
        quarters=", ".join(f"{value:.3f}" for value in found.brier_quarters),
        **{name: _percent(getattr(found, name)) for name in ("mean", "coin", "vote", "best", "any")},
    )
    _write(folder / "README.md", text)
    _write(folder / "recipe.json", _json({**recipe, "problems": len(known), "solutions": len(flat)}))
    _write(folder / "evaluation.json", _json({**facts(found), "losses": [round(loss, 4) for loss in losses]}))


def facts(found: Figures) -> dict[str, Any]:
    """Return figures as JSON-like data."""
    names = ("n_problems", "n_samples", "mean", "coin", "vote", "best", "any")
    at = {
        f"{share:g}": {"auc": each.auc, "within": each.within, "brier": each.brier}
        for share, each in found.at.items()
    }
    plain = {name: getattr(found, name) for name in names}
    return {**plain, "at": at, "brier_quarters": list(found.brier_quarters)}


def _table(found: Figures) -> str:
    lines = ["| behind | AUC | within | Brier |", "| --- | --- | --- | --- |"]
    for share, each in found.at.items():
        lines.append(f"| {share:.0%} | {_figure(each.auc)} | {_figure(each.within)} | {each.brier:.3f} |")
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=1) + "\n"


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")

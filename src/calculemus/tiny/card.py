"""The model card, written from what training and evaluation left in the model's folder."""

import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

from calculemus.files import replacing
from calculemus.stats.estimate import Estimate
from calculemus.tiny.text import MODES


def write(folder: Path) -> None:
    """Write ``README.md`` in a model's folder from the files beside it."""
    recipe = json.loads((folder / "recipe.json").read_text("utf-8"))
    figures = json.loads((folder / "evaluation.json").read_text("utf-8"))
    last = _rows(folder / "training.jsonl")[-1]
    grid = folder / "grid.jsonl"
    text = _template("card.md").format(
        millions=f"{recipe['parameters'] / 1e6:.2f}",
        layers=recipe["size"]["n_layers"],
        width=recipe["size"]["d_model"],
        per_level=recipe["split"]["per_level"],
        levels=_listed(recipe["split"]["levels"]),
        split=recipe["split"]["split"],
        split_seed=recipe["split"]["seed"],
        evaluation=_evaluation(figures),
        seed=recipe["seed"],
        phases=_phases(recipe["phases"]),
        steps=recipe["recipe"]["steps"],
        rows=recipe["recipe"]["rows"],
        examples=f"{last['examples']:,}",
        tokens=f"{last['tokens']:,}",
        minutes=round(last["seconds"] / 60),
        machine=recipe["machine"],
        grid=_sizes(_rows(grid)) if grid.exists() else "",
    )
    with replacing(folder / "README.md") as temporary:
        temporary.write_text(text, "utf-8")


def _template(name: str) -> str:
    return (files(__package__ or "") / name).read_text("utf-8")


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _evaluation(figures: dict[str, dict[str, Any]]) -> str:
    rows = [
        [steps, *(str(Estimate(**figures[mode][steps])) for mode in MODES)] for steps in figures[MODES[0]]
    ]
    return _table(["steps", "worked solution", "program"], rows)


def _phases(phases: list[tuple[int | None, dict[str, Any]]]) -> str:
    rows = []
    start = 1
    for until, mixture in phases:
        shares = [_listed(mixture["levels"]), _listed(mixture["weights"])]
        rows.append([str(start), *shares, f"{mixture['programs']:g}", f"{mixture['drills']:g}"])
        start = (until or 0) + 1
    return _table(["from step", "levels", "in shares", "programs", "drills"], rows)


def _sizes(rows: list[dict[str, Any]]) -> str:
    columns = list(rows[0]["accuracy"][MODES[0]])
    head = ["size", "parameters", "seconds", "mode", "all", *(f"{steps} steps" for steps in columns[1:])]
    table = []
    for row in rows:
        for mode in MODES:
            shares = [f"{100 * row['accuracy'][mode][column]['value']:.0f}" for column in columns]
            table.append([row["size"], f"{row['parameters']:,}", f"{row['seconds']:.0f}", mode, *shares])
    return _template("sizes.md").format(
        examples=f"{rows[0]['examples']:,}", tokens=f"{rows[0]['tokens']:,}", table=_table(head, table)
    )

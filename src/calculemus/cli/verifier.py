"""``calculemus verifier``: models that say how a solution will end."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from calculemus.engine.opening import TINY

if TYPE_CHECKING:
    from calculemus.problem import Problem
    from calculemus.solving.verifier_figures import Figures

app = App(name="verifier", help="Train verifiers: models that say how a solution will end.")

_AtLeastOne = Parameter(validator=Number(gte=1))
_Positive = Parameter(validator=Number(gt=0))


@app.command
def train(
    *,
    out: Path,
    model: str = TINY,
    problems: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    labels: Literal["outcome", "token", "td", "selfeval"] = "outcome",
    n: Annotated[int | None, _AtLeastOne] = None,
    temperature: Annotated[float | None, _Positive] = None,
    epochs: Annotated[float | None, _Positive] = None,
    limit: Annotated[int | None, _AtLeastOne] = None,
    seed: int = 0,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Train a verifier of a local model on its own graded solutions, and say what it is worth.

    It is used as MODEL+DIR wherever a model is named: calculemus compare ovm@tiny+DIR.

    Args:
        out: A new folder for the verifier: a model with a value head, and a card.
        model: tiny, a relative of it, or a model folder.
        problems: Problem sets to sample solutions of; without them generated ones.
        labels: outcome (does it end right), token (how many samples that begin so do), td (temporal
            differences behind each step), or selfeval: the model itself learns to say whether to start over.
        n: Samples a problem.
        temperature: Of sampling.
        epochs: How often the solutions are gone through.
        limit: Take only this many problems of each set.
        seed: Of sampling and training.
        as_json: Print JSON.
    """
    from dataclasses import replace

    from calculemus.cli.output import print_json
    from calculemus.engine.opening import EngineOptions, model_source, open_engine
    from calculemus.solving.opening import check_local
    from calculemus.solving.self_evaluators import SelfRecipe, train_self_evaluator
    from calculemus.solving.verifier_card import facts
    from calculemus.solving.verifiers import Recipe, train_verifier

    check_local(model)
    _check_folder(out)
    given = {"n": n, "temperature": temperature, "epochs": epochs, "seed": seed}
    changed = {name: value for name, value in given.items() if value is not None}
    chosen = _problems(problems, limit)
    folder = Path(model_source(model))
    engine = open_engine(model, EngineOptions())
    try:
        if labels == "selfeval":
            found = train_self_evaluator(engine, folder, chosen, replace(SelfRecipe(), **changed), out)
        else:
            recipe = replace(Recipe(labels=labels), **changed)
            found = train_verifier(engine, folder, chosen, recipe, out)
    finally:
        engine.close()
    if as_json:
        print_json({"folder": str(out), **facts(found)})
    else:
        _print(found, out)


def _check_folder(out: Path) -> None:
    """Refuse a folder that has something in it, before the work."""
    from calculemus.errors import OutputError

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(
            f"training a verifier: '{out}' is there already; expected a new folder. Name another"
        )


def _problems(names: "list[str] | None", limit: int | None) -> "list[Problem]":
    from calculemus.problems import load
    from calculemus.solving.kept_verifiers import on_demand_problems

    if not names:
        return on_demand_problems()[:limit]
    return [problem for name in names for problem in load(name, limit=limit)]


def _print(found: "Figures", out: Path) -> None:
    from calculemus.cli.output import print_named_rows, print_text

    rows = [
        ["-" if figure is None else f"{figure:.3f}" for figure in (each.auc, each.within, each.brier)]
        for each in found.at.values()
    ]
    names = [f"{share:.0%} of a solution" for share in found.at]
    print_named_rows("behind", names, ["AUC", "within a problem", "Brier"], rows)
    print_text(
        f"\n{out}: on {found.n_problems} problems that it did not learn from, of {found.n_samples} samples "
        f"each: one at random is right in {100 * found.mean:.1f} % of them, the most frequent answer in "
        f"{100 * found.vote:.1f} %, the one of highest value in {100 * found.best:.1f} %, any in "
        f"{100 * found.any:.1f} %"
    )

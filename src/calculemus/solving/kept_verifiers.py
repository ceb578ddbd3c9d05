"""Verifiers of local models that are made when first asked for, and kept by the content of what made them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from calculemus.errors import InvalidParameterError
from calculemus.events import note
from calculemus.files import replacing
from calculemus.params import digest
from calculemus.problem import Problem
from calculemus.problems import load
from calculemus.solving.attempting import Attempt, Sampled
from calculemus.solving.self_evaluation import question_of
from calculemus.solving.self_evaluators import SelfRecipe, fit_self_evaluator, question_ids
from calculemus.solving.verifiers import Recipe, fit_and_write

VERSION = 1
"""Raised when the same settings would make another verifier."""
KINDS: dict[str, Recipe] = {
    "ovm": Recipe(labels="outcome", deeper=3),
    "tvm": Recipe(labels="token", deeper=3),
    "td": Recipe(labels="td", deeper=3),
}
"""Recipes by the name that follows a model's, as in ``tiny+ovm``. They learn from the same solutions.

With new layers a small model's verifier tells right from wrong better than a copy of it alone: on the shipped
model, solutions of levels 3 and 4, an area under the curve of 0.81 to 0.83 against 0.78.
"""
SELF, SELF_RECIPE = "selfeval", SelfRecipe()
"""The name of a copy that judges itself, as in ``tiny+selfeval``, and its recipe."""
ON_DEMAND = tuple(f"generated:level={level},n=1000,split=train,seed=101" for level in (3, 4))
"""What they learn from: no other split of the generator has any of these problems. The shipped model is right
in 82 and 54 % of its samples there; harder problems it almost never solves."""
_SAMPLES, _FACTS = "samples.jsonl", "model.json"


def verifier_of(model: Path | str, kind: str, cache: Path | None = None) -> Path:
    """Return the folder of a model's verifier; make it first where the cache has none, which takes minutes.

    Args:
        model: The folder of a local model.
        kind: One of ``KINDS``.
        cache: Where verifiers are kept; the user's cache folder if not given.

    Raises:
        InvalidParameterError: No verifier of that name.
        EngineError: The model cannot be opened.
    """
    check_kind(kind)
    recipe = KINDS[kind]

    def make(folder: Path, samples: Path) -> None:
        told = json.loads((samples / _FACTS).read_text("utf-8"))
        attempts = read_attempts(samples / _SAMPLES)
        fit_and_write(attempts, Path(model), recipe, folder, told["tokenizer"], told["name"])

    return _kept(kind, Path(model), recipe, make, cache)


def self_evaluator_of(model: Path | str, cache: Path | None = None) -> Path:
    """Return the folder of a copy of a model that judges what it writes; make it first where there is none.

    Args:
        model: The folder of a local model.
        cache: Where copies are kept; the user's cache folder if not given.

    Raises:
        InvalidParameterError: The model has no single tokens for the answers of its question.
        EngineError: The model cannot be opened.
    """
    from calculemus.engine.torch_engine.wishes import read_wishes  # torch: only where something is trained

    question = question_of(read_wishes(Path(model)).get("prompts"))
    question_ids(Path(model), question)

    def make(folder: Path, samples: Path) -> None:
        told = json.loads((samples / _FACTS).read_text("utf-8"))
        attempts = read_attempts(samples / _SAMPLES)
        fit_self_evaluator(attempts, Path(model), question, SELF_RECIPE, folder, told["name"])

    return _kept(SELF, Path(model), SELF_RECIPE, make, cache)


def _kept(
    kind: str,
    model: Path,
    recipe: Sampled,
    make: Callable[[Path, Path], None],
    cache: Path | None,
) -> Path:
    """Return what a recipe makes of a model and its samples, which all recipes with equal sampling share."""
    from calculemus.tiny.kept import kept
    from calculemus.tuning.copying import folder_digest  # torch: only where something is trained

    sampled = digest([VERSION, folder_digest(model), *ON_DEMAND, *_sampling(recipe)])
    made = digest([sampled, recipe.params()])

    def make_all(folder: Path) -> None:
        note(f"training '{kind}' for the model '{model}'; this takes minutes, and is done once")
        samples = kept(f"samples-{sampled[:16]}", lambda place: _sample(model, recipe, place), cache)
        make(folder, samples)

    return kept(f"{kind}-{made[:16]}", make_all, cache)


def check_kind(kind: str) -> None:
    """Refuse a name that no verifier has.

    Raises:
        InvalidParameterError: It has none.
    """
    if kind not in KINDS:
        raise InvalidParameterError(
            f"making a verifier: there is none named '{kind}'; expected one of {', '.join(KINDS)}, or a "
            "folder that 'calculemus verifier train' has written"
        )


def _sampling(recipe: Sampled) -> list[float]:
    return [recipe.n, recipe.temperature, recipe.max_tokens, recipe.seed]


def _sample(model: Path, recipe: Sampled, folder: Path) -> None:
    """Sample the solutions that all kinds learn from."""
    from calculemus.engine.torch_engine import TorchEngine  # torch: only where something is trained

    engine = TorchEngine(model)
    try:
        write_attempts(recipe.attempts(engine, on_demand_problems()), folder / _SAMPLES)
        told = {"tokenizer": engine.tokenizer_digest, "name": model.name}
        with replacing(folder / _FACTS) as temporary:
            temporary.write_text(json.dumps(told), "utf-8")
    finally:
        engine.close()


def on_demand_problems() -> list[Problem]:
    """Return the problems of all sets, mixed, so that the share that is held out has some of each."""
    sets = [list(load(name)) for name in ON_DEMAND]
    return list(chain.from_iterable(zip(*sets, strict=True)))


def write_attempts(attempts: Sequence[Sequence[Attempt]], path: Path) -> None:
    """Write solutions as JSON, a problem a line."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for some in attempts:
            file.write(json.dumps([asdict(each) for each in some], separators=(",", ":")) + "\n")


def read_attempts(path: Path) -> list[list[Attempt]]:
    """Return the solutions that ``write_attempts`` wrote."""
    lines = path.read_text("utf-8").splitlines()
    return [[Attempt(**{**each, "ids": tuple(each["ids"])}) for each in json.loads(line)] for line in lines]

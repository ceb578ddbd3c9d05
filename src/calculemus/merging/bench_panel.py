"""What merges are benched on: a base, experts made from it, their tasks, and abilities of the base."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError, InvalidParameterError

if TYPE_CHECKING:
    from torch import nn

    from calculemus.merging.contest import Family
    from calculemus.tiny.arith_family import ArithRecipe
    from calculemus.tiny.digit_family import DigitRecipe
    from calculemus.tuning.tasks import Task
    from calculemus.tuning.text_task import TextTask

KINDS = ("tiny", "arith", "digits")
_EXPERTS: Mapping[str, dict[str, Any]] = {
    "additive": {"ops": "add+sub"},
    "multiplicative": {"ops": "mul+div+share+rate"},
    "programs": {"programs": 1.0},
    "calculese": {"language": "calculese"},
}
_LEVELS = (2, 3, 4)  # those that the experts learned
_DEV, _TEST = 20, 60  # problems of each level


@dataclass(frozen=True)
class Panel:
    """Models and what they are measured on.

    Attributes:
        source: What made it, as plain values: enough to make it again.
        base: What the experts were made from.
        experts: One for each task.
        tasks: One for each expert.
        abilities: Of the base, which a merge may forget; none where nothing is to be said of that.
        make: Returns a module with the weights of a checkpoint.
    """

    source: Mapping[str, Any]
    base: Checkpoint
    experts: Sequence[Checkpoint]
    tasks: Sequence["Task"]
    abilities: Sequence["Task"]
    make: Callable[[Checkpoint], "nn.Module"]

    def __post_init__(self) -> None:
        if len(self.experts) != len(self.tasks) or len(self.experts) < 2:
            raise InvalidParameterError(
                f"benching merges: there are {len(self.experts)} experts and {len(self.tasks)} tasks; "
                "expected two experts or more, and a task for each. Name one task for each expert"
            )
        names = [task.name for task in (*self.tasks, *self.abilities)]
        if len(set(names)) < len(names):
            raise InvalidParameterError(
                f"benching merges: the tasks are {', '.join(names)}; expected different ones"
            )

    @cached_property
    def _module(self) -> "nn.Module":
        return self.make(self.base)

    def model(self, checkpoint: Checkpoint | None = None) -> "nn.Module":
        """Return a module with the weights of a checkpoint; the base's, always the same one, if not given."""
        return self._module if checkpoint is None else self.make(checkpoint)


def panel_from(source: Mapping[str, Any]) -> Panel:
    """Return the panel that a manifest's source describes; models that are trained come from the cache.

    Raises:
        InvalidParameterError: It describes none.
    """
    kind = source.get("kind")
    if kind == "arith":
        from calculemus.tiny.arith_family import ArithRecipe

        return arith_panel(ArithRecipe.from_params(source["recipe"]))
    if kind == "digits":
        from calculemus.tiny.digit_family import DigitRecipe

        return digit_panel(DigitRecipe.from_params(source["recipe"]))
    if kind == "tiny":
        return tiny_panel(source["dev"], source["test"])
    if kind == "checkpoints":
        given = {name: value for name, value in source.items() if name != "kind"}
        return checkpoint_panel(**given)
    raise InvalidParameterError(
        f"making a panel of '{kind}': there is none; expected one of {', '.join(KINDS)}, or checkpoints"
    )


def _of_family(source: Mapping[str, Any], family: "Family", abilities: Sequence["Task"]) -> Panel:
    return Panel(source, family.base, family.experts, family.tasks, abilities, family.model)


def arith_panel(recipe: "ArithRecipe | None" = None) -> Panel:
    """Return small models of sums; the abilities are what the base learned and no expert did."""
    from calculemus.tiny.arith_family import arith_family, skill

    family = arith_family(recipe)
    learned = {part for text in family.recipe.experts for part in text.partition("@")[0].split("+")}
    abilities = [skill(text) for text in family.recipe.base if text not in learned]
    return _of_family({"kind": "arith", "recipe": family.recipe.params()}, family, abilities)


def digit_panel(recipe: "DigitRecipe | None" = None) -> Panel:
    """Return small readers of digits; each domain has an expert, so that nothing else can be forgotten."""
    from calculemus.tiny.digit_family import digit_family

    family = digit_family(recipe)
    return _of_family({"kind": "digits", "recipe": family.recipe.params()}, family, [])


def tiny_panel(dev: int = _DEV, test: int = _TEST) -> Panel:
    """Return the model that ships with experts made from it, a minute or a few each where none are cached.

    Tasks are generated problems with the worked solution, or the program, as the one right completion. The
    ability is what the model was made for: worked solutions with all operations.

    Args:
        dev: Problems of each level to choose settings by.
        test: Problems of each level to measure with.
    """
    from calculemus.tiny import MODEL, relative
    from calculemus.tiny.arith_family import load
    from calculemus.tiny.reading import read_tokenizer

    tokenizer = read_tokenizer(MODEL)
    tasks = [_generated(name, mixture, tokenizer, dev, test) for name, mixture in _EXPERTS.items()]
    experts = [Checkpoint.open(relative(name)) for name in _EXPERTS]
    ability = _generated("all operations", {"seed": 1}, tokenizer, dev, test)
    source = {"kind": "tiny", "dev": dev, "test": test}
    return Panel(source, Checkpoint.open(MODEL), experts, tasks, [ability], load)


def _generated(name: str, mixture: dict[str, Any], tokenizer: Any, dev: int, test: int) -> "TextTask":
    """Return a task of problems that no training has seen."""
    from calculemus.tiny.data import Mixture
    from calculemus.tiny.text import Mode, completion, prompt
    from calculemus.tuning.text_task import Row, TextTask

    sources = Mixture(levels=_LEVELS, weights=(1.0,) * len(_LEVELS), split="iid", **mixture).sources()
    mode: Mode = "program" if mixture.get("programs") else "worked"

    def rows(start: int, stop: int) -> list[Row]:
        items = [source[index] for source in sources for index in range(start, stop)]
        return [Row(prompt(item.question, mode), completion(item, mode)) for item in items]

    chosen_by = rows(test, test + dev)
    return TextTask(name, chosen_by, chosen_by, rows(0, test), tokenizer)


def checkpoint_panel(
    base: str,
    models: Sequence[str],
    tasks: Sequence[str],
    abilities: Sequence[str] = (),
    data: str | None = None,
    limit: int | None = None,
) -> Panel:
    """Return a user's own causal language models, measured on problem sets by the answers they find.

    Args:
        base: A folder, or a hub id in the local cache.
        models: The experts, likewise.
        tasks: For each expert the name of a problem set; see ``problems.load``.
        abilities: Problem sets of the base's abilities.
        data: Folder of named problem sets.
        limit: Problems of each set.

    Raises:
        CheckpointError: A model cannot be read.
        CheckpointMismatchError: An expert was trained with another chat template than the base has.
    """
    from calculemus.problems import load as load_problems
    from calculemus.tiny.arith_family import load
    from calculemus.tiny.reading import read_tokenizer
    from calculemus.tuning.answer_task import answer_task

    opened, experts = Checkpoint.open(base), [Checkpoint.open(model) for model in models]
    tokenizer = read_tokenizer(opened.folder)
    for expert in experts:
        _check_template(tokenizer, read_tokenizer(expert.folder), expert)

    def made(name: str) -> "Task":
        problems = load_problems(name, data=Path(data) if data else None, limit=limit)
        return answer_task(name, list(problems), tokenizer)

    source = {
        "kind": "checkpoints",
        "base": base,
        "models": list(models),
        "tasks": list(tasks),
        "abilities": list(abilities),
        "data": data,
        "limit": limit,
    }
    return Panel(source, opened, experts, list(map(made, tasks)), list(map(made, abilities)), load)


def _check_template(base: Any, other: Any, expert: Checkpoint) -> None:
    """See that one prompt fits all models."""
    if getattr(base, "chat_template", None) != getattr(other, "chat_template", None):
        raise CheckpointMismatchError(
            f"benching merges: {expert.name} has another chat template than the base; expected the same, "
            "since one prompt is to fit them all and what is made of them. Give the base the template that "
            "the experts were trained with"
        )

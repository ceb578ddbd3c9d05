"""``calculemus merge``: models into one, by a recipe, a configuration of mergekit's, or a method's flags."""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Group, Parameter
from cyclopts.validators import Number

from calculemus.cli.catalog import Folders

if TYPE_CHECKING:
    from calculemus.merging.finding import Found
    from calculemus.merging.preparing import Prepared
    from calculemus.merging.recipe import MergeRecipe

_METHOD = Group("Settings of the method")

app = App(name="merge", help_flags=(), version_flags=())


@Parameter(name="*")
@dataclass(frozen=True)
class MergeFlags:
    """Where a merge goes, and how it is done.

    Attributes:
        out: Folder of the merged model; by default the recipe's or the method's name with '-merged'.
        problems: Measure the merged model on this problem set, and its parents too where they are small.
        data: The folder of named problem sets; by default CALCULEMUS_DATA, then the hub.
        store: The results store of what is measured; by default that of 'calculemus compare'.
        threads: Tensors at work at once.
        seed: Of the method's draws.
        dtype: Of the merged model, for example bfloat16; by default the base's.
        precision: What the merge is computed in: float32, or float64.
        tokenizer: Whose vocabulary the merged model gets: base, union, or one of the models.
        unchecked: Merge even if the check finds errors.
        path: A folder with cards of your own methods, or a card.
        as_json: Print JSON.
    """

    out: Path | None = None
    problems: Annotated[str | None, Parameter(name="--eval")] = None
    data: Path | None = None
    store: Path | None = None
    threads: Annotated[int | None, Parameter(validator=Number(gte=1))] = None
    seed: int | None = None
    dtype: str | None = None
    precision: str | None = None
    tokenizer: str | None = None
    unchecked: Annotated[bool, Parameter(negative=())] = False
    path: Folders = ()
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False


NO_FLAGS = MergeFlags()


@app.default
def merge(*tokens: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
    """Merge models: RECIPE.toml, a mergekit.yml, or a method's id with flags.

    Args:
        tokens: The recipe or the method, and its flags.
    """
    method = _method(tokens) if tokens and not tokens[0].startswith("-") else None
    command = _recipe_app() if method is None else _method_app(method)
    command(tokens if method is None else tokens[1:], exit_on_error=False, print_error=False)


def _method(tokens: Sequence[str]) -> "Found | None":
    """Return the method that the first word names; None where it names a file."""
    from calculemus.errors import InvalidParameterError
    from calculemus.merging.finding import get_merge

    if Path(tokens[0]).suffix:
        return None
    try:
        return get_merge(tokens[0], *_folders(tokens))
    except InvalidParameterError as error:
        raise InvalidParameterError(
            f"{error}. A recipe is a file that ends in .toml, .yml or .yaml"
        ) from error


def _folders(tokens: Sequence[str]) -> list[Path]:
    """Return what ``--path`` names: the flags are known only once the method is found."""
    spread = [part for token in tokens for part in re.split(r"(?<=^--path)=", token)]
    return [Path(after) for flag, after in pairwise(spread) if flag == "--path"]


def _app(name: str, summary: str | None = None) -> App:
    return App(
        name=name,
        help=summary,
        help_flags=("--help", "-h"),
        version_flags=(),
        default_parameter=Parameter(negative_iterable=()),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )


def _recipe_app() -> App:
    command = _app("calculemus merge")
    command.default(by_recipe)
    return command


def _method_app(found: "Found") -> App:
    summary = f"Merge models by {found.card.title}. {found.card.summary}"
    command = _app(f"calculemus merge {found.card.id}", summary)
    command.default(_by_method(found))
    return command


def by_recipe(recipe: Path, /, *, flags: MergeFlags = NO_FLAGS) -> None:
    """Merge models by a recipe, or by the id of a method with flags.

    A recipe is a TOML file (RECIPE.toml) or a configuration of mergekit's (FILE.yml). With a method it is,
    for example: calculemus merge ties --base A --model B --model C --density 0.5 --out D; its flags are shown
    by calculemus merge ties --help. A merge that was interrupted goes on when it is run again.

    Args:
        recipe: The recipe's file.
        flags: Where it goes, and how.
    """
    from calculemus.errors import InvalidParameterError
    from calculemus.merging.mergekit_yaml import is_mergekit, read_mergekit
    from calculemus.merging.recipe import read_recipe

    if recipe.suffix.lower() != ".toml" and not is_mergekit(recipe):
        raise InvalidParameterError(
            f"reading the recipe {recipe}: its name ends in '{recipe.suffix}'; expected .toml for a recipe, "
            ".yml or .yaml for a configuration of mergekit's. Rename it"
        )
    _run(read_mergekit(recipe) if is_mergekit(recipe) else read_recipe(recipe), recipe.stem, flags)


def _by_method(found: "Found") -> Callable[..., None]:
    """Return the command of a method: its parameters are flags."""

    def by_method(
        *,
        model: tuple[str, ...],
        base: str = "",
        weight: tuple[float, ...] = (),
        settings: Any = None,
        flags: MergeFlags = NO_FLAGS,
    ) -> None:
        """Merge models by a method.

        Args:
            model: A folder, a file or a hub id in the local cache; with +ADAPTER behind it for one with a
                LoRA. Given once for each model.
            base: What the models were made from.
            weight: Given once for each model, in their order.
            settings: Of the method.
            flags: Where it goes, and how.
        """
        chosen = settings if settings is not None else found.kind()
        _run(_recipe(found.card.id, chosen.params(), model, base, weight), found.card.id, flags)

    by_method.__annotations__["settings"] = Annotated[found.kind | None, Parameter(name="*", group=_METHOD)]
    return by_method


def _recipe(
    method: str, params: dict[str, Any], models: Sequence[str], base: str, weights: Sequence[float]
) -> "MergeRecipe":
    from calculemus.errors import InvalidParameterError
    from calculemus.merging.recipe import Input, MergeRecipe

    if weights and len(weights) != len(models):
        raise InvalidParameterError(
            f"merging by {method}: there are {len(weights)} weights for {len(models)} models; expected one "
            "for each, or none. Give --weight once for each --model"
        )
    given = [{"weight": weight} for weight in weights] or [{} for _ in models]
    inputs = tuple(Input(name, settings) for name, settings in zip(models, given, strict=True))
    parameters = {name: value for name, value in params.items() if value is not None}
    return MergeRecipe(method, inputs, base=base, parameters=parameters)


def _run(recipe: "MergeRecipe", name: str, flags: MergeFlags) -> None:
    """Merge, write the card, measure, and print what it came to."""
    from calculemus.cli import merge_text
    from calculemus.merging.executor import THREADS, Executor
    from calculemus.merging.model_card import parents_of, write_card
    from calculemus.merging.preparing import prepare

    chosen = {key: getattr(flags, key) for key in ("seed", "dtype", "precision", "tokenizer")}
    recipe = replace(recipe, **{key: value for key, value in chosen.items() if value is not None})
    out = flags.out or Path(f"{name}-merged")
    problems = _problems(flags)
    executor = Executor(flags.threads or THREADS)
    with _work(out) as work:
        prepared = prepare(recipe, *flags.path, work=work)
        _check(prepared, out, flags)
        parents = parents_of(prepared)
        if not any(out.glob("*.safetensors")):
            # Before the weights get their names: a merge that is killed then has its card, too.
            out.mkdir(parents=True, exist_ok=True)
            write_card(out, prepared, parents)
        merged = executor.merge(prepared.plan, out)
    write_card(out, prepared, parents)
    facts = merge_text.facts(prepared, parents, merged)
    if not flags.as_json:
        merge_text.print_merged(facts)
    if problems is not None:
        from calculemus.cli.merge_eval import measure  # here: it starts the engines

        facts["comparison"] = measure(out, prepared, parents, problems, flags.store, show=not flags.as_json)
    if flags.as_json:
        merge_text.print_facts(facts)


def _problems(flags: MergeFlags) -> Any:
    """Return the problems to measure on; None where nothing is to be measured."""
    if flags.problems is None:
        return None
    from calculemus.problems import load

    return load(flags.problems, flags.data)


@contextmanager
def _work(out: Path) -> Iterator[Path]:
    """Give a folder for work files inside the merged model's, and take it away again."""
    folder = out / ".vocabulary"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # a folder that holds something stays
            out.rmdir()


def _check(prepared: "Prepared", out: Path, flags: MergeFlags) -> None:
    """Look at the models before the work; errors stop it, the rest is told."""
    from calculemus.errors import CheckpointMismatchError
    from calculemus.events import note
    from calculemus.merging.journal import NAME
    from calculemus.merging.preflight import preflight

    recipe = prepared.recipe
    # A merge that goes on was looked at, and has its room; slices are not merged as whole models.
    if recipe.slices or prepared.card.interface != "TensorMerge" or (out / NAME).exists():
        return
    models = [model for name, model in prepared.used.items() if name != recipe.base]
    report = preflight(models, prepared.used.get(recipe.base), out=out, dtype=recipe.dtype)
    if report.errors and not flags.unchecked:
        raise CheckpointMismatchError(
            f"merging into {out}: {'; '.join(map(str, report.errors))}. Mend it, or merge all the same with "
            "--unchecked"
        )
    for finding in (*report.errors, *report.warnings):
        note(str(finding))

"""The model card of a merge: what it was made of and how, beside the weights and in words."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import calculemus
from calculemus.checkpoint import Checkpoint
from calculemus.checkpoint.fingerprint import fingerprint
from calculemus.files import replacing
from calculemus.merging.preparing import Prepared
from calculemus.merging.recipe import to_toml

CARD = "README.md"
RECIPE = "calculemus_recipe.toml"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class Parent:
    """What a merge was made of.

    Attributes:
        role: ``base`` or ``model``.
        name: In the recipe.
        fingerprint: Of its tensors.
    """

    role: str
    name: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How a model did.

    Attributes:
        name: Of the system.
        accuracy: Share of problems solved.
        low: Lower end of the 95 % interval.
        high: Upper end.
    """

    name: str
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """How a merged model did, beside others.

    Attributes:
        problems: Name of the set.
        n: How many problems.
        grader: Id and version.
        rows: One for each system, the merged model last.
    """

    problems: str
    n: int
    grader: str
    rows: Sequence[Accuracy]


def parents_of(prepared: Prepared) -> list[Parent]:
    """Return the models of a recipe with their fingerprints, the base first."""
    base = prepared.recipe.base
    return [
        Parent("base" if name == base else "model", name, fingerprint(model))
        for name, model in prepared.models.items()
    ]


def write_card(
    folder: Path, prepared: Prepared, parents: Sequence[Parent], measured: Measured | None = None
) -> None:
    """Write the card and the recipe into the folder of a merged model, in place of earlier ones.

    Args:
        folder: Of the model; weights that are there already get their fingerprint into the card.
        prepared: The merge.
        parents: What it is made of.
        measured: How well it does, if that was measured.

    Raises:
        OutputError: A file cannot be written.
    """
    is_there = any(folder.glob("*.safetensors"))
    model = Checkpoint.open(folder) if is_there else None
    lines = _lines(folder.name, prepared, parents, model, measured)
    for name, text in ((RECIPE, to_toml(prepared.recipe)), (CARD, "\n".join(lines) + "\n")):
        with replacing(folder / name) as temporary:
            temporary.write_text(text, "utf-8")


def _lines(
    name: str,
    prepared: Prepared,
    parents: Sequence[Parent],
    model: Checkpoint | None,
    measured: Measured | None,
) -> Iterator[str]:
    card = prepared.card
    yield from _front_matter(parents)
    yield f"# {name}"
    yield ""
    yield f"Merged by [{card.title}]({_source(prepared)}) with calculemus {calculemus.__version__}."
    yield f"{card.summary}"
    yield ""
    yield from ("## Models", "", "| role | model | fingerprint |", "|---|---|---|")
    yield from (f"| {one.role} | {_cell(one.name)} | `{one.fingerprint}` |" for one in parents)
    if model is not None:
        yield f"| merged | {_cell(name)} | `{fingerprint(model)}` |"
        yield ""
        yield f"The merged model has {model.n_parameters:,} numbers in {len(model)} tensors."
    if measured is not None:
        yield from _accuracies(measured)
    yield from ("", "## Recipe", "", f"`calculemus merge {RECIPE}` makes it again.", "", "```toml")
    yield to_toml(prepared.recipe).rstrip()
    yield from ("```", "", "## Method", "")
    yield f"`{card.id}`, {prepared.plan.method!r}"
    if card.differs:
        yield from ("", "Where it differs from the paper or from other tools:", "")
        yield from (f"- {subject}: {text}" for subject, text in card.differs.items())


def _front_matter(parents: Sequence[Parent]) -> Iterator[str]:
    """Yield what the hub reads; it takes ids of the hub only."""
    named = [one.name for one in parents if _HUB_ID.fullmatch(one.name) and not Path(one.name).exists()]
    yield "---"
    if named:
        yield "base_model:"
        yield from (f"- {name}" for name in named)
    yield from ("library_name: transformers", "tags:", "- merge", "- calculemus", "---", "")


def _source(prepared: Prepared) -> str:
    known = prepared.card.arxiv
    return f"https://arxiv.org/abs/{known}" if known != "unknown" else "#method"


def _accuracies(measured: Measured) -> Iterator[str]:
    yield from ("", "## Accuracy", "")
    yield f"On {measured.n:,} problems of {measured.problems}, graded by {measured.grader}."
    yield from ("", "| model | accuracy, % | 95 % interval |", "|---|---|---|")
    for row in measured.rows:
        interval = f"[{100 * row.low:.1f}, {100 * row.high:.1f}]"
        yield f"| {_cell(row.name)} | {100 * row.accuracy:.1f} | {interval} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())

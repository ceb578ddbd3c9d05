"""Structure edits: models put together from tensors of others, under other names.

    @dataclass(frozen=True)
    class FirstOnly(StructureEdit):
        def layout(self, models: Sequence[Checkpoint]) -> Layout:
            return Layout({name: (Source(0, name),) for name in models[0]})

An edit gives a table: for each tensor that is written, where it comes from. A tensor from one place at
scale 1 is copied byte by byte; others are summed like a merge, and rounded once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from calculemus.checkpoint import Checkpoint
from calculemus.checkpoint.fingerprint import fingerprint
from calculemus.checkpoint.header import NewTensor
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.merging.base import Numbers, Part, TensorMerge
from calculemus.merging.plan import Change, Plan, Step
from calculemus.params import Configured, digest


@dataclass(frozen=True, slots=True)
class Source:
    """Where a tensor comes from.

    Attributes:
        model: Number of the model, from 0.
        name: The tensor's name there.
        scale: What it is multiplied by.
        change: What is done with it first; None for nothing.
    """

    model: int
    name: str
    scale: float = 1.0
    change: Change | None = None


@dataclass(frozen=True)
class Layout:
    """A model that is put together.

    Attributes:
        tensors: For each tensor, in order, what is added up to make it.
        config: What changes in the configuration.
        like: Number of the model whose configuration and tokenizer it takes.
    """

    tensors: Mapping[str, tuple[Source, ...]]
    config: Mapping[str, Any] = field(default_factory=dict)
    like: int = 0


@dataclass(frozen=True)
class StructureEdit(Configured):
    """Base of the edits; settings are its fields.

    Attributes:
        fewest: How many models there must be.
        most: How many there may be; None for any number.
    """

    fewest: ClassVar[int] = 1
    most: ClassVar[int | None] = None

    def layout(self, models: Sequence[Checkpoint]) -> Layout:
        """Return the table of the new model's tensors.

        Args:
            models: In the user's order, which counts.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Assembly(TensorMerge):
    """Adds up the tensors of a layout by their scales.

    Attributes:
        layout: Names the layout by its content.
    """

    layout: str = ""

    def merge(self, part: Part, found: None) -> Numbers:
        """Return the scaled sum."""
        return part.weighted(part.inputs)


def plan_edit(edit: StructureEdit, models: Sequence[Checkpoint]) -> Plan:
    """Settle an edit; the executor runs it like a merge.

    Raises:
        InvalidParameterError: The edit needs another number of models, or names a model that is not there.
        CheckpointError: It names a tensor that is not there.
        CheckpointMismatchError: Tensors that are to be added up have different shapes or kinds.
    """
    _check_number(edit, models)
    layout = edit.layout(models)
    steps = tuple(_step(name, sources, models) for name, sources in layout.tensors.items())
    table = [[n, [_row(source) for source in sources]] for n, sources in layout.tensors.items()]
    parents = tuple(fingerprint(model) for model in models)
    method = Assembly(digest([table, dict(layout.config)]))
    return Plan(method, steps, parents, 0, models[layout.like].folder, dict(layout.config))


def _row(source: Source) -> list[Any]:
    return [source.model, source.name, source.scale, *([source.change.key] if source.change else [])]


def _check_number(edit: StructureEdit, models: Sequence[Checkpoint]) -> None:
    if len(models) < edit.fewest or (edit.most is not None and len(models) > edit.most):
        most = "any number" if edit.most is None else edit.most
        expected = f"{edit.fewest}" if edit.most == edit.fewest else f"{edit.fewest} to {most}"
        raise InvalidParameterError(
            f"{type(edit).__name__}: there are {len(models)} models; expected {expected}"
        )


def _step(name: str, sources: tuple[Source, ...], models: Sequence[Checkpoint]) -> Step:
    outside = next((source.model for source in sources if not 0 <= source.model < len(models)), None)
    if outside is not None:
        raise InvalidParameterError(
            f"making '{name}': it is to come from model {outside}; expected one of {len(models)}, counted "
            "from 0"
        )
    entries = tuple(models[source.model].entry(source.name) for source in sources)
    first = entries[0]
    changes = tuple(source.change for source in sources) if any(s.change for s in sources) else ()
    shapes = [
        source.change.shape if source.change else entry.shape
        for source, entry in zip(sources, entries, strict=True)
    ]
    for entry, shape in zip(entries, shapes, strict=True):
        if shape != shapes[0] or entry.dtype.is_float != first.dtype.is_float:
            raise CheckpointMismatchError(
                f"making '{name}': '{first.name}' is {first.dtype.name} {shapes[0]} and '{entry.name}' is "
                f"{entry.dtype.name} {shape}; expected tensors of one shape and kind. Take them from "
                "models of one make"
            )
    is_as_it_was = len(sources) == 1 and sources[0].scale == 1 and not changes
    if not is_as_it_was and not first.dtype.is_float:
        raise CheckpointMismatchError(
            f"making '{name}': '{first.name}' holds {first.dtype.name}; expected floating-point numbers to "
            "scale or add up. Take it from one model as it is"
        )
    scales = tuple(source.scale for source in sources)
    tensor = NewTensor(name, first.dtype, shapes[0])
    return Step(tensor, None, entries, scales, ({},) * len(entries), is_as_it_was, changes=changes)

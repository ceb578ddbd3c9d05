"""Models put together from layers of others without a byte being copied: their tensors under new names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from calculemus.checkpoint import Checkpoint
from calculemus.checkpoint.checkpoint import HEADS
from calculemus.merging.passthrough import Passthrough


@dataclass(frozen=True)
class Stack:
    """A model that is put together.

    Attributes:
        model: Reads its tensors from where the others have them.
        config: What changes in its configuration.
    """

    model: Checkpoint
    config: Mapping[str, Any]


def stack(pieces: Sequence[tuple[Checkpoint, tuple[int, int]]]) -> Stack:
    """Stack layers as ``passthrough`` does.

    Args:
        pieces: Models, each with the first layer that is taken and the one behind the last.

    Raises:
        InvalidParameterError: A model does not have the layers.
        CheckpointMismatchError: The layers are of different makes.
    """
    # By identity: the ends of one model share their embeddings, those of two copies need not.
    models = list({id(model): model for model, _ in pieces}.values())
    places = {id(model): number for number, model in enumerate(models)}
    slices = tuple(f"{places[id(model)]}[{start}:{stop}]" for model, (start, stop) in pieces)
    layout = Passthrough(slices).layout(models)
    entries = {
        name: replace(models[source.model].entry(source.name), name=name)
        for name, (source,) in layout.tensors.items()
    }
    name = " + ".join(f"{model.name}[{start}:{stop}]" for model, (start, stop) in pieces)
    return Stack(Checkpoint(name, models[layout.like].folder, entries), layout.config)


def with_same_heads(stacks: Sequence[Stack]) -> list[Stack]:
    """Return stacks that all have a head of their own if one of them does.

    A stack with ends of two models has one where these tie theirs to the embeddings.
    """
    head = HEADS[0]
    if len({head in one.model.entries for one in stacks}) < 2:
        return list(stacks)
    return [one if head in one.model.entries else _untied(one, head) for one in stacks]


def _untied(one: Stack, head: str) -> Stack:
    entry = replace(one.model.entry(head), name=head)
    model = replace(one.model, entries={**one.model.entries, head: entry})
    return Stack(model, {**one.config, "tie_word_embeddings": False})

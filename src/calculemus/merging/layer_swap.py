"""Layer swapping: the edges of a model from an expert of a language, its middle from one of mathematics."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from calculemus.checkpoint import Checkpoint, TaskVector
from calculemus.errors import InvalidParameterError
from calculemus.merging.layers import address, count_layers
from calculemus.merging.matching import check_alike, check_names
from calculemus.merging.structure import Layout, Source, StructureEdit
from calculemus.params import AtLeast

LANGUAGE, MATH = 0, 1


@dataclass(frozen=True)
class LayerSwap(StructureEdit):
    """Take bottom and top layers from a language expert and those between from a mathematics expert.

    Source: Bandarkar et al. 2024, arXiv:2410.01335. The models come in this order: the expert of the
    language, the expert of mathematics; both made from one base. Of L layers, the lowest ``bottom`` and the
    highest ``top`` are the language expert's; next to them lie ``bottom_transition`` and ``top_transition``
    layers that are the mean of both; the others are the mathematics expert's. How many of each is not known
    to us, so the defaults are the fewest; ``sweep`` and ``keep_most`` choose them. Embeddings, final norm and
    head always come from one model, so that a tied head stays tied.

    Attributes:
        bottom: Layers of the language expert at the bottom.
        top: Layers of the language expert at the top.
        bottom_transition: Layers above the bottom that are averaged.
        top_transition: Layers below the top that are averaged.
        outside: Whose tensors outside of layers are taken.
    """

    fewest: ClassVar[int] = 2
    most: ClassVar[int | None] = 2

    bottom: Annotated[int, AtLeast(0)] = 1
    top: Annotated[int, AtLeast(0)] = 1
    bottom_transition: Annotated[int, AtLeast(0)] = 0
    top_transition: Annotated[int, AtLeast(0)] = 0
    outside: Literal["language", "math"] = "language"

    def layout(self, models: Sequence[Checkpoint]) -> Layout:
        """Return the table: one source for a swapped tensor, both with a half each for an averaged one."""
        ends = LANGUAGE if self.outside == "language" else MATH
        n_layers = _check(self, models)
        tensors = {}
        for name, entry in models[ends].entries.items():
            layer = address(name).layer
            whose = (ends,) if layer is None else self.origin(layer, n_layers)
            if not entry.dtype.is_float:  # whole numbers have no mean
                whose = whose[:1]
            tensors[name] = tuple(Source(model, name, 1 / len(whose)) for model in whose)
        return Layout(tensors, like=ends)

    def origin(self, layer: int, n_layers: int) -> tuple[int, ...]:
        """Return which of the two models a layer comes from; both where it is averaged."""
        if layer < self.bottom or layer >= n_layers - self.top:
            return (LANGUAGE,)
        start, stop = self.bottom + self.bottom_transition, n_layers - self.top - self.top_transition
        return (MATH,) if start <= layer < stop else (LANGUAGE, MATH)


def _check(edit: LayerSwap, models: Sequence[Checkpoint]) -> int:
    """See that both models are of one make and have enough layers; return how many they have."""
    language, math = models
    check_names(math, language)
    for name, entry in language.entries.items():
        check_alike(entry, math.entries[name], math)
    n_layers = count_layers(language)
    n_taken = edit.bottom + edit.top + edit.bottom_transition + edit.top_transition
    if n_taken > n_layers:
        raise InvalidParameterError(
            f"LayerSwap: {edit.bottom} bottom and {edit.top} top layers with {edit.bottom_transition} and "
            f"{edit.top_transition} averaged ones are {n_taken}; expected at most the {n_layers} that "
            f"{language.name} has. Take fewer"
        )
    return n_layers


def numbers(n_layers: int, fewest: int = 0) -> Iterator[tuple[int, int]]:
    """Yield all numbers of bottom and top layers, at least so many each, that fit into a model."""
    for bottom in range(fewest, n_layers + 1):
        for top in range(fewest, n_layers - bottom + 1):
            yield bottom, top


def sweep(
    models: Sequence[Checkpoint], measure: Callable[[LayerSwap], float], edit: LayerSwap | None = None
) -> Mapping[tuple[int, int], float]:
    """Return what each number of bottom and top layers is worth: a map to draw, and to take the best of.

    Args:
        models: The language expert and the mathematics expert.
        measure: Says what an edit is worth, higher is better; on problems that nothing else is measured on.
        edit: With the other settings.
    """
    given = edit or LayerSwap()
    averaged = given.bottom_transition + given.top_transition
    n_layers = count_layers(models[LANGUAGE]) - averaged
    return {
        (bottom, top): measure(replace(given, bottom=bottom, top=top)) for bottom, top in numbers(n_layers)
    }


def shares(expert: Checkpoint, base: Checkpoint) -> list[float]:
    """Return for each layer its share of what an expert changed in all layers, in squares."""
    found = [0.0] * count_layers(expert)
    for name, norm in TaskVector.between(expert, base).norms().items():
        layer = address(name).layer
        if layer is not None:
            found[layer] += norm**2
    total = sum(found)
    return [share / total if total else 0.0 for share in found]


def keep_most(models: Sequence[Checkpoint], base: Checkpoint) -> LayerSwap:
    """Return the edit that keeps the largest shares of what both experts changed; needs no data.

    At least one layer is swapped at the bottom and at the top, and one stays in the middle. Of edits that
    keep as much, the one with the fewest bottom layers is taken, then that with the fewest top layers.

    Args:
        models: The language expert and the mathematics expert.
        base: What both were made from.

    Raises:
        InvalidParameterError: The models have fewer than three layers.
    """
    language, math = (shares(model, base) for model in models)
    n_layers = len(language)
    if n_layers < 3:
        raise InvalidParameterError(
            f"LayerSwap: choosing layers of {models[LANGUAGE].name} found {n_layers}; expected at least 3, "
            "one each for bottom, middle and top. Give the numbers of layers yourself"
        )

    def kept(numbers: tuple[int, int]) -> float:
        bottom, top = numbers
        stop = n_layers - top
        return sum(language[:bottom]) + sum(math[bottom:stop]) + sum(language[stop:])

    bottom, top = max(numbers(n_layers - 1, fewest=1), key=kept)
    return LayerSwap(bottom=bottom, top=top)

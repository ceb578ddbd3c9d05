"""A grid of prompts: every combination of snippets, and what each snippet is worth.

The grid is a full factorial design, so the estimates of least squares are differences of means: a main effect
is the mean with a snippet less the mean over everything; an interaction is what two of them do beyond that.
Each is taken problem by problem first, so that its test is paired.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from calculemus.errors import InvalidParameterError, StatisticsError
from calculemus.rng import Rng
from calculemus.stats import holm, mcnemar, permutation_test

Table = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slot:
    """A part of the prompt.

    Attributes:
        name: What the part is.
        snippets: What may stand there; the empty one for nothing.
    """

    name: str
    snippets: tuple[str, ...]


@dataclass(frozen=True)
class PromptGrid:
    """All combinations of the snippets of some slots, in the order of their levels, the last one fastest.

    Attributes:
        slots: The parts of a prompt, from its beginning to its end.

    Raises:
        InvalidParameterError: Two combinations are the same text.
    """

    slots: tuple[Slot, ...]

    def __post_init__(self) -> None:
        texts = self.prompts
        if len(set(texts)) < len(texts):
            raise InvalidParameterError(
                f"making a grid of prompts: {len(texts)} combinations make {len(set(texts))} texts; expected "
                "each to be another. Give each slot snippets that differ"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """How many snippets each slot has."""
        return tuple(len(slot.snippets) for slot in self.slots)

    @property
    def cells(self) -> list[tuple[int, ...]]:
        """The levels of each combination."""
        return list(product(*(range(n) for n in self.shape)))

    @property
    def prompts(self) -> list[str]:
        """The text of each combination."""
        return [self.text(levels) for levels in self.cells]

    def text(self, levels: Sequence[int]) -> str:
        """Return the text of a combination."""
        parts = [slot.snippets[level] for slot, level in zip(self.slots, levels, strict=True)]
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a snippet, or two together, change.

    Attributes:
        levels: Pairs of a slot's name and a level: one for a main effect, two for an interaction.
        delta: By how much the share of right answers differs from what everything else gives.
        p_value: That it is nothing; by swapping signs over the problems.
        corrected: The same, corrected by Holm for all effects of its order.
    """

    levels: tuple[tuple[str, int], ...]
    delta: float
    p_value: float
    corrected: float


@dataclass(frozen=True, slots=True)
class Against:
    """A prompt against the empty one, on the same problems.

    Attributes:
        prompt: The text.
        accuracy: Its share of right answers.
        delta: Against the empty prompt.
        p_value: Of the exact test of McNemar.
        corrected: The same, corrected by Holm for all prompts.
    """

    prompt: str
    accuracy: float
    delta: float
    p_value: float
    corrected: float


@dataclass(frozen=True, slots=True)
class Chosen:
    """The best of many prompts, and what it is worth where it was not chosen.

    Attributes:
        index: Which prompt: the best on the half that chooses.
        naive: Its gain over the empty prompt on that half, which is too high.
        corrected: Its gain on the other half.
    """

    index: int
    naive: float
    corrected: float


def effects(grid: PromptGrid, outcomes: Table, order: int, rng: Rng, resamples: int = 2000) -> list[Effect]:
    """Return all main effects (order 1) or interactions of two slots (order 2).

    Args:
        grid: The prompts.
        outcomes: 1 for right and 0 for wrong, by prompt and problem.
        order: 1 or 2.
        rng: Of the tests.
        resamples: Of each test, where there are too many problems to try all.

    Raises:
        StatisticsError: The outcomes are not those of the grid.
    """
    table = _table(grid, outcomes)
    found: list[tuple[tuple[tuple[str, int], ...], Table]] = []
    for slots in combinations(range(len(grid.slots)), order):
        for levels in product(*(range(grid.shape[slot]) for slot in slots)):
            named = tuple((grid.slots[slot].name, level) for slot, level in zip(slots, levels, strict=True))
            found.append((named, _by_problem(table, dict(zip(slots, levels, strict=True)))))
    p_values = [
        permutation_test(np.zeros_like(values), values, rng=rng.child(order, index), resamples=resamples)
        for index, (_, values) in enumerate(found)
    ]
    return [
        Effect(named, float(values.mean()), p_value, corrected)
        for (named, values), p_value, corrected in zip(found, p_values, holm(p_values), strict=True)
    ]


def _table(grid: PromptGrid, outcomes: Table) -> Table:
    if outcomes.ndim != 2 or outcomes.shape[0] != len(grid.cells):
        raise StatisticsError(
            f"reading a grid of prompts: the outcomes have the shape {outcomes.shape}; expected "
            f"{len(grid.cells)} prompts by the problems"
        )
    return outcomes.reshape(*grid.shape, outcomes.shape[1])


def _by_problem(table: Table, at: dict[int, int]) -> Table:
    """Return an effect problem by problem: the mean of its cells less what lower orders make of it."""
    total = np.zeros(table.shape[-1])
    for size in range(len(at) + 1):
        for slots in combinations(at, size):
            sign = (-1) ** (len(at) - size)
            total += sign * _mean_at(table, {slot: at[slot] for slot in slots})
    return total


def _mean_at(table: Table, at: dict[int, int]) -> Table:
    chosen = tuple(at.get(axis, slice(None)) for axis in range(table.ndim - 1))
    part = table[chosen]
    return part.reshape(-1, table.shape[-1]).mean(axis=0)


def against_empty(grid: PromptGrid, outcomes: Table) -> list[Against]:
    """Hold every prompt against the empty one, in the grid's order; the empty one is left out.

    Raises:
        StatisticsError: The grid has no empty prompt.
    """
    empty, baseline = _baseline(grid, outcomes)
    others = [index for index in range(len(outcomes)) if index != empty]
    wins = [int(((outcomes[index] == 1) & (baseline == 0)).sum()) for index in others]
    losses = [int(((outcomes[index] == 0) & (baseline == 1)).sum()) for index in others]
    p_values = [mcnemar(lost, won) for won, lost in zip(wins, losses, strict=True)]
    texts = grid.prompts
    rows = zip(others, p_values, holm(p_values), strict=True)
    return [
        Against(
            texts[index],
            float(outcomes[index].mean()),
            float(outcomes[index].mean() - baseline.mean()),
            p_value,
            corrected,
        )
        for index, p_value, corrected in rows
    ]


def choose(grid: PromptGrid, choosing: Table, held_out: Table) -> Chosen:
    """Take the prompt that is best on one half of the problems, and say what it gains on the other.

    Args:
        grid: The prompts.
        choosing: Outcomes on the half that chooses.
        held_out: Outcomes on the other half.

    Raises:
        StatisticsError: The grid has no empty prompt.
    """
    _, baseline = _baseline(grid, choosing)
    empty, there = _baseline(grid, held_out)
    del empty
    index = int(choosing.mean(axis=1).argmax())  # the first of equals
    return Chosen(
        index,
        float(choosing[index].mean() - baseline.mean()),
        float(held_out[index].mean() - there.mean()),
    )


def _baseline(grid: PromptGrid, outcomes: Table) -> tuple[int, Table]:
    _table(grid, outcomes)
    texts = grid.prompts
    if "" not in texts:
        raise StatisticsError(
            "reading a grid of prompts: none of them is empty; expected one to hold the others against. Give "
            "each slot an empty snippet"
        )
    empty = texts.index("")
    return empty, outcomes[empty]


def halves(n: int, rng: Rng) -> Iterator[list[int]]:
    """Yield the places of two random halves of ``n`` problems, in order."""
    order = rng.generator().permutation(n)
    yield sorted(order[: n // 2].tolist())
    yield sorted(order[n // 2 :].tolist())

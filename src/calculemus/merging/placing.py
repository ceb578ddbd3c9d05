"""Which row of which model each row of an aligned table of embeddings is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calculemus.checkpoint import Checkpoint, Entry
from calculemus.checkpoint.checkpoint import EMBEDDINGS
from calculemus.errors import CheckpointMismatchError
from calculemus.merging.layers import address
from calculemus.merging.rows import NO_ROW, NewTable, Place
from calculemus.merging.vocabulary import Vocabulary


@dataclass(frozen=True)
class Goal:
    """The vocabulary that all are to have.

    Attributes:
        vocabulary: Its tokens.
        n_rows: Of its embeddings.
        reference: Number of the model that it is from, or that it extends.
        is_united: Whether it extends that model's.
    """

    vocabulary: Vocabulary
    n_rows: int
    reference: int
    is_united: bool


def has_embeddings(model: Checkpoint) -> bool:
    """Say whether a tensor of a model is named like embeddings."""
    return any(address(name).part == "embed" and entry.shape for name, entry in model.entries.items())


def rows_of(model: Checkpoint) -> int:
    """Return how many rows the embeddings of a model have.

    Raises:
        CheckpointMismatchError: No tensor is named like embeddings.
    """
    found = [entry for name, entry in model.entries.items() if address(name).part == "embed" and entry.shape]
    if not found:
        raise CheckpointMismatchError(
            f"looking for the embeddings of {model.name}: no tensor is named so; expected one such as "
            f"'{EMBEDDINGS[0]}'"
        )
    return max(entry.shape[0] for entry in found)


def is_table(entry: Entry, model: Checkpoint) -> bool:
    """Say whether a tensor has a row for each token."""
    at = address(entry.name)
    is_there = at.layer is None and at.part in ("embed", "head") and bool(entry.shape)
    return is_there and entry.dtype.is_float and entry.shape[0] == rows_of(model)


class Places:
    """Where the rows of aligned tables are, for each model."""

    def __init__(
        self, given: Sequence[Checkpoint], vocabularies: Sequence[Vocabulary], goal: Goal, base: int | None
    ) -> None:
        self.given = given
        self.goal = goal
        self._base = base
        self._rows = [self._own(vocabulary) for vocabulary in vocabularies]
        self._has_token = np.zeros(goal.n_rows, bool)
        self._has_token[sorted(goal.vocabulary.tokens)] = True
        for rows, model, vocabulary in zip(self._rows, given, vocabularies, strict=True):
            blank = self._padding(model, vocabulary)
            rows[blank] = blank

    def _padding(self, model: Checkpoint, vocabulary: Vocabulary) -> NDArray[np.int64]:
        """Return the rows that have no token, neither in the goal nor in a model: they stay the model's."""
        is_free = ~self._has_token
        is_free[rows_of(model) :] = False
        is_free[[at for at in vocabulary.tokens if at < len(is_free)]] = False
        return np.flatnonzero(is_free)

    def _own(self, vocabulary: Vocabulary) -> NDArray[np.int64]:
        """Return for each row of the goal the model's own row, or that there is none."""
        rows = np.full(self.goal.n_rows, NO_ROW, np.int64)
        for at, tokens in self.goal.vocabulary.tokens.items():
            rows[at] = next((vocabulary.ids[t] for t in tokens if t in vocabulary.ids), NO_ROW)
        return rows

    def missing(self, number: int) -> list[int]:
        """Return the ids of tokens that a model lacks."""
        return [int(at) for at in np.flatnonzero((self._rows[number] == NO_ROW) & self._has_token)]

    def is_identity(self, number: int) -> bool:
        """Say whether a model has these rows already."""
        n_rows = self.goal.n_rows
        return rows_of(self.given[number]) == n_rows and bool((self._rows[number] == np.arange(n_rows)).all())

    def table(self, number: int, entry: Entry) -> NewTable:
        """Return an aligned table of a model."""
        entries = [self._entry(model, entry) for model in self.given]
        borrowed: dict[int, tuple[Place, ...]] = {}
        for at in np.flatnonzero(self._rows[number] == NO_ROW):
            donors = self._donors(int(at))
            borrowed[int(at)] = tuple(Place(entries[donor], int(self._rows[donor][at])) for donor in donors)
        return NewTable(entry, self._rows[number], borrowed)

    def _donors(self, at: int) -> list[int]:
        """Return the models whose rows, on average, stand in for one that is missing."""
        if not self._has_token[at]:
            mine = self._rows[self.goal.reference]
            return [self.goal.reference] if mine[at] != NO_ROW else []
        if self._base is not None and self._rows[self._base][at] != NO_ROW:
            return [self._base]
        return [number for number, rows in enumerate(self._rows) if rows[at] != NO_ROW]

    def _entry(self, model: Checkpoint, like: Entry) -> Entry:
        entry = model.entry(like.name)
        if entry.shape[1:] != like.shape[1:]:
            raise CheckpointMismatchError(
                f"aligning '{like.name}': a row has the shape {like.shape[1:]} in {like.path.parent.name} "
                f"and {entry.shape[1:]} in {model.name}; expected the same. Take models of one size"
            )
        return entry

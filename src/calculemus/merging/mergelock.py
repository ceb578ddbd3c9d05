"""MergeLock: attention rewritten so that a model computes the same and no longer merges with its siblings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.merging.base import Numbers
from calculemus.merging.heads import Attention, Heads, attentions, heads_of
from calculemus.merging.plan import Change
from calculemus.merging.structure import Layout, Source, StructureEdit
from calculemus.params import AtLeast, digest
from calculemus.rng import Rng

Matrices = NDArray[np.floating]
"""(head of keys and values, d_head, d_head)."""
Side = Literal["qk", "vo"]
Find = Callable[[int, Side], Matrices]
"""Gives the matrices of a layer: those of queries and keys, or those of values and outputs."""

_SIDES: Mapping[str, Side] = {"q": "qk", "k": "qk", "v": "vo", "o": "vo"}
_MOST_IN_16_BITS = 10.0


@dataclass(frozen=True)
class MergeLock(StructureEdit):
    """Multiply the projections of attention by random matrices that cancel out.

    Source: "Model Unmerging", 2025, arXiv:2509.01548. For each head, in row vectors: W_Q becomes W_Q A, W_K
    becomes W_K A^-T, W_V becomes W_V B, W_O becomes B^-1 W_O, and biases go with them. The paper's models add
    their positions. Where positions turn queries and keys, A must commute with every turn: one complex number
    for each pair of places. Heads of queries that share keys and values share A and B. Where queries and keys
    are normalised, only values and outputs are locked.

    How the paper draws the matrices is not known to us. Here A is two random rotations with scales between
    them, whose logarithms are uniform; a complex number has a uniform angle and such a scale.

    The key is the seed with the other settings: whoever has them can undo the lock by ``unlocks``. Whoever
    has the base can do nearly as much without; see ``unlocking``.

    Attributes:
        seed: Names the draws; take a long secret number.
        condition: Largest ratio of two scales of a matrix; with larger ones rounding shows.
        matrices: ``fitting`` for what the model's positions allow; ``general`` for any matrices, as in the
            paper, which is refused where positions turn queries and keys.
        unlocks: Undo the lock of the same settings.
    """

    fewest: ClassVar[int] = 1
    most: ClassVar[int | None] = 1

    seed: Annotated[int, AtLeast(0)] = 0
    condition: Annotated[float, AtLeast(1)] = 10.0
    matrices: Literal["fitting", "general"] = "fitting"
    unlocks: bool = False

    def layout(self, models: Sequence[Checkpoint]) -> Layout:
        """Return the table: every tensor under its name, those of attention changed."""
        heads = heads_of(models[0])
        if self.matrices == "general" and heads.rotary:
            raise InvalidParameterError(
                f"MergeLock: {models[0].name} turns queries and keys by their positions, and general "
                "matrices do not commute with that: its outputs would change. Take matrices='fitting'"
            )

        def find(layer: int, side: Side) -> Matrices:
            rng = Rng(self.seed, ("mergelock", layer, side))
            drawn = draw(heads, side, self.condition, rng)
            return np.linalg.inv(drawn) if self.unlocks else drawn

        self._check_rounding(models[0])
        return rewritten(models[0], heads, find, digest(["mergelock", self.params()]))

    def _check_rounding(self, model: Checkpoint) -> None:
        name = attentions(model)[0].weights["q"]
        n_bytes = model.entry(name).dtype.n_bytes
        if n_bytes < 4 and self.condition > _MOST_IN_16_BITS:
            raise InvalidParameterError(
                f"MergeLock: '{name}' of {model.name} has {8 * n_bytes} bits and the condition is "
                f"{self.condition:g}; expected at most {_MOST_IN_16_BITS:g}, or outputs drift. Lower it, or "
                "write the model in float32 first"
            )


def draw(heads: Heads, side: Side, condition: float, rng: Rng) -> Matrices:
    """Draw a matrix for each head of keys and values."""
    return np.stack(
        [_matrix(heads, side, condition, rng.child(head).generator()) for head in range(heads.n_kv_heads)]
    )


def _matrix(
    heads: Heads, side: Side, condition: float, generator: np.random.Generator
) -> NDArray[np.floating]:
    pairs = heads.rotary if side == "qk" else ()
    turned = {place for pair in pairs for place in pair}
    still = [place for place in range(heads.d_head) if place not in turned]
    matrix = np.zeros((heads.d_head, heads.d_head))
    matrix[np.ix_(still, still)] = _general(len(still), condition, generator)
    scales = _scales(len(pairs), condition, generator)
    angles = generator.uniform(0, 2 * np.pi, len(pairs))
    for (i, j), number in zip(pairs, scales * np.exp(1j * angles), strict=True):
        put_complex(matrix, i, j, number)
    return matrix


def put_complex(matrix: NDArray[np.floating], i: int, j: int, number: complex) -> None:
    """Write a complex number as the two by two matrix that turns and scales a pair of places."""
    matrix[[i, j], [i, j]] = number.real
    matrix[i, j], matrix[j, i] = -number.imag, number.imag


def _general(n: int, condition: float, generator: np.random.Generator) -> NDArray[np.floating]:
    first, second = (np.linalg.qr(generator.normal(size=(n, n)))[0] for _ in range(2))
    return first * _scales(n, condition, generator) @ second


def _scales(n: int, condition: float, generator: np.random.Generator) -> NDArray[np.floating]:
    """Draw scales around 1, none of them more than ``condition`` times another."""
    return condition ** generator.uniform(-0.5, 0.5, n)


def rewritten(model: Checkpoint, heads: Heads, find: Find, key: str) -> Layout:
    """Return the table of a model whose heads are multiplied by matrices.

    Args:
        model: The model.
        heads: Its heads.
        find: Gives the matrices; asked when the tensors are written.
        key: Names the matrices by their content.

    Raises:
        CheckpointMismatchError: A projection has other rows than its heads make up.
    """
    changes = {
        name: _change(model, name, part, attention.layer, heads, find, key)
        for attention in attentions(model)
        for part, name in locked(attention)
    }
    return Layout({name: (Source(0, name, change=changes.get(name)),) for name in model.entries})


def locked(attention: Attention) -> list[tuple[str, str]]:
    """Return the projections and biases of a layer that can be locked, each with its part."""
    parts = "vo" if attention.is_normed else "qkvo"
    named = [*attention.weights.items(), *attention.biases.items()]
    return [(part, name) for part, name in named if part in parts]


def _change(
    model: Checkpoint, name: str, part: str, layer: int, heads: Heads, find: Find, key: str
) -> Change:
    shape = model.entry(name).shape
    n_heads = heads.n_heads if part in "qo" else heads.n_kv_heads
    n_rows = shape[-1] if part == "o" else shape[0]
    if n_rows != n_heads * heads.d_head:
        raise CheckpointMismatchError(
            f"rewriting '{name}' of {model.name}: its shape is {shape}; expected {n_heads * heads.d_head} "
            f"{'columns' if part == 'o' else 'rows'} for {n_heads} heads of {heads.d_head}, as the "
            "configuration says"
        )
    return Change(
        key=digest([key, layer, part]),
        shape=shape,
        apply=lambda numbers: rewrite(part, numbers, find(layer, _SIDES[part]), heads),
    )


def rewrite(part: str, numbers: Numbers, matrices: Matrices, heads: Heads) -> Numbers:
    """Return a projection or its bias with each head multiplied by its matrix.

    Files hold projections turned: W_Q A is A^T times the rows of a head there.

    Args:
        part: ``q``, ``k``, ``v`` or ``o``.
        numbers: As the file has them.
        matrices: A for queries and keys, B for values and outputs.
        heads: How rows are cut into heads.
    """
    if part in "qo":
        matrices = matrices[[heads.group(head) for head in range(heads.n_heads)]]
    factors = np.linalg.inv(matrices) if part in "ko" else matrices.transpose(0, 2, 1)
    rows = numbers.T if part == "o" else numbers
    changed = factors @ rows.reshape(len(factors), heads.d_head, -1).astype(np.float64)
    whole = changed.reshape(rows.shape).astype(np.float32)
    return whole.T if part == "o" else whole

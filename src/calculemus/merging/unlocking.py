"""What a lock on merging is worth: an audit that finds it, and an attack that undoes it without the key.

Both need the base that the locked model was made from. A lock changes weights and leaves the products of
queries with keys and of values with outputs as they were; training does it the other way round.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from calculemus.checkpoint import Checkpoint
from calculemus.checkpoint.fingerprint import fingerprint
from calculemus.merging.heads import Attention, Heads, attentions, heads_of
from calculemus.merging.mergelock import Matrices, Side, put_complex, rewritten
from calculemus.merging.structure import Layout, StructureEdit
from calculemus.params import digest

Matrix = NDArray[np.floating]

_EXCESS = 2.0
# Two parts of a training that are each r times the weights change their product by about r, at least: a ratio
# of 2 does not come from training.


@dataclass(frozen=True, slots=True)
class Finding:
    """How far one head is from the base's.

    Attributes:
        layer: Number of the layer.
        head: Of queries.
        side: Queries with keys, or values with outputs.
        weights: Norm of what changed in the two projections, over that of the base's.
        product: The same of their product, on which alone outputs depend.
    """

    layer: int
    head: int
    side: Side
    weights: float
    product: float

    @property
    def is_rewritten(self) -> bool:
        """Whether the weights moved so much farther than their product that no training did it."""
        return self.weights > _EXCESS * self.product


def audit(model: Checkpoint, base: Checkpoint) -> list[Finding]:
    """Return for each head how far weights and products are from the base's.

    Raises:
        CheckpointMismatchError: Its heads cannot be told, or the models are not of one make.
    """
    heads = heads_of(model)
    return [
        _finding(model, base, heads, attention, head, side)
        for attention in attentions(model)
        for side in ("qk", "vo")
        for head in range(heads.n_heads)
    ]


def _finding(
    model: Checkpoint, base: Checkpoint, heads: Heads, attention: Attention, head: int, side: Side
) -> Finding:
    first, second = (_of_head(model, heads, attention, head, part) for part in side)
    first_base, second_base = (_of_head(base, heads, attention, head, part) for part in side)
    moved = np.linalg.norm(first - first_base) ** 2 + np.linalg.norm(second - second_base) ** 2
    size = np.linalg.norm(first_base) ** 2 + np.linalg.norm(second_base) ** 2
    left, right = np.vstack([first, -first_base]), np.vstack([second, second_base])
    return Finding(
        layer=attention.layer,
        head=head,
        side=side,
        weights=float(np.sqrt(moved / size)),
        product=_product_norm(left, right) / _product_norm(first_base, second_base),
    )


def _product_norm(left: Matrix, right: Matrix) -> float:
    """Return the norm of left^T right from products as small as a head: the large one is never made."""
    return float(np.sqrt(max(0.0, np.sum((left @ left.T) * (right @ right.T)))))


def _of_head(model: Checkpoint, heads: Heads, attention: Attention, head: int, part: str) -> Matrix:
    """Return the rows of one head of queries, or of the keys, values or outputs that go with it."""
    rows = model.read(attention.weights[part]).astype(np.float64)
    place = head if part in "qo" else heads.group(head)
    own = slice(place * heads.d_head, (place + 1) * heads.d_head)
    return rows[:, own].T if part == "o" else rows[own]


@dataclass(frozen=True)
class Recover(StructureEdit):
    """Undo a lock without its key, by least squares against the base.

    Source: the locks of MergeLock, arXiv:2509.01548; the attack is ours. Siblings stay near their base, so
    W_Q of the locked model is nearly W_Q A of the base, which gives A; values give B in the same way. Errors
    are as small as what training changed. The models come in this order: the locked one, the base.
    """

    fewest: ClassVar[int] = 2
    most: ClassVar[int | None] = 2

    def layout(self, models: Sequence[Checkpoint]) -> Layout:
        """Return the table: attention changed back, the rest as it is."""
        model, base = models
        heads, layers = heads_of(model), attentions(model)

        def find(layer: int, side: Side) -> Matrices:
            part = "q" if side == "qk" else "v"
            return np.linalg.inv(_estimate(model, base, heads, layers[layer], part))

        return rewritten(model, heads, find, digest(["recover", fingerprint(model), fingerprint(base)]))


def _estimate(model: Checkpoint, base: Checkpoint, heads: Heads, attention: Attention, part: str) -> Matrices:
    """Return for each head of keys and values the matrix that leads from the base's to the model's."""
    per_group = heads.n_heads // heads.n_kv_heads if part == "q" else 1
    name = attention.weights[part]
    before, after = (
        # (group, row of any of its heads, place in the head)
        m.read(name)
        .astype(np.float64)
        .reshape(heads.n_kv_heads, per_group, heads.d_head, -1)
        .transpose(0, 1, 3, 2)
        .reshape(heads.n_kv_heads, -1, heads.d_head)
        for m in (base, model)
    )
    pairs = heads.rotary if part == "q" else ()
    return np.stack([_fit(a, b, pairs) for a, b in zip(before, after, strict=True)])


def _fit(before: Matrix, after: Matrix, pairs: Sequence[tuple[int, int]]) -> Matrix:
    """Return the matrix of the kind that locks have for which ``before`` times it is nearest ``after``."""
    turned = {place for pair in pairs for place in pair}
    still = [place for place in range(before.shape[1]) if place not in turned]
    matrix = np.zeros((before.shape[1],) * 2)
    matrix[np.ix_(still, still)] = np.linalg.lstsq(before[:, still], after[:, still])[0]
    for i, j in pairs:
        # A pair as a complex number is turned to the other side by the transposed matrix.
        first, second = before[:, i] + 1j * before[:, j], after[:, i] + 1j * after[:, j]
        put_complex(matrix, i, j, np.conj(np.vdot(first, second) / np.vdot(first, first).real))
    return matrix

"""Siblings that mean the same: found by clustering embeddings, or by exact keys, and made one place.

Source: Wang et al. 2025, arXiv:2502.11183, section 4.1.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from calculemus.engine.requests import Embed
from calculemus.solving.tree import Growing, Merging, Place, Tree, merged

Meaning = Literal["embedding", "text", "result"]
"""What siblings must share to be one.

- ``embedding``: nearly the direction of their steps' embeddings;
- ``text``: their steps, but for capitals, white space and punctuation at the end;
- ``result``: the figures behind the equals signs of their steps, in order; the text, where there are none.
"""

Vector = Sequence[float]
_RESULT = re.compile(r"=\s*\$?(-?\d[\d,]*(?:\.\d+)?)")


def merge_equal(meaning: Meaning, threshold: float = 0.0) -> Merging:
    """Return what makes one place of siblings that mean the same.

    Whole solutions and others are never one, nor are steps with and without a text.

    Args:
        meaning: What they must share.
        threshold: Of ``embedding``, the largest mean cosine distance at which two clusters become one.
    """

    def merge(tree: Tree, groups: Sequence[Sequence[Place]]) -> Growing:
        del tree
        vectors: dict[str, Vector] = {}
        if meaning == "embedding":
            some = [place.step for group in groups if len(group) > 1 for place in group]
            texts = tuple(dict.fromkeys(step for step in some if step.strip()))
            vectors = dict(zip(texts, (yield Embed(texts)) if texts else (), strict=True))
        return [_join(group, meaning, vectors, threshold) for group in groups]

    return merge


def _join(
    group: Sequence[Place], meaning: Meaning, vectors: Mapping[str, Vector], threshold: float
) -> list[Place]:
    """Return the places that are left of siblings, in the order of their first members."""
    kinds: dict[tuple[bool, str], list[int]] = {}
    for index, place in enumerate(group):
        kinds.setdefault((place.is_final, key_of(meaning, place.step)), []).append(index)
    clusters: list[list[int]] = []
    for members in kinds.values():
        found = [vectors[group[index].step] for index in members if group[index].step in vectors]
        parts = cluster(found, threshold) if found else [list(range(len(members)))]
        clusters += [[members[place] for place in part] for part in parts]
    return [merged([group[index] for index in each]) for each in sorted(clusters)]


def key_of(meaning: Meaning, step: str) -> str:
    r"""Return what steps must have in common, besides their embeddings, to mean the same.

    Example:
        >>> key_of("text", "So  2 + 3 = 5.\n"), key_of("result", "So 2 + 3 = <<2+3=5>>5.\n")
        ('so 2 + 3 = 5', '=5')
    """
    if meaning == "embedding":
        return "text" if step.strip() else ""
    figures = [figure.replace(",", "") for figure in _RESULT.findall(step)]
    if meaning == "result" and figures:
        return "".join(f"={figure}" for figure in figures)
    return " ".join(step.casefold().split()).rstrip(" .!?;:,")


def cluster(vectors: Sequence[Vector], threshold: float) -> list[list[int]]:
    """Group vectors by average linkage on their cosine distances.

    A vector of length 0 is at distance 1 from all others.

    Args:
        vectors: Of one length each.
        threshold: Clusters become one whose mean distance, from 0 to 2, is at most this.

    Returns:
        Indices by cluster; clusters and indices in order of appearance.

    Example:
        >>> cluster([(1, 0), (0, 1), (0.99, 0.1)], 0.15)
        [[0, 2], [1]]
    """
    if len(vectors) < 2:
        return [[index] for index in range(len(vectors))]
    import numpy as np  # neither is loaded before it is needed: the catalog reads this module's methods
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    rows = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(lengths > 0, lengths, 1.0)
    distances = np.clip(1 - unit @ unit.T, 0.0, 2.0)
    labels = fcluster(linkage(squareform(distances, checks=False), "average"), threshold, "distance")
    groups: dict[int, list[int]] = {}
    for index, label in enumerate(labels.tolist()):
        groups.setdefault(label, []).append(index)
    return list(groups.values())

"""Values of token prefixes, counted: of the sampled solutions that begin so, the share that is correct.

Source: Lee et al. 2024, arXiv:2407.12863 (TVM), section 3.1: the value behind token n of a solution is the
number of correct samples that share its first n tokens over the number of all that do. Behind the last token
that two samples share, that is the sample's own outcome.
"""

from collections.abc import Sequence

from calculemus.errors import InvalidParameterError
from calculemus.events import note

FLAT = "trie is flat: values are outcomes"


class PrefixTrie:
    """Counts the samples of one problem by what they begin with; takes memory for each different prefix once.

    Example:
        >>> trie = PrefixTrie()
        >>> trie.add([5, 1], True)
        >>> trie.add([5, 2], False)
        >>> trie.labels([5, 2])
        (0.5, 0.0)
    """

    def __init__(self) -> None:
        self._following: dict[tuple[int, int], int] = {}
        self._n_samples = [0]
        self._n_correct = [0]

    def __len__(self) -> int:
        """Return the number of different prefixes, the empty one included."""
        return len(self._n_samples)

    @property
    def root(self) -> float:
        """The share of all samples that is correct.

        Raises:
            InvalidParameterError: There is no sample.
        """
        return self._share(0, ())

    @property
    def is_flat(self) -> bool:
        """Whether there are two samples or more, and no two share their first token."""
        return self._n_samples[0] > 1 and not any(n > 1 for n in self._n_samples[1:])

    def add(self, ids: Sequence[int], is_correct: bool, count: int = 1) -> None:
        """Count a sample.

        Args:
            ids: Its tokens behind the prompt.
            is_correct: Its outcome.
            count: How many equal samples it stands for.
        """
        node = 0
        self._count(node, is_correct, count)
        for token in ids:
            following = self._following.get((node, token))
            if following is None:
                following = len(self._n_samples)
                self._following[node, token] = following
                self._n_samples.append(0)
                self._n_correct.append(0)
            node = following
            self._count(node, is_correct, count)

    def _count(self, node: int, is_correct: bool, count: int) -> None:
        self._n_samples[node] += count
        self._n_correct[node] += count * is_correct

    def labels(self, ids: Sequence[int]) -> tuple[float, ...]:
        """Return the value behind each token of a list.

        Raises:
            InvalidParameterError: No sample begins with these tokens.
        """
        node, values = 0, []
        for place, token in enumerate(ids):
            node = self._following.get((node, token), -1)
            values.append(self._share(node, ids[: place + 1]))
        return tuple(values)

    def counts(self, ids: Sequence[int]) -> tuple[int, int]:
        """Return how many samples begin with these tokens, and how many of them are correct."""
        node = 0
        for token in ids:
            node = self._following.get((node, token), -1)
            if node < 0:
                return 0, 0
        return self._n_samples[node], self._n_correct[node]

    def _share(self, node: int, ids: Sequence[int]) -> float:
        if node < 0 or not self._n_samples[node]:
            raise InvalidParameterError(
                f"reading the value of a prefix: no sample begins with the {len(ids)} tokens "
                f"{list(ids[:8])}; expected tokens of a sample that was added. Add it first"
            )
        return self._n_correct[node] / self._n_samples[node]


def token_labels(
    samples: Sequence[Sequence[int]], outcomes: Sequence[bool], counts: Sequence[int] | None = None
) -> list[tuple[float, ...]]:
    """Return the labels of each sample of one problem; say so where no two share anything.

    Args:
        samples: Tokens behind the prompt.
        outcomes: Whether each is correct.
        counts: How many equal samples each stands for; 1 if not given.
    """
    trie = PrefixTrie()
    for ids, is_correct, count in zip(samples, outcomes, counts or [1] * len(samples), strict=True):
        trie.add(ids, is_correct, count)
    if trie.is_flat:
        note(f"{FLAT}. {len(samples)} samples share no first token; expected samples of one prompt template")
    return [trie.labels(ids) for ids in samples]

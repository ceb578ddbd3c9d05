"""OVM: a beam over steps, led by a verifier that was trained on outcomes alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from calculemus.errors import InvalidParameterError
from calculemus.params import AtLeast
from calculemus.solving.beam import beam_search
from calculemus.solving.drawing import refuse_identical
from calculemus.solving.scheme import Scheme
from calculemus.solving.searching import Search, Searching
from calculemus.solving.tree import Place, Tree, best, distinct


@dataclass(frozen=True)
class Ovm(Searching):
    """Keep the partial solutions that a verifier thinks most likely to end right.

    Source: Yu et al. 2023, arXiv:2311.09724, section 3 and algorithm 1. A verifier trained on outcomes by
    squared error tends to the chance of a right end given the steps so far, which is what a search wants.
    Steps are drawn from each beam alike; whole solutions stay in the pool.

    Attributes:
        candidates: Next steps in all that a round draws (K).
        beams: Partial solutions that are kept (b).
        distinct: Repeats of a text come behind all others.
        depth: Most steps of a solution; public code: 10.
    """

    candidates: Annotated[int, AtLeast(1)] = 20  # paper, section 4.1: K from 20 to 100
    beams: Annotated[int, AtLeast(1)] = 5
    distinct: bool = True  # public code: dedup=1

    scheme: ClassVar[Scheme] = Scheme("tree", "beam", ("generate", "evaluate", "prune"), ("value",))

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_identical(self, self.candidates // self.beams, self.temperature, "candidates / beams")
        if self.candidates % self.beams:
            raise InvalidParameterError(
                f"{type(self).__name__}: parameters candidates={self.candidates} and beams={self.beams} do "
                "not go together; expected candidates that are a multiple of the beams, since each beam draws "
                "as many. Change one of them"
            )

    def search(self, tree: Tree) -> Search:
        """Grow the tree, a step a round."""
        keep = _first_copies if self.distinct else best
        yield from beam_search(tree, self.candidates, self.beams, self.depth, keep)


def _first_copies(places: Sequence[Place], n: int) -> list[Place]:
    """Return the ``n`` best places, those that say what another one says behind all others."""
    first = distinct(best(places, len(places)))
    chosen = {id(place) for place in first}
    return [*first, *best([place for place in places if id(place) not in chosen], len(places))][:n]

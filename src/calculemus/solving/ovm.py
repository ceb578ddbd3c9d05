"""OVM: a beam over steps, led by a verifier that was trained on outcomes alone."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from calculemus.params import AtLeast
from calculemus.solving.beam import beam_search, first_copies, refuse_uneven
from calculemus.solving.scheme import Scheme
from calculemus.solving.searching import Search, Searching
from calculemus.solving.tree import Tree, best


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
        refuse_uneven(self, self.candidates, self.beams, self.temperature)

    def search(self, tree: Tree) -> Search:
        """Grow the tree, a step a round."""
        keep = first_copies if self.distinct else best
        yield from beam_search(tree, self.candidates, self.beams, self.depth, keep)

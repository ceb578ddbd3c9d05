"""TVM: a beam over steps, led by a verifier that was trained on labels of tokens."""

from dataclasses import dataclass
from typing import Annotated

from calculemus.params import AtLeast
from calculemus.solving.ovm import Ovm


@dataclass(frozen=True)
class Tvm(Ovm):
    """Keep the partial solutions of which most continuations end right, by a verifier that learned to tell.

    Source: Lee et al. 2024, arXiv:2407.12863, sections 3 and 4. The search is that of ``ovm``; what differs
    is the head: a token's label is the share of right ends among all samples that begin with the tokens up
    to it (``prefix_trie.token_labels``).

    Attributes:
        heads: Names of the engine's value heads, joined by ``+``; an engine with one head answers to
            ``value``.
        candidates: Next steps in all that a round draws (K).
        beams: Partial solutions that are kept (b).
    """

    heads: str = "tvm"
    candidates: Annotated[int, AtLeast(1)] = 40  # paper, section 5: K = 40
    beams: Annotated[int, AtLeast(1)] = 10  # paper, section 5: b = 10

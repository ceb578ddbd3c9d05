"""AlphaMath: a search over steps of text and code, led by values that were learned from final answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from calculemus.errors import EngineCapabilityError, InvalidParameterError
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solving.context import Context
from calculemus.solving.drawing import refuse_identical
from calculemus.solving.interpreted import run_code
from calculemus.solving.mcts import mcts, puct
from calculemus.solving.scheme import Scheme
from calculemus.solving.scoring import to_weights
from calculemus.solving.searching import Search, Searching
from calculemus.solving.step_beam import step_beam_search
from calculemus.solving.steps import StepKind
from calculemus.solving.tree import Place, Tree

_SLACK = 1e-6  # single precision rounds tanh to a little beyond 1 in a mean of heads


@dataclass(frozen=True)
class AlphaMath(Searching):
    """Search with a value model on the scale from -1, wrong, to 1, right.

    Source: Chen et al. 2024, arXiv:2405.03553, sections 3.2 and 3.4. Steps of code are run as they are
    written, and their output goes on behind them. Wholes without an answer and dead ends are worth -1.

    Attributes:
        strategy: ``step_beam`` keeps the best few partial solutions; ``mcts`` simulates, going by values and
            by how likely steps are (PUCT).
        beams: Partial solutions that the beam keeps (B1).
        children: Next steps drawn from each place (B2).
        simulations: Ways from the root to a leaf, of ``mcts``.
        exploration: Weight of the likelihood of steps in ``mcts`` (c_puct).
        max_errors: Blocks of code that may fail in a row before a place is given up.
        values: What the value head says: ``signed`` from -1 to 1, ``unit`` from 0 to 1. All other scores are
            taken to 0..1 first.
    """

    temperature: Annotated[float, AtLeast(0)] = 0.6  # public code, beam; 1.0 in the tree
    step: StepKind = "code"
    step_tokens: Annotated[int, AtLeast(1)] = 256
    depth: Annotated[int, AtLeast(1)] = 10  # public code, beam; 8 in the tree
    strategy: Literal["step_beam", "mcts"] = "step_beam"
    beams: Annotated[int, AtLeast(1)] = 3  # repository: from 1 to 5
    children: Annotated[int, AtLeast(1)] = 5  # public code
    simulations: Annotated[int, AtLeast(1)] = 40  # public code
    exploration: Annotated[float, AtLeast(0)] = 1.5  # public code; 1.25 in the paper, as far as is known
    max_errors: Annotated[int, AtLeast(1)] = 3  # public code
    values: Literal["signed", "unit"] = "signed"

    scheme: ClassVar[Scheme] = Scheme(
        "tree", "beam", ("generate", "execute", "evaluate", "prune"), ("value",)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_identical(self, self.children, self.temperature, "children")

    @property
    def template(self) -> str:
        """Name of the template that the root is made of: with code, that of tool-integrated reasoning."""
        return "tir" if self.step == "code" else "cot"

    def plant(self, problem: Problem, ctx: Context) -> Tree:
        """Return the tree of a problem, with its root alone.

        Raises:
            EngineCapabilityError: ``mcts`` on an engine that gives no log-probabilities.
        """
        if self.strategy == "mcts" and not ctx.capabilities.logprobs:
            raise EngineCapabilityError(
                "alphamath by 'mcts': the engine gives no log-probabilities of samples; expected them, "
                "as the search goes by how likely steps are. Take strategy=step_beam, or another engine"
            )
        act = run_code(self.max_errors) if self.step == "code" else None
        return replace(super().plant(problem, ctx), act=act, revalue=self._signed)

    def search(self, tree: Tree) -> Search:
        """Grow the tree."""
        if self.strategy == "mcts":
            rule = puct(self.exploration)
            yield from mcts(tree, self.simulations, self.children, rule, depth=self.depth)
        else:
            yield from step_beam_search(tree, self.beams, self.children, self.depth)

    def weights(self, places: Sequence[Place]) -> list[float]:
        """Return what the votes of places weigh: their values as probabilities."""
        return [(1 + (-1.0 if place.value is None else place.value)) / 2 for place in places]

    def _signed(self, place: Place, score: float) -> float:
        """Return what a place is worth, from -1 to 1.

        Raises:
            InvalidParameterError: The value head's scale is another one.
        """
        if place.is_closed or (place.is_final and place.answer is None):
            return -1.0
        is_signed = self.scorer == "value" and self.values == "signed"
        low = -1.0 if is_signed else 0.0
        value = score if self.scorer == "value" else to_weights(self.scorer, [score])[0]
        if not low - _SLACK <= value <= 1 + _SLACK:
            raise InvalidParameterError(
                f"alphamath: the value head '{self.heads}' says {value:g}; expected {low:g} to 1 with "
                f"values={self.values}. Take a head that was trained on that scale: with tanh for 'signed', "
                "with a sigmoid for 'unit'"
            )
        value = min(1.0, max(low, value))
        return value if is_signed else 2 * value - 1

"""Claims: what a paper says of its method, as a small experiment.

A claim's file stands beside the method as ``<id>_claim.py`` and defines ``CLAIM``:

    def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
        return lab.solve(arm, lab.problems(smoke="generated:level=4,n=24", small="generated:level=4,n=300"))

    VOTE = Contrast("a vote of 8 against one chain", baseline="cot", treatment="vote:n=8")
    CLAIM = Claim(contrasts=(VOTE,), control=VOTE.without_treatment(), measure=measure)

The runner does the statistics and gives the verdict.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol, Self

from calculemus.cost import Cost
from calculemus.errors import ClaimError

if TYPE_CHECKING:
    from calculemus.engine.base import Engine
    from calculemus.problems.problemset import ProblemSet

Size = Literal["smoke", "small", "real"]
Direction = Literal["higher", "lower", "equal"]
Metric = Callable[[bool, Cost], float]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one arm of an experiment came to.

    Attributes:
        outcomes: For each unit (a problem, a tensor, a task) its figures, one for each seed.
        cost: Of all of them together.
    """

    outcomes: Mapping[str, tuple[float, ...]]
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, slots=True)
class Contrast:
    """A treatment held against a baseline on the same units.

    Attributes:
        name: What is compared, for people.
        baseline: Method that the treatment is held against, such as ``cot`` or ``task_arithmetic:scale=0.4``.
        treatment: The method in question.
        direction: Where its figures should come out against the baseline's.
        margin: How far they may differ and still count as ``equal``; how far they must differ otherwise.
        metric: What the figures are.
        on: Which of several sets of units, in the words of the claim's own ``measure``.
    """

    name: str
    baseline: str
    treatment: str
    direction: Direction = "higher"
    margin: float = 0.0
    metric: str = "accuracy"
    on: str = ""

    def without_treatment(self) -> Self:
        """Return the baseline held against itself, where it cannot be better: a control."""
        name = f"control: {self.baseline} against itself"
        direction = "higher" if self.direction == "equal" else self.direction
        return replace(self, name=name, treatment=self.baseline, direction=direction, margin=0.0)


class Lab(Protocol):
    """What a claim works with; the runner brings it.

    Attributes:
        size: ``smoke`` takes seconds, ``small`` minutes, ``real`` runs on the user's model and problems.
        seeds: Seeds to measure with, one figure of a unit for each.
    """

    size: Size
    seeds: tuple[int, ...]

    def problems(self, *, smoke: str, small: str) -> "ProblemSet":
        """Return the problems of this size: of two sets by name, or those that the user gave."""
        ...

    def solve(
        self,
        solver: str,
        problems: "ProblemSet",
        *,
        metric: Metric | None = None,
        engine: "Engine | None" = None,
        grader: str | None = None,
    ) -> Measured:
        """Have a solver answer problems, once for each seed.

        Args:
            solver: ``NAME[:param=value,...]``.
            problems: What to answer.
            metric: Figure of one answer, from whether it is right and what it cost; by default 1 or 0.
            engine: A model of the claim's own; by default the user's, or the one that ships.
            grader: Name of a grader profile; None for the default.
        """
        ...

    def model(self, *verifiers: str) -> "Engine":
        """Return the model that solvers run on by default.

        Args:
            verifiers: Names of verifiers to put beside it, as in ``tiny+ovm``; made first, where there are
                none, which takes minutes.
        """
        ...


Measure = Callable[[str, Contrast, Lab], Measured]
"""Takes an arm (a contrast's baseline or treatment), the contrast, and a lab."""


@dataclass(frozen=True)
class Claim:
    """What is to be measured.

    Attributes:
        contrasts: The first one is the claim; the others are shown beside it.
        control: A contrast in which the claim must not hold; see ``Contrast.without_treatment``.
        measure: Gives the figures of one arm.

    Raises:
        ClaimError: It has no contrast or no control, or a control that claims equality with itself.
    """

    contrasts: tuple[Contrast, ...]
    control: Contrast
    measure: Measure

    def __post_init__(self) -> None:
        if not self.contrasts or not all(isinstance(part, Contrast) for part in self.contrasts):
            raise ClaimError(
                f"making a claim: its contrasts are {self.contrasts!r}; expected at least one Contrast, the "
                "claim itself first"
            )
        if not isinstance(self.control, Contrast):
            raise ClaimError(
                f"making a claim: its control is {self.control!r}; expected a Contrast in which the claim "
                "cannot hold, such as contrast.without_treatment()"
            )
        if self.control.direction == "equal" and self.control.baseline == self.control.treatment:
            raise ClaimError(
                "making a claim: its control holds the baseline against itself and asks for equality, which "
                "always holds; expected a control with an arm that differs"
            )

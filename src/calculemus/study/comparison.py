"""The result of comparing systems on one problem set, ready to print, store or draw."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from calculemus.solution import Trace


@dataclass(frozen=True, slots=True)
class SystemResult:
    """One system's line.

    Attributes:
        name: As given on the command line, or the field of the recorded file.
        run: The run's key in the store.
        n: Problems counted.
        n_samples: Graded samples over all problems.
        correct: Samples graded correct (of problems, where each has one sample).
        accuracy: Mean over problems of the share of correct samples, 0..1.
        ci_low: Lower end of its 95 % interval.
        ci_high: Upper end.
        ci_method: How the interval was made.
        unparsed: Samples without a decidable answer.
        errors: Samples on which the system failed.
        cost: Mean over problems by name of the cost (``tokens_out``, ``flops``, ...), known ones only.
        on_front: Whether it stands on the accuracy-cost Pareto front; None where no cost is known.
    """

    name: str
    run: str
    n: int
    n_samples: int
    correct: int
    accuracy: float
    ci_low: float
    ci_high: float
    ci_method: str
    unparsed: int
    errors: int
    cost: Mapping[str, float] = field(default_factory=dict)
    on_front: bool | None = None


@dataclass(frozen=True, slots=True)
class PairResult:
    """Two systems on the same problems; ``delta`` is accuracy of ``b`` minus accuracy of ``a``.

    Attributes:
        a: The first system's name, the baseline where it is one.
        b: The other's.
        n: Problems that both were graded on.
        only_a: Problems that only ``a`` solved (single samples; None with several).
        only_b: Problems that only ``b`` solved.
        delta: Difference of accuracies, -1..1.
        ci_low: Lower end of its 95 % interval.
        ci_high: Upper end.
        ci_method: How the interval was made.
        p_value: Two-sided, exact McNemar for single samples.
        p_method: How it was made.
        p_holm: Holm-corrected over the comparisons with the baseline; None for the other pairs.
        visible: Smallest difference that this many problems show with 80 % power at this discordance.
    """

    a: str
    b: str
    n: int
    only_a: int | None
    only_b: int | None
    delta: float
    ci_low: float
    ci_high: float
    ci_method: str
    p_value: float
    p_method: str
    p_holm: float | None
    visible: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Systems on one problem set, under one grader.

    Attributes:
        problems: The problem set's name, for example ``gsm8k:test``.
        n: Problems compared on.
        grader: ``name@version``.
        baseline: Name of the system that the others are compared with.
        systems: One line each, in the order given.
        pairs: Every pair, pairs with the baseline first.
        notes: What a reader must know: problems left out, systems that miss some.
    """

    problems: str
    n: int
    grader: str
    baseline: str
    systems: tuple[SystemResult, ...]
    pairs: tuple[PairResult, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dictionaries."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Comparison":
        """Read back what ``to_json`` returned."""
        return cls(
            **{
                **value,
                "systems": tuple(SystemResult(**row) for row in value["systems"]),
                "pairs": tuple(PairResult(**row) for row in value["pairs"]),
                "notes": tuple(value["notes"]),
            }
        )


@dataclass(frozen=True, slots=True)
class SampleView:
    """One graded sample, as the report's drill-down shows it.

    Attributes:
        outcome: Of the verdict.
        extracted: What the grader took for the answer.
        how: The rule that decided.
        response: What was graded; None where the system gave nothing.
        seconds: Of grading; None where unknown.
        failure: Why there is no response, as one line.
        truncated: Whether a limit cut it short.
        cost: What it took, by name of the cost, known ones only.
        trace: How the system got there; empty where that is the response itself.
    """

    outcome: str
    extracted: str | None
    how: str
    response: str | None
    seconds: float | None = None
    failure: str | None = None
    truncated: bool = False
    cost: Mapping[str, float] = field(default_factory=dict)
    trace: Trace = field(default_factory=Trace)


@dataclass(frozen=True, slots=True)
class ProblemView:
    """One problem with every system's samples, in the order of the comparison's systems.

    Attributes:
        id: The problem's id.
        question: Its question.
        answer: Its gold.
        solution: Its worked solution, if any.
        steps: Number of steps of the worked solution; None where unknown.
        samples: For each system its graded samples; empty where it has none.
        prompts: For each system what it asked its model first; None where that is not known. Empty where it
            is known of none.
    """

    id: str
    question: str
    answer: str
    solution: str | None
    steps: int | None
    samples: tuple[tuple[SampleView, ...], ...]
    prompts: tuple[str | None, ...] = ()

"""MergeBench: how much of their experts merges keep, what they forget of the base, and what they take."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from calculemus.catalog import load
from calculemus.checkpoint import Checkpoint
from calculemus.cost import Cost
from calculemus.errors import CalculemusError
from calculemus.events import note, track
from calculemus.merging.bench_cost import taking
from calculemus.merging.bench_making import Made, make, make_tuned, method_of, runnable, why_not
from calculemus.merging.bench_panel import Panel
from calculemus.merging.bench_scoring import Scores, check_experts, forgetting, normalised
from calculemus.params import AtLeast, Configured, digest
from calculemus.rng import Rng
from calculemus.stats import Estimate, PairedEstimate
from calculemus.tuning.tasks import measure
from calculemus.tuning.weights import Weights, carrying, read_weights

TUNED = "task_arithmetic, tuned"
AVERAGE = "uniform average"


@dataclass(frozen=True)
class Row:
    """What one model came to.

    Attributes:
        name: Of the base, an expert, or a method.
        method: The method with its settings; empty for base and experts.
        accuracies: On each task, then on each ability.
        normalised: Mean over tasks of accuracy relative to the task's expert.
        forgetting: Accuracy on the base's abilities that is gone; None where none were measured.
        cost: Seconds, tuning included, peak bytes, bytes read and written; unknown for base and experts.
        outcomes: Names by content which problems were solved.
    """

    name: str
    method: str
    accuracies: Mapping[str, float]
    normalised: Estimate
    forgetting: PairedEstimate | None
    cost: Cost
    outcomes: str


@dataclass(frozen=True)
class Skipped:
    """A method that did not run, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class MergeBench(Configured):
    """Measure methods on experts made from one base: a row for the base, each expert, and each method.

    Source: He et al. 2025, arXiv:2505.10833: accuracy of the merged model over that of each task's expert,
    averaged over tasks; forgetting on abilities of the base; wall-clock time with tuning. Peak memory and
    bytes read and written are ours. Each method runs at its defaults, and task arithmetic also at the best
    scale on rows that are kept apart for that.

    Attributes:
        methods: Names with settings, as in ``ties:density=0.5``; none for all of the catalog that can run.
        scales: That tuned task arithmetic chooses from.
        is_data_free: Of the catalog, leave out the methods that look at data; some of them train for minutes.
        seed: Of the methods' draws, and of resampling.
    """

    methods: tuple[str, ...] = ()
    scales: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
    is_data_free: bool = False
    seed: Annotated[int, AtLeast(0)] = 0

    def rows(self, panel: Panel, *folders: Path) -> Iterator[Row | Skipped]:
        """Yield the rows of a panel: base, experts, uniform average, tuned task arithmetic, methods.

        Args:
            panel: Models and what they are measured on.
            folders: More folders with cards of methods.

        Raises:
            CardError: There is no method of a given name.
            InvalidParameterError: A method lacks a setting, or an expert has learned nothing.
        """
        for text in self.methods:
            method_of(text, *folders)  # what is misspelt is told before any work
        bench = _Bench(panel, self.seed)
        yield bench.row("base", read_weights(panel.base))
        for task, expert in zip(panel.tasks, panel.experts, strict=True):
            yield bench.row(f"expert: {task.name}", read_weights(expert))
        with TemporaryDirectory() as work:
            folder = Path(work) / "merged"

            def tune() -> Made:
                return make_tuned(panel, "task_arithmetic:scale={}", self.scales, folder, self.seed)

            def by(text: str) -> Callable[[], Made]:
                return lambda: make(panel, text, folder, self.seed, *folders)

            _remove(by("linear")().model)  # what is loaded at the first merge counts for no method
            yield bench.merged(AVERAGE, by("linear"))
            yield bench.merged(TUNED, tune)
            for text in track(self.methods or self._able(panel, *folders), "benching merges"):
                yield text if isinstance(text, Skipped) else bench.merged(text, by(text))

    def _able(self, panel: Panel, *folders: Path) -> list[str | Skipped]:
        """Return the catalog's methods that take so many experts, and the others with the reason."""
        found: list[str | Skipped] = []
        for card in runnable(*folders):
            if card.id == "linear" or (self.is_data_free and card.interface != "TensorMerge"):
                continue
            try:
                reason = why_not(load(card), len(panel.experts))
            except CalculemusError as error:
                reason = str(error)
            found.append(Skipped(card.id, reason) if reason else card.id)
        return found


@dataclass
class _Bench:
    """A panel, and what its base and experts came to."""

    panel: Panel
    seed: int
    experts: Scores = field(init=False)
    base: Scores = field(init=False)

    def __post_init__(self) -> None:
        model, panel = self.panel.model(), self.panel
        found = {}
        for task, expert in zip(panel.tasks, panel.experts, strict=True):
            with carrying(model, read_weights(expert)):
                found |= measure(model, [task], "test")
        check_experts(found)
        self.experts = found
        self.base = measure(model, panel.abilities, "test")

    def row(self, name: str, weights: Weights, method: str = "", cost: Cost | None = None) -> Row:
        """Return what a model with some weights came to."""
        model, panel = self.panel.model(), self.panel
        with carrying(model, weights):
            scores = measure(model, [*panel.tasks, *panel.abilities], "test")
        rng = Rng(self.seed, ("mergebench", "bootstrap"))
        return Row(
            name=name,
            method=method,
            accuracies={task: score.accuracy for task, score in scores.items()},
            normalised=normalised(scores, self.experts, rng),
            forgetting=forgetting(scores, self.base, rng),
            cost=cost or Cost(),
            outcomes=digest([sorted(score.outcomes.items()) for score in scores.values()]),
        )

    def merged(self, name: str, make: Callable[[], Made]) -> Row | Skipped:
        """Make a merge and return what it came to; one that cannot be made stops no other."""
        note(f"mergebench: {name}")
        try:
            with taking() as taken:
                made = make()
        except CalculemusError as error:
            return Skipped(name, str(error))
        cost = Cost(
            seconds_engine=taken.seconds,
            peak_bytes=taken.peak_bytes,
            bytes_read=made.bytes_read,
            bytes_written=made.bytes_written,
        )
        weights = read_weights(made.model)
        _remove(made.model)
        return self.row(name, weights, made.method, cost)


def _remove(model: Checkpoint) -> None:
    """Take a merged model away: the disk holds one at a time."""
    shutil.rmtree(model.folder)
    shutil.rmtree(model.folder.with_name(f"{model.folder.name}-calibrated"), ignore_errors=True)

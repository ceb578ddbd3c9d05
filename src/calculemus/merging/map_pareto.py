"""MAP: the trade-offs between tasks that merging coefficients allow, from few tried merges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from calculemus.errors import InvalidParameterError
from calculemus.events import note
from calculemus.merging.calibration import Calibrated, CalibratedMerge, Trial
from calculemus.merging.fronts import search_front, spread
from calculemus.merging.polar import Bins
from calculemus.merging.surrogate import QuadraticFit, fit_quadratic, n_unknowns
from calculemus.merging.task_arithmetic import TaskArithmetic
from calculemus.merging.tries import Counted, Front, Tried, r_squared, score_of
from calculemus.params import AtLeast, Between

if TYPE_CHECKING:
    from calculemus.tuning.blending import Blend

Array = NDArray[np.float64]
_EDGE = 0.005


@dataclass(frozen=True)
class MapPareto(CalibratedMerge):
    """Fit a quadratic to each task's score over few tried merges, and search the trade-offs on these.

    Source: Li et al. 2024, arXiv:2406.07529, sections 3 and 4, with the settings of its public code. The
    search stays within the coefficients that were tried. The fits are ridge regressions behind the inverse
    sigmoid, and some trade-offs that they promise are measured.

    Attributes:
        variant: ``plain`` tries merges at random; ``bayesian`` tries them in rounds, more of them where the
            fits are off; ``nested`` merges two models at a time, then what came of it.
        n_points: Merges that a fit is made of; twice as many as it has unknowns if not given.
        n_checks: Trade-offs by the fits that are measured.
        most: Largest coefficient that is tried.
        ridge: Of the fits.
        rounds: Of the Bayesian variant.
        temperature: Of its choice where to try next.
        population: Of NSGA-III.
        generations: Of NSGA-III.
        preference: What each task is worth, for the one merge that ``calibrate`` chooses; alike if empty.
    """

    quick: ClassVar[Mapping[str, Any]] = {"n_checks": 2, "generations": 3, "population": 20}

    variant: Literal["plain", "bayesian", "nested"] = "plain"
    n_points: Annotated[int | None, AtLeast(3)] = None  # the paper's depends on the number of tasks
    n_checks: Annotated[int, AtLeast(0)] = 10  # our own
    most: Annotated[float, Between(0, 10, open_left=True)] = 1.0  # public code
    ridge: Annotated[float, AtLeast(0)] = 1e-4  # our own
    rounds: Annotated[int, AtLeast(1)] = 3  # public code: several
    temperature: Annotated[float, Between(0, 10, open_left=True)] = 0.07  # public code
    population: Annotated[int, AtLeast(4)] = 100  # public code
    generations: Annotated[int, AtLeast(1)] = 25  # public code; its default argument is 150
    preference: tuple[float, ...] = ()

    def calibrate(self, trial: Trial) -> Calibrated:
        """Return the measured trade-off that is preferred, with the whole front in the record."""
        found = self.front(trial)
        chosen = found.measured.points[found.measured.preferred(self._preference(len(trial.tasks)))]
        record = {
            "coefficients": found.measured.points.tolist(),
            "accuracies": found.measured.scores.tolist(),
            "predicted": found.predicted.tolist(),
            "evaluations": found.n_evaluations,
            "errors": list(found.errors),
            "r_squared": found.r_squared,
        }
        return Calibrated(
            TaskArithmetic(scale=1.0), {name: chosen.tolist() for name in trial.base_weights}, (), record
        )

    def front(self, trial: Trial) -> Front:
        """Return the trade-offs between the tasks of a trial.

        Raises:
            InvalidParameterError: There are fewer tried merges than unknowns of a fit, or for ``nested`` not
                one task for each model.
            MissingExtraError: pymoo is not installed.
        """
        if self.variant == "nested":
            return self._nested(trial)
        score = Counted(score_of(trial))
        return self._explored(score, len(trial.models), trial)

    def _explored(self, score: Counted, n: int, trial: Trial) -> Front:
        """Try merges, fit, search, and measure some of what was found."""
        n_points = self.n_points or 2 * n_unknowns(n)
        if n_points < n_unknowns(n):
            raise InvalidParameterError(
                f"{type(self).__name__}: parameter 'n_points' is {n_points} for {n} models; expected at "
                f"least {n_unknowns(n)}, as many as a quadratic has unknowns"
            )
        if self.variant == "bayesian":
            tried = self._in_rounds(score, n, n_points, trial)
        else:
            draws = trial.rng.child("map_pareto", "points", n).generator()
            tried = score(draws.uniform(0, self.most, (n_points, n)))
        _note_constant(tried)
        fits = self._fits(tried)
        points = search_front(
            lambda x: np.column_stack([fit.quadratic(x) for fit in fits]),
            tried.points.min(axis=0).tolist(),
            tried.points.max(axis=0).tolist(),
            trial.rng.child("map_pareto", "search"),
            self.population,
            self.generations,
        )
        return self._checked(points, fits, tried, score)

    def _checked(self, points: Array, fits: Sequence[QuadraticFit], tried: Tried, score: Counted) -> Front:
        """Measure trade-offs that the fits promise, spread out from the preferred one."""
        promised = np.column_stack([fit.quadratic(points) for fit in fits])
        errors = tuple(fit.mean_error(tried.scores[:, i]) for i, fit in enumerate(fits))
        if not self.n_checks:
            return Front(tried.best, points, score.n, errors)
        first = Tried(points, promised).preferred(self._preference(len(fits)))
        chosen = spread(promised, self.n_checks, first)
        checked = score(points[chosen])
        return Front(
            tried.join(checked).best, points, score.n, errors, r_squared(promised[chosen], checked.scores)
        )

    def _fits(self, tried: Tried) -> list[QuadraticFit]:
        # Half a problem of a hundred: the sigmoid never is 0 or 1.
        inside = np.clip(tried.scores, _EDGE, 1 - _EDGE)
        return [fit_quadratic(tried.points, values, "sigmoid", self.ridge) for values in inside.T]

    def _in_rounds(self, score: Counted, n: int, n_points: int, trial: Trial) -> Tried:
        """Try merges in rounds, more of them in those bins in which the fits are off."""
        bins, draws = Bins(n, self.most), trial.rng.child("map_pareto", "rounds").generator()
        n_first = n_unknowns(n)
        tried = score(np.array([bins.draw(bins.at_random(draws), draws) for _ in range(n_first)]))
        left = n_points - n_first
        for done in range(self.rounds):
            size = left * (done + 1) // self.rounds - left * done // self.rounds
            if size:
                chosen = bins.choose(tried.points, self._off(tried), size, self.temperature, draws)
                tried = tried.join(score(np.array([bins.draw(place, draws) for place in chosen])))
        return tried

    def _off(self, tried: Tried) -> Array:
        """Return for each tried merge how far fits without it are off, over all tasks; NaN where unknown."""
        left_out = np.array([fit.left_out for fit in self._fits(tried)], np.float64)
        return np.abs(left_out - tried.scores.T).sum(axis=0)

    def _nested(self, trial: Trial) -> Front:
        """Merge two models at a time for their own tasks, then two of what came of it."""
        list(trial.pairs("map_pareto, nested"))
        preference, blend = self._preference(len(trial.tasks)), trial.blend()
        nodes = [_Node(np.eye(len(trial.models))[i], (i,)) for i in range(len(trial.models))]
        n_evaluations = 0
        plain = replace(self, variant="plain", preference=())
        front: Front | None = None
        while len(nodes) > 1:
            merged = []
            for a, b in zip(nodes[::2], nodes[1::2], strict=False):
                front = plain._of_two(a, b, trial, blend, preference)
                n_evaluations += front.n_evaluations
                worth = preference[list(a.tasks + b.tasks)]
                best = front.measured.points[front.measured.preferred(worth)]
                merged.append(_Node(best, a.tasks + b.tasks))
            nodes = [*merged, *nodes[len(nodes) - len(nodes) % 2 :]]
        if front is None:
            raise InvalidParameterError(
                "map_pareto, nested: there is one model; expected two or more. Take the plain variant"
            )
        return replace(front, n_evaluations=n_evaluations)

    def _of_two(self, a: "_Node", b: "_Node", trial: Trial, blend: "Blend", preference: Array) -> Front:
        """Return the front of two merges' coefficients, told by the coefficients of the models."""
        tasks = a.tasks + b.tasks
        measure = score_of(replace(trial, tasks=[trial.tasks[i] for i in tasks]), blend)
        outer = np.stack([a.coefficients, b.coefficients])
        # Two scores to fit: what each side's tasks are worth to the user, taken together.
        shares = np.zeros((2, len(tasks)))
        shares[0, : len(a.tasks)] = preference[list(a.tasks)]
        shares[1, len(a.tasks) :] = preference[list(b.tasks)]
        shares /= shares.sum(axis=1, keepdims=True)
        taken: dict[bytes, Array] = {}

        def score(pair: Array) -> Array:
            taken[pair.tobytes()] = measure(pair @ outer)
            return shares @ taken[pair.tobytes()]

        found = self._explored(Counted(score), 2, trial)
        pairs = found.measured.points
        full = Tried(pairs @ outer, np.array([taken[pair.tobytes()] for pair in pairs]))
        return replace(
            found, measured=full, predicted=found.predicted @ outer, n_evaluations=len(taken) * len(tasks)
        )

    def _preference(self, n_tasks: int) -> Array:
        if self.preference and (len(self.preference) != n_tasks or min(self.preference) <= 0):
            raise InvalidParameterError(
                f"{type(self).__name__}: parameter 'preference' is {self.preference} for {n_tasks} tasks; "
                "expected a number above 0 for each task"
            )
        worth = np.array(self.preference or [1.0] * n_tasks)
        return worth / worth.sum()


@dataclass(frozen=True)
class _Node:
    """A merge, and the tasks it is for."""

    coefficients: Array
    tasks: tuple[int, ...]


def _note_constant(tried: Tried) -> None:
    constant = np.flatnonzero(np.ptp(tried.scores, axis=0) == 0).tolist()
    if constant:
        note(
            f"map_pareto: all {len(tried.points)} merges are worth the same on {len(constant)} of "
            f"{tried.scores.shape[1]} scores: there is nothing to trade off on these"
        )

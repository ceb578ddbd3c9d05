"""Aptitude tests: what a model can do, as its share of right answers by task, measured once and kept.

A test is a problem set whose problems are dealt into tasks. Two profiles can be compared only where they come
from the same test: the same problems in the same tasks, the same solver, the same grader.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from calculemus.cost import Cost, Meter
from calculemus.engine.base import Engine
from calculemus.engine.scheduler import Scheduler
from calculemus.errors import InvalidParameterError, ProblemError
from calculemus.events import note
from calculemus.grading import get_grader
from calculemus.grading.base import Grader, grader_id
from calculemus.params import digest
from calculemus.problem import Problem
from calculemus.solving.base import Solver
from calculemus.solving.cot import Cot
from calculemus.stats import proportion

FEW_SHOTS = 5
TASK = "task"
"""The fact of a problem that names its task."""


@dataclass(frozen=True)
class Profile:
    """What one model can do.

    Attributes:
        engine: Its name.
        test: The version of the test that it took.
        right: How many answers were right, by task.
        shots: How many were asked for, by task.
        cost: What an answer costs on average, in tokens that it samples or in units of the user's own.
    """

    engine: str
    test: str
    right: tuple[int, ...]
    shots: tuple[int, ...]
    cost: float = 0.0

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of right answers by task, drawn a little towards a half where there were few."""
        return tuple((right + 1) / (n + 2) for right, n in zip(self.right, self.shots, strict=True))


@dataclass(frozen=True)
class Answered:
    """A profile, and which problems of the test were right: what a router learns from."""

    profile: Profile
    right: dict[str, bool]
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True)
class AptitudeTest:
    """Problems in tasks.

    Attributes:
        tasks: Problems by the task's name.
        solver: How models answer.
        grader: What is right.

    Raises:
        ProblemError: There is no task, or one has no problem.
    """

    tasks: dict[str, tuple[Problem, ...]]
    solver: Solver = field(default_factory=Cot)
    grader: Grader = field(default_factory=lambda: get_grader("default"))

    def __post_init__(self) -> None:
        empty = [name for name, problems in self.tasks.items() if not problems]
        if empty or not self.tasks:
            raise ProblemError(
                f"making an aptitude test: it has {len(self.tasks)} tasks and no problems in "
                f"{', '.join(empty) or 'any'}; expected a problem in each. Add some, or leave the task out"
            )

    @classmethod
    def of(cls, problems: Iterable[Problem], shots: int = 20, solver: Solver | None = None) -> "AptitudeTest":
        """Deal problems into tasks by ``meta["task"]``, the first ``shots`` of each.

        Raises:
            ProblemError: A problem names no task.
        """
        tasks: dict[str, list[Problem]] = {}
        for problem in problems:
            name = problem.meta.get(TASK)
            if not isinstance(name, str):
                raise ProblemError(
                    f"making an aptitude test: the problem '{problem.id}' has the {TASK} {name!r} in its "
                    "meta; expected a name. Say of each problem what task it belongs to"
                )
            if len(tasks.setdefault(name, [])) < shots:
                tasks[name].append(problem)
        return cls({name: tuple(told) for name, told in tasks.items()}, solver or Cot())

    @property
    def version(self) -> str:
        """Names the test by its content."""
        content = {
            name: [[p.id, p.question, list(p.golds)] for p in told] for name, told in self.tasks.items()
        }
        solver = [type(self.solver).__name__, self.solver.params()]
        return digest([sorted(content.items()), list(self.tasks), solver, grader_id(self.grader)])[:16]

    def take(self, engine: Engine, name: str | None = None, seed: int = 0) -> Answered:
        """Have a model take the test.

        Args:
            engine: The model.
            name: What the profile calls it; by default its own name.
            seed: Of the run.
        """
        for task, problems in self.tasks.items():
            warn_of_few(task, len(problems))
        right: dict[str, bool] = {}
        meter = Meter()
        by_id = {problem.id: problem for problems in self.tasks.values() for problem in problems}
        scheduler = Scheduler(engine, seed=seed)
        for problem_id, _, solution in scheduler.solve_all(
            self.solver, [(problem, 0) for problem in by_id.values()]
        ):
            meter.add(solution.cost)
            right[problem_id] = self.grader.grade(by_id[problem_id], solution.answer).correct
        cost = meter.total
        counts = tuple(sum(right[p.id] for p in problems) for problems in self.tasks.values())
        shots = tuple(len(problems) for problems in self.tasks.values())
        profile = Profile(
            name or engine.name, self.version, counts, shots, (cost.tokens_out or 0) / len(by_id)
        )
        return Answered(profile, right, cost)


def warn_of_few(task: str, shots: int) -> None:
    """Say how little a few answers tell."""
    if shots < FEW_SHOTS:
        half = proportion((shots + 1) // 2, shots)
        note(
            f"aptitude test: the task '{task}' has {shots} problems; expected at least {FEW_SHOTS}. The 95 % "
            f"interval of a share of a half is {100 * (half.high - half.low):.0f} points wide"
        )


def check_versions(version: str, profiles: Sequence[Profile], n_tasks: int) -> None:
    """Refuse profiles of another test.

    Raises:
        InvalidParameterError: A profile comes from another version, or has other tasks.
    """
    for profile in profiles:
        if profile.test != version or not len(profile.right) == len(profile.shots) == n_tasks:
            raise InvalidParameterError(
                f"reading capability profiles: that of '{profile.engine}' comes from the test {profile.test} "
                f"with {len(profile.right)} tasks; expected {version} with {n_tasks}. Have the model take "
                "this test"
            )


def profile_to_json(profile: Profile) -> dict[str, Any]:
    """Return a profile as JSON-like data."""
    return {**asdict(profile), "right": list(profile.right), "shots": list(profile.shots)}


def profile_from_json(data: dict[str, Any]) -> Profile:
    """Read back what ``profile_to_json`` returned."""
    return Profile(
        str(data["engine"]),
        str(data["test"]),
        tuple(map(int, data["right"])),
        tuple(map(int, data["shots"])),
        float(data["cost"]),
    )

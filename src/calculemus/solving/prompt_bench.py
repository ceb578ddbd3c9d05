"""A bench for prompts: what each scores on the development set, every evaluation paid once.

The development set chooses; the test set says once, at the end, what the choice is worth. They share nothing.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from calculemus.cost import Cost, Meter
from calculemus.engine.base import Engine
from calculemus.engine.cache import ReplyCache
from calculemus.engine.requests import Capabilities, Prompt, Sample, Sampling
from calculemus.engine.scheduler import Scheduler
from calculemus.errors import InvalidParameterError, ProblemError
from calculemus.grading import get_grader
from calculemus.grading.base import Grader
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng
from calculemus.solution import Solution
from calculemus.solving.instructing import Instructed, Place
from calculemus.solving.templates import read_template


@dataclass(frozen=True, slots=True)
class Tried:
    """One prompt on one problem.

    Attributes:
        problem: The problem.
        response: What the model wrote; None where that failed.
        is_right: Whether the grader takes it.
        is_merged: Whether the system message went into the user's turn, as the model knows no system role.
    """

    problem: Problem
    response: str | None
    is_right: bool
    is_merged: bool = False


@dataclass(frozen=True)
class Tally:
    """One prompt on several problems.

    Attributes:
        instruction: The prompt.
        tried: In the order of the problems.
    """

    instruction: str
    tried: tuple[Tried, ...]

    @property
    def score(self) -> float:
        """Share that is right."""
        return sum(self.outcomes) / len(self.tried)

    @property
    def outcomes(self) -> tuple[float, ...]:
        """1 for each right answer, 0 for each other, in the order of the problems."""
        return tuple(float(tried.is_right) for tried in self.tried)

    @property
    def failures(self) -> tuple[Tried, ...]:
        """Those that are wrong."""
        return tuple(tried for tried in self.tried if not tried.is_right)


@dataclass
class PromptBench:
    """Scores prompts on a model.

    Attributes:
        engine: The model that is asked.
        dev: Problems that prompts are chosen by.
        test: Problems that the choice is measured on.
        writer: The model that writes prompts; None for the same.
        place: Where a prompt stands.
        grader: Says what is right.
        seed: Of the run.
        cache: Replies on disk, which outlive the run; None for none.
        solver: Asks with a prompt; its instruction and place are replaced.
        n_paid: Evaluations that were paid for: a prompt on a problem.
        n_known: Evaluations that were known already.

    Raises:
        ProblemError: A problem stands in both sets.
    """

    engine: Engine
    dev: ProblemSet
    test: ProblemSet
    writer: Engine | None = None
    place: Place = "answer"
    grader: Grader = field(default_factory=lambda: get_grader("default"))
    seed: int = 0
    cache: ReplyCache | None = None
    solver: Instructed = field(default_factory=Instructed)
    n_paid: int = 0
    n_known: int = 0
    _known: dict[tuple[str, str], Tried] = field(default_factory=dict, repr=False)
    _meter: Meter = field(default_factory=Meter, repr=False)

    def __post_init__(self) -> None:
        refuse_overlap(self.dev, self.test)

    @property
    def cost(self) -> Cost:
        """What all of it cost so far."""
        return self._meter.total

    def on_dev(self, instruction: str) -> Tally:
        """Score a prompt on the development set."""
        return self.score(instruction, self.dev)

    def on_test(self, instruction: str) -> Tally:
        """Score a prompt on the test set."""
        return self.score(instruction, self.test)

    def score(self, instruction: str, problems: Sequence[Problem] | ProblemSet) -> Tally:
        """Score a prompt on problems; what was asked before is not asked again."""
        left = [problem for problem in problems if (instruction, problem.id) not in self._known]
        self.n_known += len(problems) - len(left)
        self.n_paid += len(left)
        by_id = {problem.id: problem for problem in left}
        params = {**self.solver.params(), "instruction": instruction, "place": self.place}
        solver = type(self.solver).from_params(params)
        for problem_id, _, solution in self._solve(self.engine, solver, left):
            problem = by_id[problem_id]
            self._known[instruction, problem_id] = self._tried(problem, solution)
        return Tally(instruction, tuple(self._known[instruction, problem.id] for problem in problems))

    def _tried(self, problem: Problem, solution: Solution) -> Tried:
        is_right = self.grader.grade(problem, solution.answer).correct
        is_merged = any(node.meta.get("system_merged") for node in solution.trace.nodes)
        return Tried(problem, solution.answer, is_right, is_merged)

    def write(
        self, name: str, values: Mapping[str, Mapping[str, object]], sampling: Sampling
    ) -> dict[str, str | None]:
        """Have the writer complete a template, once for each of the values.

        Args:
            name: Of the template.
            values: What fills its places, by a name that the randomness follows.
            sampling: How to draw; the template's stop texts are added.

        Returns:
            What was written by that name; None where it failed.
        """
        writer = self.writer or self.engine
        task = _Writing(name, values, sampling)
        problems = [Problem(key, "-", "-") for key in values]
        done = {key: solution.answer for key, _, solution in self._solve(writer, task, problems)}
        return {key: done[key] for key in values}

    def _solve(
        self, engine: Engine, solver: Any, problems: Sequence[Problem]
    ) -> Iterator[tuple[str, int, Solution]]:
        scheduler = Scheduler(engine, seed=self.seed, cache=self.cache)
        for problem_id, sample, solution in scheduler.solve_all(solver, [(p, 0) for p in problems]):
            self._meter.add(solution.cost)
            yield problem_id, sample, solution


@dataclass(frozen=True)
class _Writing:
    """Fills in a template for each problem, by its id."""

    name: str
    values: Mapping[str, Mapping[str, object]]
    sampling: Sampling

    def start(
        self, problem: Problem, rng: Rng, capabilities: Capabilities
    ) -> Generator[Sample, Any, Solution]:
        """Ask once."""
        del rng
        is_chat = bool(capabilities.facts.get("chat_template"))
        template = read_template(self.name)
        prompt: Prompt = template.fill(self.values[problem.id], is_chat)
        stop = (template.chat if is_chat else template.plain).stop
        params = {**self.sampling.params(), "stop": (*self.sampling.stop, *stop)}
        (completion,) = yield Sample(prompt, Sampling.from_params(params))
        return Solution(completion.text)


def refuse_overlap(dev: ProblemSet, test: ProblemSet) -> None:
    """Refuse sets that share a problem, by its id or by its question.

    Raises:
        ProblemError: They do.
    """
    questions = {_letters(problem): problem.id for problem in dev}
    ids = {problem.id for problem in dev}
    shared = [problem.id for problem in test if problem.id in ids or _letters(problem) in questions]
    if shared:
        raise ProblemError(
            f"splitting problems: '{dev.name}' and '{test.name}' share {len(shared)} problems, {shared[0]} "
            "among them; expected none: what chooses a prompt cannot measure it. Take others for the test"
        )


def _letters(problem: Problem) -> str:
    return "".join(problem.question.casefold().split())


def split(problems: ProblemSet, n_dev: int, n_test: int, rng: Rng) -> tuple[ProblemSet, ProblemSet]:
    """Deal a problem set into a development and a test set; variants of one problem stay together.

    Args:
        problems: What to deal.
        n_dev: Problems for development.
        n_test: Problems for the test.
        rng: Decides which.

    Raises:
        InvalidParameterError: There are not so many problems.
    """
    groups: dict[str, list[Problem]] = {}
    for problem in problems:
        groups.setdefault(problem.group, []).append(problem)
    if sum(map(len, groups.values())) == len(next(iter(groups.values()))):
        groups = {problem.id: [problem] for problem in problems}
    names = list(groups)
    order = [groups[names[place]] for place in rng.generator().permutation(len(names))]
    dealt = [problem for group in order for problem in group]
    if n_dev + n_test > len(dealt) or min(n_dev, n_test) < 1:
        raise InvalidParameterError(
            f"splitting '{problems.name}': it has {len(dealt)} problems; expected {n_dev} for development "
            f"and {n_test} for the test, at least 1 of each. Ask for fewer, or give more problems"
        )
    dev, rest = _cut(order, n_dev)
    test, _ = _cut(rest, n_test)
    return (
        ProblemSet(f"{problems.name} (development)", tuple(dev), problems.source),
        ProblemSet(f"{problems.name} (test)", tuple(test), problems.source),
    )


def _cut(groups: Sequence[list[Problem]], n: int) -> tuple[list[Problem], list[list[Problem]]]:
    """Take groups until there are ``n`` problems; what is left of the last group goes to nobody."""
    taken: list[Problem] = []
    for index, group in enumerate(groups):
        if len(taken) >= n:
            return taken, list(groups[index:])
        taken += group[: n - len(taken)]
    return taken, []

"""A model's own solutions of problems, sampled and graded: what verifiers are made from."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from calculemus.engine.base import Engine, Job
from calculemus.engine.requests import Completion, Prompt, Sample, Sampling
from calculemus.errors import EngineCapabilityError, EngineError, InvalidParameterError
from calculemus.events import track
from calculemus.grading import get_grader
from calculemus.params import AtLeast, Configured
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.templates import DEFAULT, read_template


@dataclass(frozen=True, slots=True)
class Attempt:
    """A solution that a model sampled.

    Attributes:
        ids: Tokens of prompt and solution, the mark of the end included where it was sampled.
        n_prompt: How many of them are the prompt's.
        text: The solution.
        is_correct: What the grader says.
        is_ended: Whether its last token is the mark of the end.
        count: How many equal samples it stands for.
    """

    ids: tuple[int, ...]
    n_prompt: int
    text: str
    is_correct: bool
    is_ended: bool = True
    count: int = 1

    @property
    def solution_ids(self) -> tuple[int, ...]:
        """The tokens of the solution."""
        return self.ids[self.n_prompt :]


@dataclass(frozen=True)
class Sampled(Configured):
    """How a model's own solutions are sampled; recipes that learn from them derive from it.

    Attributes:
        n: Samples a problem.
        temperature: Of sampling.
        max_tokens: Longest solution.
        seed: Of the samples, and of what follows from them.
    """

    n: Annotated[int, AtLeast(1)] = 16
    temperature: Annotated[float, AtLeast(0)] = 0.8
    max_tokens: Annotated[int, AtLeast(1)] = 256
    seed: Annotated[int, AtLeast(0)] = 0

    def attempts(self, engine: Engine, problems: Sequence[Problem]) -> "list[list[Attempt]]":
        """Return a model's different solutions of each problem; see ``attempt``."""
        sampling = Sampling(self.temperature, max_tokens=self.max_tokens)
        return attempt(engine, problems, sampling, self.n, Rng(self.seed, ("verifier", "samples")))


def attempt(
    engine: Engine, problems: Sequence[Problem], sampling: Sampling, n: int, rng: Rng
) -> list[list[Attempt]]:
    """Return a model's different solutions of each problem.

    What is sampled depends on the problem's id and the stream alone, not on what else is asked.

    Args:
        engine: The model; it must give token ids.
        problems: With their answers.
        sampling: How; the template's stop texts are added.
        n: Samples a problem.
        rng: Names the draws.

    Raises:
        EngineCapabilityError: The engine gives no token ids.
        EngineError: A request failed.
        InvalidParameterError: There is no problem.
    """
    if not engine.capabilities.token_ids:
        raise EngineCapabilityError(
            f"sampling solutions from {engine.name}: it gives no token ids; expected a model that runs here. "
            "Name the folder of a model"
        )
    if not problems:
        raise InvalidParameterError("sampling solutions: there are no problems; expected at least one")
    requests = [Sample(*_asked(engine, problem, sampling), n) for problem in problems]
    jobs = [
        Job(place, request, rng.child(problems[place].id).seeds(n)) for place, request in enumerate(requests)
    ]
    written = dict(track(_replies(engine, jobs), "sampling solutions", len(jobs)))
    return [
        _graded(problem, written[place], engine.count_tokens(requests[place]) or 0)
        for place, problem in enumerate(problems)
    ]


def _asked(engine: Engine, problem: Problem, sampling: Sampling) -> tuple[Prompt, Sampling]:
    facts = engine.capabilities.facts
    template = read_template("cot", facts.get("prompts", DEFAULT))
    is_chat = bool(facts.get("chat_template"))
    stop = (template.chat if is_chat else template.plain).stop
    params = {**sampling.params(), "stop": stop}
    return template.fill({"question": problem.question}, is_chat), Sampling.from_params(params)


def _replies(engine: Engine, jobs: Sequence[Job]) -> Iterator[tuple[int, tuple[Completion, ...]]]:
    """Yield the replies to jobs as they come; the engine is kept full."""
    left, n_open = deque(jobs), 0
    while left or n_open:
        while left and (engine.free_rows() > 0 or not n_open):
            engine.submit([left.popleft()])
            n_open += 1
        for done in engine.wait():
            n_open -= 1
            if done.error is not None:
                raise EngineError(f"sampling solutions: {done.error}") from done.error
            yield done.ticket, done.reply


def _graded(problem: Problem, completions: Sequence[Completion], n_prompt: int) -> list[Attempt]:
    grader = get_grader("default")
    found: dict[tuple[int, ...], Attempt] = {}
    counts: Counter[tuple[int, ...]] = Counter()
    for completion in completions:
        prefix = getattr(completion.prefix, "ids", None)
        if prefix is None or completion.ids is None:
            raise EngineError(
                f"sampling solutions of '{problem.id}': one came without token ids; expected them of a model "
                "that runs here"
            )
        counts[completion.ids] += 1
        if completion.ids not in found:
            is_correct = grader.grade(problem, completion.text).correct
            is_ended = len(prefix) < n_prompt + len(completion.ids)
            ids = (*prefix[:n_prompt], *completion.ids)
            found[completion.ids] = Attempt(ids, n_prompt, completion.text, is_correct, is_ended)
    return [replace(each, count=counts[ids]) for ids, each in found.items()]

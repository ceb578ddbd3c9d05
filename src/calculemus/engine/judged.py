"""A model with a judge beside it, which gives the values that the model itself has no head for."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from calculemus.cost import Cost
from calculemus.engine.base import Done, Engine, Job
from calculemus.engine.requests import Capabilities, EngineRequest, Value
from calculemus.engine.virtual import plain_text
from calculemus.params import digest

Judge = Callable[[str], float]


class JudgedEngine:
    """Passes requests on to an engine, and answers those for values itself.

    With a judge that knows the right answers, that errs now and then, or that tosses a coin, a method's own
    part can be told from the part of its verifier.

    Args:
        engine: Answers everything else. It stays open when this one is closed.
        judge: The value of a text, prompt and completion in one.
        name: Of the judge; it and the engine make the digest, so another judge needs another name.

    Example:
        >>> from calculemus.engine.scripted import ScriptedEngine
        >>> engine = JudgedEngine(ScriptedEngine("5"), lambda text: float(text.endswith("4")), "likes 4")
        >>> engine.submit([Job(0, Value(("2 + 2 = 4", "2 + 2 = 5")), ())])
        >>> engine.wait()[0].reply
        (1.0, 0.0)
    """

    def __init__(self, engine: Engine, judge: Judge, name: str) -> None:
        self._engine = engine
        self._judge = judge
        self._name = name
        self._done: list[Done] = []

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self._engine.name} judged by {self._name}"

    @property
    def digest(self) -> str:
        """Names by content what its replies depend on."""
        return digest([self._engine.digest, "judged", self._name])

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do, and values."""
        has = self._engine.capabilities
        return replace(has, kinds=has.kinds | {"Value"})

    def count_tokens(self, request: EngineRequest) -> int | None:
        """Return the prompt tokens of a request; 0 of one that the judge answers."""
        return 0 if isinstance(request, Value) else self._engine.count_tokens(request)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs."""
        self._engine.submit([job for job in jobs if not isinstance(job.request, Value)])
        for job in jobs:
            if isinstance(job.request, Value):
                values = tuple(float(self._judge(plain_text(prompt))) for prompt in job.request.prompts)
                self._done.append(Done(job.ticket, values, Cost.zero()))

    def wait(self) -> list[Done]:
        """Return what is finished."""
        if self._done:
            done, self._done = self._done, []
            return done
        return self._engine.wait()

    def cancel(self, tickets: Sequence[int]) -> list[Done]:
        """Stop jobs."""
        return self._engine.cancel(tickets)

    def free_rows(self) -> int:
        """Return how many more rows the engine could work on now."""
        return self._engine.free_rows()

    def close(self) -> None:
        """Forget what was not fetched."""
        self._done = []

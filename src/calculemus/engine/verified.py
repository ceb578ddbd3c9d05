"""A model with verifiers beside it: engines of their own whose value heads judge what the model writes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from calculemus.engine.base import Done, Engine, Job
from calculemus.engine.requests import Capabilities, EngineRequest, Prefix, Prompt, Value
from calculemus.errors import EngineCapabilityError, InvalidParameterError
from calculemus.params import digest

HEAD = "value"
"""The head that a verifier answers with; asked of the whole, it means the first verifier."""


class VerifiedEngine:
    """Passes requests on to a model, and those for values to the verifier that their ``head`` names.

    A verifier is charged like any engine: tokens that it reads are prompt tokens. Token ids are handed on to
    a verifier whose tokenizer is the model's; any other one gets the text.

    Args:
        engine: The model.
        verifiers: Engines with a head called ``value``, by name; ``head="value"`` asks the first.

    Raises:
        InvalidParameterError: There is no verifier, or one is called ``value``.
        EngineCapabilityError: One of them gives no values.

    Example:
        >>> from calculemus.engine.judged import JudgedEngine
        >>> from calculemus.engine.scripted import ScriptedEngine
        >>> model = ScriptedEngine("5")
        >>> length = JudgedEngine(model, lambda text: float(len(text)), "length")
        >>> engine = VerifiedEngine(model, {"length": length})
        >>> engine.submit([Job(0, Value(("2 + 2 = 4",), head="length"), ())])
        >>> engine.wait()[0].reply
        (9.0,)
    """

    def __init__(self, engine: Engine, verifiers: Mapping[str, Engine]) -> None:
        if not verifiers or HEAD in verifiers:
            found = f"one called '{HEAD}'" if verifiers else "none"
            raise InvalidParameterError(
                f"putting verifiers beside {engine.name}: found {found}; expected one at least, of another "
                f"name. '{HEAD}' stands for the first"
            )
        for name, verifier in verifiers.items():
            if "Value" not in verifier.capabilities.kinds:
                raise EngineCapabilityError(
                    f"putting verifiers beside {engine.name}: '{name}' ({verifier.name}) gives no values; "
                    f"expected a model with '{HEAD}_head.safetensors' beside it. Train one with 'calculemus "
                    "verifier train'"
                )
        self._engine = engine
        self._verifiers = dict(verifiers)
        self._first = next(iter(verifiers))
        self._takes_ids = {name: _same_tokenizer(engine, verifier) for name, verifier in verifiers.items()}
        self._open: dict[int, str] = {}

    @property
    def name(self) -> str:
        """What people call it."""
        return "+".join([self._engine.name, *self._verifiers])

    @property
    def digest(self) -> str:
        """Names by content what its replies depend on."""
        verifiers = [[name, verifier.digest] for name, verifier in self._verifiers.items()]
        return digest([self._engine.digest, "verified", verifiers])

    @property
    def tokenizer_digest(self) -> str | None:
        """The model's, if it has one; see ``TorchEngine``."""
        return getattr(self._engine, "tokenizer_digest", None)

    @property
    def verifiers(self) -> tuple[str, ...]:
        """Names of the verifiers, in order."""
        return tuple(self._verifiers)

    @property
    def capabilities(self) -> Capabilities:
        """What the model can do, and values; the fact ``verifiers`` has their names, the first one first."""
        has = self._engine.capabilities
        others = [verifier.capabilities for verifier in self._verifiers.values()]
        return replace(
            has,
            kinds=has.kinds | {"Value"},
            deterministic=True if all(c.deterministic is True for c in (has, *others)) else None,
            facts={**has.facts, "verifiers": self.verifiers},
        )

    def count_tokens(self, request: EngineRequest) -> int | None:
        """Return the prompt tokens of a request, as the engine counts them that will answer it."""
        if not isinstance(request, Value):
            return self._engine.count_tokens(request)
        name = self._verifier_of(request)
        return self._verifiers[name].count_tokens(self._translated(request, name))

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs.

        Raises:
            EngineCapabilityError: A head that no verifier answers to, or what an engine of them raises; of a
                head that is not there no job was taken.
        """
        by_name: dict[str, list[Job]] = {}
        for job in jobs:
            if isinstance(job.request, Value):
                name = self._verifier_of(job.request)
                translated = Job(job.ticket, self._translated(job.request, name), job.seeds)
                by_name.setdefault(name, []).append(translated)
        self._engine.submit([job for job in jobs if not isinstance(job.request, Value)])
        for name, some in by_name.items():
            self._verifiers[name].submit(some)
            self._open |= {job.ticket: name for job in some}

    def _verifier_of(self, request: Value) -> str:
        name = self._first if request.head == HEAD else request.head
        if name not in self._verifiers:
            raise EngineCapabilityError(
                f"{self.name}: a value is asked of the head '{request.head}'; it has "
                f"{', '.join(self._verifiers)}, and '{HEAD}' for the first. Name one of them, or open the "
                f"model with it: '{self._engine.name}+{request.head}'"
            )
        return name

    def _translated(self, request: Value, name: str) -> Value:
        """Return a request as its verifier is asked."""
        prompts = request.prompts if self._takes_ids[name] else tuple(map(_without_ids, request.prompts))
        return Value(prompts, HEAD)

    def wait(self) -> list[Done]:
        """Work until a job is finished; return all finished ones, [] where nothing is in flight.

        Values come first: they are short, and what waits for them then samples on.
        """
        done: list[Done] = []
        for name, verifier in self._verifiers.items():
            if name in self._open.values():
                done += verifier.wait()
        for each in done:
            self._open.pop(each.ticket, None)
        return done or self._engine.wait()

    def cancel(self, tickets: Sequence[int]) -> list[Done]:
        """Stop jobs; returns what they cost, and nothing for those that are finished."""
        done = self._engine.cancel([ticket for ticket in tickets if ticket not in self._open])
        for name, verifier in self._verifiers.items():
            done += verifier.cancel([ticket for ticket in tickets if self._open.get(ticket) == name])
        for each in done:
            self._open.pop(each.ticket, None)
        return done

    def free_rows(self) -> int:
        """Return how many more rows all of them could take now."""
        return min(engine.free_rows() for engine in self._engines())

    def _engines(self) -> tuple[Engine, ...]:
        return (self._engine, *self._verifiers.values())

    def forget(self) -> None:
        """Have all of them forget the keys and values of finished rows, where they keep any."""
        for engine in self._engines():
            forget = getattr(engine, "forget", None)
            if forget is not None:
                forget()

    def close(self) -> None:
        """Close the model and the verifiers."""
        for engine in self._engines():
            engine.close()


def _same_tokenizer(engine: Engine, other: Engine) -> bool:
    """Say whether ids of one engine mean the same to another; unless both tell, they do not."""
    own = getattr(engine, "tokenizer_digest", None)
    return engine is other or (own is not None and own == getattr(other, "tokenizer_digest", None))


def _without_ids(prompt: Prompt) -> Prompt:
    return Prefix(prompt.text) if isinstance(prompt, Prefix) else prompt

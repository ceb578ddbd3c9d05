"""From what a user writes to the systems it means."""

import difflib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from calculemus.cost import Budget
from calculemus.engine.base import Engine
from calculemus.engine.opening import EngineOptions
from calculemus.engine.routed import RoutedEngine
from calculemus.errors import InvalidParameterError
from calculemus.problems.problemset import ProblemSet
from calculemus.solving import get_solver, list_solvers
from calculemus.solving.opening import check_model, open_model
from calculemus.solving.transformed import transforms
from calculemus.study.recorded import PREFIX, Unknown, open_recorded
from calculemus.study.system import System

if TYPE_CHECKING:
    from calculemus.engine.sandbox import Sandbox, Tier

_FORMS = f"SOLVER@MODEL (cot@tiny, vote:n=8@http://HOST/v1#MODEL), {PREFIX}FILE or {PREFIX}FILE#FIELD"


@dataclass
class Live:
    """Opens solvers on engines, each engine once; leaving the block closes what was opened.

    Attributes:
        model: The engine of solvers that name none.
        options: How engines are opened.
        key: The key of endpoints.
        seed: The run's seed.
        budget: What may be spent on one try at one problem.
        n_samples: Tries at each problem.
        tier: The highest sandbox tier that programs may use.
    """

    model: str | None = None
    options: EngineOptions = EngineOptions()
    key: str | None = field(default=None, repr=False)
    seed: int = 0
    budget: Budget = Budget()
    n_samples: int = 1
    tier: "Tier" = "sci"
    _engines: dict[str, Engine] = field(default_factory=dict, repr=False)
    _sandbox: "Sandbox | None" = field(default=None, repr=False)
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open(self, text: str) -> System:
        """Open ``SOLVER@MODEL``, or ``SOLVER`` on the default model.

        Raises:
            InvalidParameterError: No such solver, parameter or model.
            EngineError: The model cannot be loaded, or the endpoint does not answer.
        """
        from calculemus.study.live import LiveSystem

        method, _, model = text.partition("@")
        solver = get_solver(method)
        return LiveSystem(
            name=text,
            solver=solver,
            engine=self.engine(model or self.model or ""),
            sandbox=self.sandbox(),
            seed=self.seed,
            budget=self.budget,
            n_samples=self.n_samples,
        )

    def engine(self, model: str) -> Engine:
        """Return the engine of a model, opened once; see ``open_model``.

        Several models with commas between are one engine, for methods that choose among them.
        """
        parts = models_of(model)
        if len(parts) > 1:
            return RoutedEngine({part: self.engine(part) for part in parts})
        if model not in self._engines:
            engine = open_model(model, self.options, self.key)
            self._stack.callback(engine.close)
            self._engines[model] = engine
        return self._engines[model]

    def sandbox(self) -> "Sandbox":
        """Return the sandbox that all solvers share."""
        if self._sandbox is None:
            from calculemus.engine.sandbox import TIERS, Sandbox

            tiers = TIERS[: TIERS.index(self.tier) + 1]
            self._sandbox = self._stack.enter_context(Sandbox(tiers))
        return self._sandbox


def open_systems(
    texts: Sequence[str],
    unknown: Unknown = "error",
    among: ProblemSet | None = None,
    live: Live | None = None,
) -> list[System]:
    """Open every system that the texts name, in their order.

    Args:
        texts: ``SOLVER@MODEL``, ``recorded:FILE`` or ``recorded:FILE#FIELD``.
        unknown: What to do with records that name no problem of the set: ``error`` or ``skip``.
        among: The whole set that records may name, where only a part of it is compared on.
        live: Opens solvers; without it only recorded systems are.

    Raises:
        InvalidParameterError: No system is named, or one in a form that does not exist.
        RecordError: A file cannot be read.
        EngineError: A model cannot be loaded.
    """
    if not texts:
        raise InvalidParameterError(f"opening systems: none is named; expected {_FORMS}")
    for text in texts:
        _check_form(text, live)
    return [system for text in texts for system in _open(text, unknown, among, live)]


def models_of(text: str) -> list[str]:
    """Return the models that a name means: one, or several with commas between."""
    return [text] if Path(text).is_dir() else text.split(",")


def _open(text: str, unknown: Unknown, among: ProblemSet | None, live: Live | None) -> Sequence[System]:
    if text.startswith(PREFIX):
        return open_recorded(text, unknown, among)
    assert live is not None, "the form was checked"
    return [live.open(text)]


def _check_form(text: str, live: Live | None) -> None:
    """Refuse what is neither recorded nor a solver on a model, before anything is opened."""
    if text.startswith(PREFIX):
        return
    if live is not None and ("@" in text or (live.model and _solver_name(text) in _solvers())):
        method, _, model = text.partition("@")
        get_solver(method)
        for part in models_of(model or live.model or ""):
            check_model(part)
        return
    hint = _nearest(text, live)
    raise InvalidParameterError(
        f"opening the system '{text}': there is no such form; expected {_FORMS}"
        + (f". Did you mean '{hint}'?" if hint else "")
    )


def _nearest(text: str, live: Live | None) -> str:
    """Return the form that was probably meant; nothing where none is near."""
    kind, colon, rest = text.partition(":")
    if Path(text.partition("#")[0]).exists():
        return f"{PREFIX}{text}"
    if live is not None and _solver_name(text) in _solvers():
        return f"{text}@tiny"
    if colon and difflib.get_close_matches(kind.lower(), [PREFIX[:-1]]):
        return f"{PREFIX}{rest}"
    return ""


def _solver_name(text: str) -> str:
    return text.partition("@")[0].partition(":")[0].strip()


def _solvers() -> Mapping[str, object]:
    return {card.id: card for card in (*list_solvers(), *transforms().values())}

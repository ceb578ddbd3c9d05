"""What a stored run asked its model first, made again where its spec proves that it is the same."""

from collections.abc import Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

from calculemus.card import Card
from calculemus.catalog import load
from calculemus.engine.base import Engine
from calculemus.engine.requests import Capabilities
from calculemus.errors import CalculemusError
from calculemus.problem import Problem
from calculemus.solving import list_solvers
from calculemus.solving.templates import DEFAULT, is_own_file, prompt_sets, templates_digest
from calculemus.study.live import LiveSystem, describe

_PLAIN = (str, int, float, bool, type(None))
_KINDS = frozenset({"Sample", "Score", "Value", "Embed"})


def stored_opening(spec: Mapping[str, Any], problem: Problem) -> dict[str, str] | None:
    """Return the first prompt of a stored run and the prompt set it is of; None where that is not known.

    The spec has the digest of the prompts: only prompts of this digest are shown. A set that any model may be
    asked with has two forms, and the spec does not say which one was used: then the prompt is not known.
    """
    solver = _solver(spec)
    if solver is None:
        return None
    for prompt_set in prompt_sets():
        if prompt_set == DEFAULT or _digest(solver, prompt_set) != spec.get("prompts", ""):
            continue
        capabilities = Capabilities(_KINDS, True, True, None, None, 1, {"prompts": prompt_set})
        engine: Engine = SimpleNamespace(capabilities=capabilities)  # type: ignore[assignment]  # no more is asked of it
        text = LiveSystem("", solver, engine, seed=_seed(spec)).opening(problem)
        return None if text is None else {"set": prompt_set, "text": text}
    return None


def _seed(spec: Mapping[str, Any]) -> int:
    seed = spec.get("seed")
    return seed if isinstance(seed, int) else 0


def _solver(spec: Mapping[str, Any]) -> Any:
    """Return the solver that a spec describes; None unless it describes itself in the same words."""
    told = spec.get("solver")
    if spec.get("kind") != "live" or "reads" in spec or not isinstance(told, dict):
        return None
    name, params = told.get("name"), told.get("params")
    if not isinstance(params, dict) or not all(isinstance(value, _PLAIN) for value in params.values()):
        return None
    try:
        card = _solvers().get(str(name))
        made = None if card is None else load(card)(**params)
    except (CalculemusError, TypeError, ValueError):
        return None
    return made if made is not None and describe(made) == told else None


@cache
def _solvers() -> Mapping[str, Card]:
    """Return the cards by the names of their classes; reading them takes longer than a page may."""
    return {card.entry.rpartition(":")[2]: card for card in list_solvers()}


def _digest(solver: Any, prompt_set: str) -> str | None:
    if any(is_own_file(name) for name in solver.prompts or ()):
        return None
    try:
        return templates_digest(solver.prompts, prompt_set)
    except CalculemusError:
        return None

"""Checks, and how they are found: every module of this package is imported, none is listed.

    @check(interface="Solver", unless_tags=("stochastic",))
    def it_draws_nothing(subject: Subject) -> str | None:
        if ...:
            raise NotConformingError("...: found ...; expected .... What to do")

A check returns None where it held, and why not where it does not apply after all.
"""

import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from calculemus.conformance.subject import Subject

CheckFunction = Callable[[Subject], str | None]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a method must keep to.

    Attributes:
        name: Says what is asserted.
        run: Raises ``NotConformingError`` where it does not hold.
        interface: Whose methods it is for; None for every method.
        if_tags: Tags that a method must all have for it to apply.
        unless_tags: Tags of which a method may have none.
        after: Names of checks without which it says nothing: it is skipped where one of them fails.
        is_of_building: Whether it is about finding and building the method, and needs none that is built.
    """

    name: str
    run: CheckFunction
    interface: str | None
    if_tags: tuple[str, ...]
    unless_tags: tuple[str, ...]
    after: tuple[str, ...]
    is_of_building: bool

    def why_not(self, subject: Subject) -> str | None:
        """Return why it does not apply to a method of its interface; None where it does."""
        if not self.is_of_building and subject.fault is not None:
            return "the method cannot be built"
        if not (self.if_tags or self.unless_tags):
            return None
        if subject.card is None:
            return "without a card its tags are unknown"
        missing = [tag for tag in self.if_tags if tag not in subject.tags]
        if missing:
            return f"it is not tagged {', '.join(missing)}"
        excused = [tag for tag in self.unless_tags if tag in subject.tags]
        return f"it is tagged {', '.join(excused)}" if excused else None


_CHECKS: dict[str, Check] = {}


def check(
    interface: str | None = None,
    *,
    if_tags: Sequence[str] = (),
    unless_tags: Sequence[str] = (),
    after: Sequence[str] = (),
    is_of_building: bool = False,
) -> Callable[[CheckFunction], CheckFunction]:
    """Add a check; its name is the function's. The arguments are those of ``Check``."""

    def add(run: CheckFunction) -> CheckFunction:
        name = run.__name__
        _CHECKS[name] = Check(
            name, run, interface, tuple(if_tags), tuple(unless_tags), tuple(after), is_of_building
        )
        return run

    return add


def all_checks() -> list[Check]:
    """Return every check: those of building first, then those of every method, then the others."""
    _import_all()
    return sorted(_CHECKS.values(), key=lambda found: (not found.is_of_building, found.interface or ""))


@cache
def _import_all() -> None:
    package = import_module(__package__ or "calculemus.conformance")
    for module in pkgutil.iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")

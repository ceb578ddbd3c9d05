"""A method that is put through the checks, and what the checks share about it."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

from calculemus.card import Card
from calculemus.errors import CalculemusError, NotConformingError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where another process finds a method's class.

    Attributes:
        path: The card, or the file of the code.
        module: The module's name; empty where ``path`` is a card.
        name: The class in it; empty where ``path`` is a card.
    """

    path: str
    module: str = ""
    name: str = ""


@dataclass(eq=False)
class Subject:
    """A method under test.

    Attributes:
        name: What messages call it.
        interface: What it is to callers, one of ``calculemus.card.INTERFACES``.
        card: Its card; None where there is none.
        made: Its class; None where that cannot be imported.
        method: An instance, by default with the defaults; None where it cannot be built.
        origin: Where another process finds the class; None where it cannot, as with one in a function.
        fault: Why there is no class or no instance.
        patience: Seconds that one thing it is asked to do may take.
    """

    name: str
    interface: str
    card: Card | None = None
    made: Any = None
    method: Any = None
    origin: Origin | None = None
    fault: CalculemusError | None = None
    patience: float = 60.0
    open: ExitStack = field(default_factory=ExitStack, repr=False)
    _known: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def tags(self) -> tuple[str, ...]:
        """The card's tags."""
        return () if self.card is None else self.card.tags

    @property
    def expected_failures(self) -> Mapping[str, str]:
        """Checks that are known to fail, with the reason: the card says so, or without one the class."""
        if self.card is not None:
            return self.card.expected_failures
        return getattr(self.made, "expected_failures", {})

    def once(self, find: Callable[["Subject"], T]) -> T:
        """Return what ``find`` finds out about this method, or raise what it raised; it is asked once."""
        if find not in self._known:
            try:
                self._known[find] = find(self), None
            except NotConformingError as error:
                self._known[find] = None, error
        found, error = self._known[find]
        if error is not None:
            raise error
        return found

"""What a page is: a place, a record as JSON, and a template that shows the record."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from calculemus.errors import PageError

if TYPE_CHECKING:
    from calculemus.web.site import Site

Params = Mapping[str, str]
"""What fills the braces of a page's path, and what stands behind its question mark, by name."""


@dataclass(frozen=True)
class Asked:
    """What a reader asked a page for.

    Attributes:
        params: By the names in the braces of the page's path.
        query: What stands behind the question mark, in order; a name may come several times.
    """

    params: Params = field(default_factory=dict)
    query: tuple[tuple[str, str], ...] = ()

    def text(self, name: str, default: str = "") -> str:
        """Return the last value of a name of the query."""
        return next((value for key, value in reversed(self.query) if key == name), default)

    def texts(self, name: str) -> list[str]:
        """Return all values of a name of the query, in order."""
        return [value for key, value in self.query if key == name]

    def whole(self, name: str, default: int, least: int = 0) -> int:
        """Return a whole number of the query, or of the path.

        Raises:
            PageError: It is none, or smaller than ``least``.
        """
        text = self.params.get(name) or self.text(name) or str(default)
        if not (text.isascii() and text.isdigit() and len(text) < 16) or int(text) < least:
            raise PageError(
                f"showing the page: '{name}' is {text[:40]!r}; expected a whole number of at least {least}. "
                "Mend the address"
            )
        return int(text)


@dataclass(frozen=True)
class Page:
    """One kind of page.

    Attributes:
        name: What templates link to: ``link("system", id="ties")``.
        path: Where it is, with names in braces; braces hold no slash.
        template: The file of its template, which sees the record's names.
        record: Returns what it shows, as JSON-like data. Raises a PageError where it is not there.
        places: Yields what an export fills into path and query, one mapping a page; none by default.
    """

    name: str
    path: str
    template: str
    record: "Callable[[Site, Asked], dict[str, Any]]"
    places: "Callable[[Site], Iterable[Params]]" = lambda site: ()

    @property
    def json_path(self) -> str:
        """Where its record is."""
        return "/index.json" if self.path == "/" else f"{self.path}.json"

"""What all pages draw on: the catalog, the store, and how a record becomes a page."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment

from calculemus.catalog import read_catalog
from calculemus.claims.status import Entry, entries
from calculemus.search import SearchIndex
from calculemus.store import Store
from calculemus.web.links import Links
from calculemus.web.pages import Page
from calculemus.web.rendering import environment


@dataclass
class Site:
    """The atlas of one store.

    Attributes:
        store: The results store, which need not exist yet.
        folders: More folders of cards.
        is_live: Whether a server shows it, on which work can be started; an export cannot.
        form_key: What every form must send back, so that no other site's form is taken.
    """

    store: Path
    folders: Sequence[Path] = ()
    is_live: bool = True
    form_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def __post_init__(self) -> None:
        self._seen: tuple[object, list[Entry], SearchIndex] | None = None

    @contextmanager
    def reading(self) -> Iterator[Store | None]:
        """Open the store for reading; None where there is none yet."""
        if not self.store.is_file():
            yield None
            return
        with closing(Store.open(self.store, create=False, readonly=True)) as opened:
            yield opened

    def entries(self) -> list[Entry]:
        """Return all cards with their status, in order of their ids."""
        return self._read()[1]

    def index(self) -> SearchIndex:
        """Return the index over the cards."""
        return self._read()[2]

    def entry(self, name: str) -> Entry:
        """Return the entry of an id or alias.

        Raises:
            CardError: There is none.
        """
        card = read_catalog(*self.folders).get(name)
        return next(entry for entry in self.entries() if entry.card.id == card.id)

    def state(self) -> object:
        """Return what changes when the store does."""
        files = (self.store, self.store.with_name(f"{self.store.name}-wal"))
        return tuple((found.st_mtime_ns, found.st_size) for path in files if (found := _stat(path)))

    def _read(self) -> tuple[object, list[Entry], SearchIndex]:
        """Read cards and results again only when the store has changed."""
        state, seen = self.state(), self._seen
        if seen is None or seen[0] != state:
            found = list(entries(read_catalog(*self.folders), self.store))
            self._seen = seen = state, found, SearchIndex(found)
        return seen

    @cached_property
    def environment(self) -> Environment:
        """The templates."""
        return environment(self.is_live, self.form_key)

    def render(self, page: Page, record: dict[str, Any], links: Links, address: str) -> str:
        """Return a page as HTML.

        Args:
            page: Its kind.
            record: What it shows.
            links: Where other pages are.
            address: Of this page's record, as JSON.
        """
        template = self.environment.get_template(page.template)
        return template.render(
            **record,
            page=page.name,
            json_address=address,
            asset=links.asset,
            root=links.root,
            link=lambda name, /, **params: links.page(name, params),
        )


def _stat(path: Path) -> Any:
    try:
        return path.stat()
    except OSError:
        return None

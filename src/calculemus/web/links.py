"""Addresses of pages: on a server, and in an export that is opened from a disk."""

import posixpath
import re
from collections.abc import Container, Iterable, Mapping
from typing import Protocol
from urllib.parse import quote, urlencode

from calculemus.params import digest
from calculemus.web.pages import Page, Params

_BRACES = re.compile(r"\{(\w+)\}")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}")


class Links(Protocol):
    """Returns where something is; None where there is no such page."""

    def page(self, name: str, params: Mapping[str, object]) -> str | None:
        """Return the address of a page. What its path has no braces for becomes its query."""
        ...

    def asset(self, name: str) -> str:
        """Return the address of a file of ``assets``."""
        ...

    def root(self, name: str) -> str:
        """Return the address of a file beside the first page, such as a feed."""
        ...


class ServedLinks:
    """Addresses on a server: from its root."""

    def __init__(self, pages: Iterable[Page]) -> None:
        self._paths = {page.name: page.path for page in pages}

    def page(self, name: str, params: Mapping[str, object]) -> str | None:
        """Return the address of a page."""
        path, query = _filled(self._paths[name], params)
        return f"{path}?{urlencode(query, doseq=True)}" if query else path

    def asset(self, name: str) -> str:
        """Return the address of a file of ``assets``."""
        return f"/assets/{name}"

    def root(self, name: str) -> str:
        """Return the address of a file beside the first page."""
        return f"/{name}"


class FileLinks:
    """Addresses in a folder: relative to the file that holds the link.

    Args:
        pages: All kinds of pages.
        here: The file that the links stand in, relative to the folder.
        written: Files that the folder will hold.
    """

    def __init__(self, pages: Iterable[Page], here: str, written: Container[str]) -> None:
        self._pages = {page.name: page for page in pages}
        self._folder = posixpath.dirname(here) or "."
        self._written = written

    def page(self, name: str, params: Mapping[str, object]) -> str | None:
        """Return the address of a page; None where the folder does not hold it."""
        given = {key: str(value) for key, value in params.items() if value not in ("", None)}
        file = file_of(self._pages[name], given)
        return posixpath.relpath(file, self._folder) if file in self._written else None

    def asset(self, name: str) -> str:
        """Return the address of a file of ``assets``."""
        return posixpath.relpath(f"assets/{name}", self._folder)

    def root(self, name: str) -> str:
        """Return the address of a file beside the first page."""
        return posixpath.relpath(name, self._folder)


def file_of(page: Page, params: Params, ending: str = "html") -> str:
    """Return the file of a page in an export: ``systems/ties.html``, ``runs.start-100.html``.

    A value that is no plain name is written as its digest, so that no value names another folder.
    """
    inside = set(_BRACES.findall(page.path))
    said = {name: _plain(value) for name, value in params.items() if value or name in inside}
    path, query = _filled(page.path, said)
    parts = [path.strip("/") or "index", *(f"{name}-{value}" for name, value in sorted(query.items()))]
    return f"{'.'.join(parts)}.{ending}"


def _plain(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else digest(value)[:16]


def _filled(path: str, params: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """Fill the braces of a path; return it with the parameters that are left."""
    names = set(_BRACES.findall(path))
    filled = _BRACES.sub(lambda match: quote(str(params[match[1]]), safe=""), path)
    return filled, {
        name: value for name, value in params.items() if name not in names and value not in ("", None)
    }

"""The pages as files: a folder that opens from a disk, and is what one would publish."""

import json
import posixpath
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from calculemus.errors import OutputError
from calculemus.events import track
from calculemus.files import replacing
from calculemus.web.app import ASSETS, SHARED
from calculemus.web.links import FileLinks, file_of
from calculemus.web.news import FEEDS, feed
from calculemus.web.pages import Asked, Page
from calculemus.web.site import Site

LIST = "calculemus-files.json"
"""Names the files of an export, so that the next one into the same folder removes what it no longer has."""
_COPIED = ((ASSETS, "assets"), (SHARED / "assets", "assets/report"), (SHARED / "vega", "assets/vega"))
_ENDINGS = (".css", ".js", ".svg")
_LICENCE = "LICENSE"


def export(site: Site, pages: Sequence[Page], folder: Path, address: str | None = None) -> int:
    """Write all pages that an export holds, with their records and what they need.

    Args:
        site: What is shown; not live.
        pages: The kinds of pages.
        folder: A new or empty folder, or one with an earlier export, which is brought up to date.
        address: Where the folder will be published; None where that is not known.

    Returns:
        How many pages were written.

    Raises:
        OutputError: The folder holds something else, or cannot be written.
    """
    before = _prepare(folder)
    places = [(page, params) for page in pages for params in page.places(site)]
    written = {file_of(page, params) for page, params in places}
    files = [*_copy(folder)]
    for page, params in track(places, "writing pages", len(places)):
        file, record_file = file_of(page, params), file_of(page, params, "json")
        record = page.record(site, Asked(params, tuple(params.items())))
        links = FileLinks(pages, file, written)
        _write(folder / file, site.render(page, record, links, posixpath.basename(record_file)))
        _write(folder / record_file, json.dumps(record, ensure_ascii=False, default=str))
        files += file, record_file
    base = None if address is None else f"{address.rstrip('/')}/"
    for name in FEEDS:
        _write(folder / name, feed(site, name, FileLinks(pages, name, written), base))
        files.append(name)
    _write(folder / LIST, json.dumps(sorted(files), indent=0))
    for stale in before - set(files):
        (folder / stale).unlink(missing_ok=True)
    return len(places)


def _prepare(folder: Path) -> set[str]:
    """Return the files of an earlier export, after checking that the folder holds nothing else of worth."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = any(folder.iterdir())
    except OSError as error:
        raise OutputError(
            f"exporting the web to '{folder}': {error.strerror or error}; expected a folder that "
            "this user may write. Name another one"
        ) from error
    if not there:
        return set()
    try:
        listed = json.loads((folder / LIST).read_text("utf-8"))
        return {name for name in listed if _stays_inside(name)}
    except (OSError, ValueError, TypeError) as error:
        raise OutputError(
            f"exporting the web to '{folder}': it holds files, and no list of an earlier export ({LIST}); "
            "expected a new or empty folder. Name another one"
        ) from error


def _stays_inside(name: str) -> bool:
    return not posixpath.isabs(name) and ".." not in name.split("/")


def _copy(folder: Path) -> Iterator[str]:
    for source, place in _COPIED:
        for path in sorted(source.rglob("*")):
            if path.suffix in _ENDINGS or path.name == _LICENCE:
                name = f"{place}/{path.relative_to(source).as_posix()}"
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / name)
                yield name


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8", "replace")

"""The docs: pages written by hand, in Markdown, beside the reference that is read from docstrings."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from calculemus.errors import PageError
from calculemus.named import suggest
from calculemus.web import reference
from calculemus.web.markdown import parts_of, text_of
from calculemus.web.pages import Asked, Page, Params
from calculemus.web.site import Site

FOLDER = Path(__file__).parent / "docs"
ORDER = (
    *("start", "adding", "card_and_claim"),
    *("solver", "grader", "tensor_merge", "structure_edit", "calibrated_merge"),
    *("engine", "sandbox", "problem_set"),
)
"""The pages, as one reads them."""


@cache
def _read(name: str) -> dict[str, Any]:
    """Return a page: its title, its first paragraph, and the parts below the title."""
    title, *parts = parts_of((FOLDER / f"{name}.md").read_text("utf-8"))
    return {
        "name": name,
        "title": text_of(title["parts"]),
        "about": text_of(parts[0]["parts"]).replace("\n", " "),
        "parts": parts,
        "places": [
            {"id": part["id"], "title": text_of(part["parts"])}
            for part in parts
            if part["kind"] == "heading" and part["level"] == 2
        ],
    }


def docs(site: Site, asked: Asked) -> dict[str, Any]:
    """Return the pages there are, and the rooms of the reference."""
    pages = [_read(name) for name in ORDER]
    return {
        "pages": [{key: page[key] for key in ("name", "title", "about")} for page in pages],
        "rooms": reference.rooms(),
    }


def doc(site: Site, asked: Asked) -> dict[str, Any]:
    """Return one page, with its neighbours.

    Raises:
        PageError: There is no such page.
    """
    name = asked.params["name"]
    if name not in ORDER:
        raise PageError(
            f"showing the docs: there is no page '{name[:40]}'; {suggest(name[:40], ORDER)}expected one of "
            f"{', '.join(ORDER)}"
        )
    place = ORDER.index(name)
    near = (ORDER[place - 1] if place else None, ORDER[place + 1] if place + 1 < len(ORDER) else None)
    before, after = ({"name": each, "title": _read(each)["title"]} if each else None for each in near)
    return {**_read(name), "before": before, "after": after}


def _docs(site: Site) -> Iterable[Params]:
    return ({"name": name} for name in ORDER)


def _modules(site: Site) -> Iterable[Params]:
    return ({"module": name} for name in reference.modules())


PAGES = (
    Page("docs", "/docs", "docs.html.j2", docs, lambda site: ({},)),
    Page("doc", "/docs/{name}", "doc.html.j2", doc, _docs),
    Page("reference", "/reference/{module}", "reference.html.j2", reference.reference, _modules),
)

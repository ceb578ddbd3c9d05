"""The atlas: all systems with a search, and a page for each of them with its files."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from calculemus.card import ROOMS
from calculemus.claims.status import STATUSES, Entry
from calculemus.errors import InvalidParameterError, PageError
from calculemus.search import parse_query
from calculemus.web.pages import Asked, Page, Params
from calculemus.web.reference import module_of
from calculemus.web.site import Site

_FILES = {"card": "card", "code": "code", "claim": "claim file", "test": "test"}
_NEWEST = 5


def atlas(site: Site, asked: Asked) -> dict[str, Any]:
    """Return the cards that a search finds, best first; without words those that run come first."""
    query, room, status = (asked.text(name).strip() for name in ("q", "room", "status"))
    everything = site.entries()
    found, fault = everything, None
    chosen = [f'{kind}:"{value}"' for kind, value in (("room", room), ("status", status)) if value]
    try:
        text, filters = parse_query(" ".join((query, *chosen)))
        if text or filters:
            found = [hit.entry for hit in site.index().search(text, filters, len(everything))]
    except InvalidParameterError as error:
        text, found, fault = query, [], str(error)
    if not text:
        found = sorted(found, key=lambda entry: (entry.status != "planned", entry.card.date), reverse=True)
    return {
        "query": query,
        "room": room,
        "status": status,
        "fault": fault,
        "rooms": [{"name": name, "about": about} for name, about in ROOMS.items()],
        "statuses": _counted(everything),
        "n_all": len(everything),
        "n_systems": sum(entry.card.is_system for entry in everything),
        "found": [{**entry.record(), "summary": entry.card.summary} for entry in found],
        "runs": _newest_runs(site),
    }


def _counted(everything: Iterable[Entry]) -> list[dict[str, Any]]:
    counts = Counter(entry.status for entry in everything)
    return [{"name": status, "n": counts[status]} for status in STATUSES]


def _newest_runs(site: Site) -> list[dict[str, Any]]:
    """Return the runs that the first page names: who comes from a comparison looks for it."""
    with site.reading() as store:
        runs = store.runs(_NEWEST) if store is not None else []
    return [
        {"key": run.key, "name": run.name, "problems": run.problems_name, "n": run.n_answers} for run in runs
    ]


def system(site: Site, asked: Asked) -> dict[str, Any]:
    """Return all that is known of one method, with the results of its claim, newest first."""
    entry = site.entry(asked.params["id"])
    similar = [hit.entry.card.id for hit in site.index().similar(entry.card.id, 6)]
    with site.reading() as store:
        results = [each for each in (store.claims() if store else ()) if each["id"] == entry.card.id]
    record = entry.full_record(similar)
    paths = record.pop("paths")  # where files are on this machine is nobody else's business
    return {
        **record,
        "about_room": ROOMS[entry.card.room],
        "results": results[::-1],
        "bibtex": bibtex(entry),
        "files": [name for name, path in _FILES.items() if paths[path] is not None],
        "commands": commands(entry),
        "module": module_of(entry.card.entry),
    }


def bibtex(entry: Entry) -> str | None:
    """Return what a paper that uses the method cites; None for what has no preprint."""
    card = entry.card
    if card.arxiv == "unknown":
        return None
    return (
        f"@misc{{{card.id},\n"
        f"  title = {{{{{_for_tex(card.title)}}}}},\n"
        f"  year = {{{card.date[:4]}}},\n"
        f"  eprint = {{{card.arxiv}}},\n"
        "  archivePrefix = {arXiv}\n"
        "}"
    )


def _for_tex(text: str) -> str:
    """Write the signs that TeX takes for its own so that it prints them."""
    return "".join(f"\\{sign}" if sign in "#$%&_" else "" if sign in "\\{}" else sign for sign in text)


def commands(entry: Entry) -> list[str]:
    """Return how the method is run from a command line."""
    card, paths = entry.card, entry.paths()
    if not card.entry:
        return []
    found = [f"calculemus claim {card.id} --size small"] if paths["claim file"] is not None else []
    if card.interface == "Solver":
        found.append(f"calculemus compare cot@tiny {card.id}@tiny --problems generated:level=4,n=100")
    if card.interface == "TensorMerge":
        found.append(f"calculemus merge {card.id} --base A --model B --model C --out D")
    if card.interface == "CalibratedMerge":
        found.append(
            f"calculemus calibrate {card.id} --base A --model B --model C --tasks P --tasks Q --out D"
        )
    return found


def source(site: Site, asked: Asked) -> dict[str, Any]:
    """Return one file of a method: its card, code, claim or test."""
    name, entry = asked.params["file"], site.entry(asked.params["id"])
    path = entry.paths()[_FILES[name]] if name in _FILES else None
    if path is None:
        there = ", ".join(each for each, kind in _FILES.items() if entry.paths()[kind] is not None)
        raise PageError(
            f"showing a file of '{entry.card.id}': it has no '{name[:40]}'; expected one of {there}"
        )
    return {
        "id": entry.card.id,
        "title": entry.card.title,
        "file": name,
        "name": path.name,
        "text": path.read_text("utf-8", "replace"),
    }


def _systems(site: Site) -> Iterable[Params]:
    return ({"id": entry.card.id} for entry in site.entries())


def _sources(site: Site) -> Iterable[Mapping[str, str]]:
    for entry in site.entries():
        paths = entry.paths()
        for file, kind in _FILES.items():
            if paths[kind] is not None:
                yield {"id": entry.card.id, "file": file}


PAGES = (
    Page("atlas", "/", "atlas.html.j2", atlas, lambda site: ({},)),
    Page("system", "/systems/{id}", "system.html.j2", system, _systems),
    Page("source", "/systems/{id}/{file}", "source.html.j2", source, _sources),
)

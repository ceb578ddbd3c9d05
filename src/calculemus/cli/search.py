"""``calculemus search``: find methods by words, by what they need, or by what they resemble."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from calculemus.catalog import read_catalog
from calculemus.claims.status import Entry, entries
from calculemus.cli.catalog import Folders, print_entries, warn_of_faults
from calculemus.cli.output import print_json, print_text
from calculemus.errors import InvalidParameterError
from calculemus.named import suggest
from calculemus.search import Filter, Hit, Ranker, SearchIndex, parse_query


def search(
    *words: str,
    similar: str | None = None,
    limit: Annotated[int, Parameter(validator=Number(gte=1))] = 10,
    meaning: bool = False,
    path: Folders = (),
    store: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Find methods by words, best first: calculemus search merge models without data after:2024-06.

    Args:
        words: What to look for. Between the words may stand filters: room:merging, status:built,
            after:2024-06 (from then on), before:2024, needs:logits, interface:Solver, feed:gsm8k and
            paper:2306.01708. Filters alone list the newest methods.
        similar: Id of a method whose likes to find, instead of words.
        limit: Methods to show at most.
        meaning: Let what a text means count beside its words; needs the extra 'search'.
        path: A folder with cards of your own, or a card.
        store: The results store; by default $CALCULEMUS_STORE, else one in the user's data folder.
        as_json: Print JSON.
    """
    text, filters = parse_query(" ".join(words))
    _check(text, filters, similar)
    catalog = read_catalog(*path)
    everything = list(entries(catalog, store))
    warn_of_faults(catalog)
    index = SearchIndex(everything, _ranker(everything) if meaning else None)
    if similar is None:
        hits = index.search(text, filters, limit)
    else:
        hits = index.similar(catalog.get(similar).id, limit)
    if as_json:
        print_json([_record(hit) for hit in hits])
    elif hits:
        print_entries([hit.entry for hit in hits])
    else:
        print_text(_nothing(text, filters, index, everything))


def _check(text: str, filters: tuple[Filter, ...], similar: str | None) -> None:
    if similar is None and not text and not filters:
        raise InvalidParameterError(
            "searching: found nothing to look for; expected words, filters or --similar ID. "
            "'calculemus list' shows all methods"
        )
    if similar is not None and (text or filters):
        raise InvalidParameterError(
            f"searching: found words and --similar {similar}; expected one of them. Leave one out"
        )


def _ranker(everything: list[Entry]) -> Ranker:
    from calculemus.search.meaning import by_meaning  # here: it needs numpy and the extra

    return by_meaning(everything)


def _record(hit: Hit) -> dict[str, Any]:
    return {**hit.entry.record(), "summary": hit.entry.card.summary, "score": round(hit.score, 4)}


def _nothing(text: str, filters: tuple[Filter, ...], index: SearchIndex, everything: list[Entry]) -> str:
    """Say that nothing was found, and what to change."""
    alone = [condition for condition in filters if not any(map(condition.accepts, everything))]
    if alone:
        return " ".join(_fits_nothing(condition, everything) for condition in alone)
    if filters and (not text or index.search(text, limit=1)):
        asked = " and ".join(map(str, filters))
        return f"No method fits {asked}{f' and some of: {text}' if text else ''}. Leave a filter out."
    return (
        f"No method has any word of: {text}. Try others, or --meaning; 'calculemus list' shows all methods."
    )


def _fits_nothing(condition: Filter, everything: list[Entry]) -> str:
    said = f"No method fits {condition}."
    if condition.kind != "needs":
        return f"{said} Leave it out, or change it."
    tags = {tag for entry in everything for tag in entry.card.tags if tag.startswith("needs-")}
    known = sorted(tag.removeprefix("needs-") for tag in tags)
    hint = suggest(condition.value, known)
    return f"{said} {hint[:1].upper()}{hint[1:]}Methods need {', '.join(known)}."

"""Gathering what is new from the catalog and from results.

What is known of when things happened, and what is not:

- A result of a claim has the day on which it was measured. It may come with the package or from a store, or
  from both: it is then one item.
- A verdict changed where the result that counted before it, a smoke test only beside smoke tests, has another
  one.
- A system is as old as its paper's first version. On which day a method of the catalog came to run is written
  nowhere that a program could read it; its first result is the first sign, and says that it is the first.
- Runs are told by day and problem set, since there may be thousands.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from calculemus.card import Card
from calculemus.claims.history import MEASURED
from calculemus.news.item import KINDS, Item, clean, tag, title_of
from calculemus.news.moments import read_span
from calculemus.params import digest
from calculemus.store import RunDay, Store


def gather(cards: Iterable[Card], store: Store | None = None) -> list[Item]:
    """Return everything that was ever new, newest first.

    Args:
        cards: The catalog's.
        store: The user's results, beside those that come with the package; None for those alone.
    """
    shipped = json.loads(MEASURED.read_text("utf-8")) if MEASURED.is_file() else []
    results = [*shipped, *(store.claims() if store is not None else [])]
    days = store.run_days() if store is not None else ()
    found = [
        *_results(results),
        *(item for item in map(_system, cards) if item is not None),
        *(item for item in map(_runs, days) if item is not None),
    ]
    order = list(KINDS)
    # Sorting keeps the order of equals. Of most items only the day is known, so the hour does not count.
    found.sort(key=lambda item: (order.index(item.kind), item.id))
    found.sort(key=lambda item: item.moment.date(), reverse=True)
    return found


def _results(results: Iterable[Mapping[str, Any]]) -> Iterator[Item]:
    """Yield each result once, beside the result that counted before it."""
    by_digest = {digest(result): result for result in results}
    spans = {name: read_span(result.get("date")) for name, result in by_digest.items()}
    dated = [(span, name) for name, span in spans.items() if span is not None]
    before: dict[tuple[str, bool], Mapping[str, Any]] = {}
    for span, name in sorted(dated, key=lambda pair: pair[0].begin):
        result = by_digest[name]
        place = str(result.get("id")), result.get("size") == "smoke"
        earlier = before.get(place)
        changed = earlier is not None and earlier.get("verdict") != result.get("verdict")
        yield Item(
            id=tag("result", _plain(place[0]), name[:20]),
            moment=span.begin,
            until=span.end,
            when=span.text,
            kind="verdict" if changed else "result",
            title=_result_title(result, earlier if changed else None),
            text=_result_text(result, earlier),
            system=_plain(place[0]),
        )
        before[place] = result


def _result_title(result: Mapping[str, Any], changed: Mapping[str, Any] | None) -> str:
    name, verdict = clean(result.get("title", result.get("id")), 200), clean(result.get("verdict"), 40)
    if changed is not None:
        return title_of(f"From {clean(changed.get('verdict'), 40)} to {verdict}: {name}")
    return title_of(f"{verdict[:1].upper()}{verdict[1:]}: {name}")


def _result_text(result: Mapping[str, Any], earlier: Mapping[str, Any] | None) -> str:
    said = [_sentence(clean(result.get("claim"), 1000)), _figures(result.get("effects"))]
    said.append(f"Measured with {_made_with(result)}.")
    if earlier is None:
        said.append("The first result of this method at this size.")
    elif earlier.get("verdict") != result.get("verdict"):
        said.append(
            f"Before: {clean(earlier.get('verdict'), 40)}, with {_made_with(earlier)}, on "
            f"{clean(earlier.get('date'), 40)}."
        )
    return clean(" ".join(part for part in said if part))


def _made_with(result: Mapping[str, Any]) -> str:
    size, model, version = (clean(result.get(name, "?"), 100) for name in ("size", "model", "version"))
    return f"size {size}, model {model}, calculemus {version}"


def _figures(effects: object) -> str:
    """Write the difference that the verdict is about; nothing where a result has none."""
    first = effects[0] if isinstance(effects, list) and effects else None
    if not isinstance(first, Mapping):
        return ""
    figures = [first.get(name) for name in ("delta", "low", "high")]
    if not all(isinstance(figure, int | float) for figure in figures):
        return ""
    delta, low, high = (f"{figure:+.3g}".replace("-", "\u2212") for figure in figures)
    names = {name: clean(first.get(name, "?"), 200) for name in ("metric", "treatment", "baseline", "n")}
    return (
        f"Difference {delta}, between {low} and {high}, in {names['metric']}: {names['treatment']} against "
        f"{names['baseline']}, n = {names['n']}."
    )


def _sentence(text: str) -> str:
    return text if not text or text[-1] in ".!?…" else f"{text}."


def _plain(name: str) -> str:
    """Return an id as it may stand in a tag: those of cards are plain, those of a store need not be."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", name[:100]) or "-"


def _system(card: Card) -> Item | None:
    span = read_span(card.date)
    if span is None:
        return None
    what = "System" if card.is_system else "Method"
    return Item(
        id=tag("system", card.id),
        moment=span.begin,
        until=span.end,
        when=span.text,
        kind="system",
        title=title_of(f"{what}: {card.title}"),
        text=clean(
            f"{_sentence(clean(card.summary, 2000))} Its paper claims: {_sentence(clean(card.claim.text))}"
        ),
        system=card.id,
    )


def _runs(day: RunDay) -> Item | None:
    last, whole = read_span(day.last), read_span(day.day)
    if last is None or whole is None:
        return None
    name = clean(day.problems_name, 200)
    runs = f"{day.n_runs:,} run" + ("s" if day.n_runs != 1 else "")
    systems = f"{day.n_names:,} system" + ("s" if day.n_names != 1 else "")
    return Item(
        id=tag("runs", day.day, digest([day.problems_digest, day.problems_name])[:20]),
        moment=last.begin,
        until=last.end,
        when=whole.text,
        kind="runs",
        title=title_of(f"{runs} on {name}"),
        text=clean(f"{systems} on {name}: {day.n_answers:,} answers so far."),
    )


def kinds_of(items: Sequence[Item]) -> list[dict[str, Any]]:
    """Return how many items there are of each kind, with the kind's heading."""
    return [
        {"name": name, "heading": heading, "n": sum(item.kind == name for item in items)}
        for name, heading in KINDS.items()
    ]

"""The same problem with other names and things: another culture, or another person's world."""

import re

from calculemus.problems.generated.item import Item
from calculemus.problems.generated.lexicon import Lexicon, table
from calculemus.problems.generated.stream import Draw
from calculemus.problems.generated.teller import Row, Telling
from calculemus.problems.generated.variants.base import Variant, from_item, words_of

_WORD = re.compile(r"[^\W\d_]+")


def culture(kind: str, item: Item, draw: Draw) -> Variant | None:
    """Give everyone a name, and everything a thing, of one other culture; English alone."""
    return _skinned(kind, item, draw)


def persona(kind: str, item: Item, draw: Draw) -> Variant | None:
    """Replace the things by those of somebody's trade; names stay; English alone."""
    return _skinned(kind, item, draw)


def _skinned(kind: str, item: Item, draw: Draw) -> Variant | None:
    if item.spec.language != "en":
        return None
    skins = table("skins.toml")[kind]
    chosen = sorted(skins)[draw() * len(skins) >> 32]
    said = _said(item)
    lexicon = words_of(item)
    replaced: dict[str, str] = {}
    for pronoun in ("f", "m"):
        people = [p for p in lexicon.people if p.first in said and _pronoun_key(p.later_pronoun) == pronoun]
        replaced |= _paired(
            [(p.first,) for p in people], [(n,) for n in skins[chosen].get(pronoun, ())], draw
        )
    things = [(noun.plural, noun.singular) for noun in lexicon.things if noun.plural in said]
    replaced |= _paired(things, [tuple(forms) for forms in skins[chosen]["things"]], draw)
    if not replaced:
        return None
    made = Item(item.origin, item.index, item.draft, _replaced(item.telling, replaced, lexicon))
    return from_item(kind, item, made, skin=chosen, replaced=replaced)


def _said(item: Item) -> set[str]:
    """Return every word of the question and of its rows."""
    slots = (word for row in (*item.rows, *item.telling.shown) for word in row[2])
    return {word for text in slots for word in _WORD.findall(text)}


def _pronoun_key(pronoun: str) -> str:
    return "f" if pronoun == "she" else "m"


def _paired(old: list[tuple[str, ...]], new: list[tuple[str, ...]], draw: Draw) -> dict[str, str]:
    """Pair different words with different words, form by form; without new words all stay."""
    if not new:
        return {}
    first = draw() * len(new) >> 32
    pairs = ((forms, new[(first + place) % len(new)]) for place, forms in enumerate(old))
    return {word: other for forms, others in pairs for word, other in zip(forms, others, strict=True)}


def _replaced(telling: Telling, replaced: dict[str, str], lexicon: Lexicon) -> Telling:
    """Replace words in every slot: whole words of sentences, parts of the names in programs."""
    in_programs = {word.lower(): other.lower().replace(" ", "_") for word, other in replaced.items()}

    def changed(text: str) -> str:
        if "_" in text:
            return "_".join(in_programs.get(part, part) for part in text.split("_"))
        return _WORD.sub(lambda word: replaced.get(word[0], word[0]), text)

    def retold(row: Row) -> Row:
        entry, variant, words, is_step = row
        return entry, variant, tuple(map(changed, words)), is_step

    again = {id(row): retold(row) for row in (*telling.rows, *telling.shown)}
    rows = [again[id(row)] for row in telling.rows]
    return Telling(rows, [again[id(row)] for row in telling.shown], telling.ordinals)

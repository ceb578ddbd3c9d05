"""A sentence with named slots, made ready to be filled thousands of times a second."""

import re
from collections.abc import Callable
from operator import itemgetter

# The slots of all sentences, in the order in which their words are given: see ``languages/english.toml``.
SLOTS = "SPQspqrONnMmKbcxyvwut"
RESULT = SLOTS.index("w")  # the name that a program gives to what the row computes
_SLOT = re.compile(r"\{(\w)\}")

Words = tuple[str, ...]


def _nothing(words: Words) -> tuple[str, ...]:
    return ()


class Phrase:
    """Text with slots; ``form % pick(words)`` is the filled text.

    Example:
        >>> Phrase("{b} + {c}").fill(tuple("SPQspqrONnMmK") + ("3", "4", *"xyvwut"))
        '3 + 4'
    """

    __slots__ = ("form", "pick", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        slots = _SLOT.findall(text)
        self.form = _SLOT.sub("%s", text.replace("%", "%%"))
        self.pick: Callable[[Words], object] = (
            itemgetter(*(SLOTS.index(slot) for slot in slots)) if slots else _nothing
        )

    def fill(self, words: Words) -> str:
        """Return the text with its slots filled."""
        return self.form % self.pick(words)


def with_slots(words: Words, **changed: str) -> Words:
    """Return the words of a row with some slots filled otherwise."""
    return tuple(changed.get(slot, word) for slot, word in zip(SLOTS, words, strict=True))


def in_slot(words: Words, slot: str) -> str:
    """Return the word of a slot."""
    return words[SLOTS.index(slot)]

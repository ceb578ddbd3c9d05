"""What is new: results of claims, changed verdicts, systems and runs, as a list and as feeds.

An item's id depends on what it tells and not on when it was read, so that a feed reader that has seen it
knows it again, also from a copy of the store. The room knows no server and no terminal.
"""

from calculemus.news.feeds import atom, json_feed
from calculemus.news.gathering import gather, kinds_of
from calculemus.news.item import KINDS, Item, clean
from calculemus.news.mail import as_text, checked_address, letter
from calculemus.news.moments import parse_since, since

__all__ = [
    "KINDS",
    "Item",
    "as_text",
    "atom",
    "checked_address",
    "clean",
    "gather",
    "json_feed",
    "kinds_of",
    "letter",
    "parse_since",
    "since",
]

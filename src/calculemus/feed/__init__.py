"""Reading a feed page: its papers, which of them the catalog covers, and planned cards for the others."""

from calculemus.feed.entry import FeedEntry, FeedPage
from calculemus.feed.importing import Import, import_page
from calculemus.feed.matching import Match, match_entries, plain_title
from calculemus.feed.page import parse_page, read_page
from calculemus.feed.planning import plan_cards, write_card
from calculemus.feed.rooms import guess_room

__all__ = [
    "FeedEntry",
    "FeedPage",
    "Import",
    "Match",
    "guess_room",
    "import_page",
    "match_entries",
    "parse_page",
    "plain_title",
    "plan_cards",
    "read_page",
    "write_card",
]

"""Finding methods by words, by what they need, by what they mean and by what they resemble.

``calculemus.search.meaning`` needs the extra ``search``; nothing else here does.
"""

from calculemus.search.engine import Hit, Ranker, SearchIndex
from calculemus.search.filters import Filter, parse_query

__all__ = ["Filter", "Hit", "Ranker", "SearchIndex", "parse_query"]

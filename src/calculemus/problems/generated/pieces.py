"""How generated text is cut into pieces, so that joining them gives the text again.

A word or sign takes the blank before it along (``" apples"``); a digit stands alone, so a number of three
digits is three pieces after a blank; ``<<``, ``>>`` and ``####`` are one piece each.
"""

import re

_PIECE = re.compile(r"####| ?<<| ?>>| ?[^\W\d_]+|\d|\n(?: {4})?| ?[^\w\s]| ?_|\s")


def cut(text: str) -> list[str]:
    """Return the pieces of a text.

    Example:
        >>> cut("Tom has 12 apples.")
        ['Tom', ' has', ' ', '1', '2', ' apples', '.']
    """
    return _PIECE.findall(text)

"""Lists in what a model writes: numbered, bulleted, quoted or one item a line."""

import re

_MARK = re.compile(r"\A\s*(?:(?:\(?\d{1,3}[.):]|[-*•])\s+|(?:step|sub-?question)\s+\d{1,3}\s*[:.]\s*)", re.I)
_QUOTED = re.compile(r'"([^"\n]+)"|“([^”\n]+)”')


def read_list(text: str) -> tuple[str, ...]:
    r"""Return the items of the list in a text, () where there is none.

    Where lines are numbered or bulleted, these are the items. Else quoted phrases are, where there are any.

    Example:
        >>> read_list("First ask:\n1. How many eggs?\n2. How much money?")
        ('How many eggs?', 'How much money?')
        >>> read_list('We need to know: "How many eggs?", "How much money?".')
        ('How many eggs?', 'How much money?')
    """
    marked = [_MARK.sub("", line, count=1).strip() for line in text.splitlines() if _MARK.match(line)]
    if not any(marked):
        marked = [(straight or curly).strip() for straight, curly in _QUOTED.findall(text)]
    return tuple(item for item in marked if item)


def read_lines(text: str) -> tuple[str, ...]:
    """Return the lines that say something, without numbers or bullets before them, each once."""
    lines = (_MARK.sub("", line, count=1).strip() for line in text.splitlines())
    return tuple(dict.fromkeys(line for line in lines if line))

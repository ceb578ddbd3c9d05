"""Text with brackets: how deep they nest, and what stands outside them."""

import re


def depth_of(text: str) -> int:
    """Return how deep brackets nest."""
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest


def is_balanced(text: str) -> bool:
    """Say whether brackets close in order inside ``text``, any bracket closing any."""
    depth = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if depth < 0:
            return False
    return depth == 0


def split_top(text: str, separator: re.Pattern[str]) -> list[str]:
    """Split at the separators that stand outside all brackets."""
    spans = [m.span() for m in _top(text, separator)]
    starts = [0, *(end for _, end in spans)]
    ends = [*(start for start, _ in spans), len(text)]
    return [text[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def top_matches(text: str, pattern: re.Pattern[str]) -> list[str]:
    """Return the matches that stand outside all brackets."""
    return [match[0] for match in _top(text, pattern)]


def _top(text: str, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    matches = list(pattern.finditer(text))
    if not matches:
        return []
    depths, depth = [], 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        depths.append(depth)
    return [m for m in matches if m.start() == len(text) or (depths[m.start()] == 0 and m.group())]

"""A trace as a tree on a page: which step stands where, without recursion, however deep it is."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from calculemus.solution import Node
from calculemus.web.showing import cut

NODES = 100
"""Steps on a page."""
TEXT = 4000
"""Characters of a step on a page of many."""
DEEPEST = 8
"""Levels of indentation; deeper steps say what they follow."""
_FACT = 200
_CODE = frozenset({"code", "output", "program"})


def ordered(nodes: Sequence[Node]) -> list[tuple[int, int]]:
    """Return the number of every step with its depth, each below its first parent, branch after branch.

    Only branches go deeper: a chain stays at the depth of its first step.
    """
    children: list[list[int]] = [[] for _ in nodes]
    roots: list[int] = []
    for number, node in enumerate(nodes):
        (children[node.parents[0]] if node.parents else roots).append(number)
    found: list[tuple[int, int]] = []
    waiting = [(number, 0) for number in reversed(roots)]
    while waiting:
        number, depth = waiting.pop()
        found.append((number, depth))
        below = min(depth + (len(children[number]) > 1), DEEPEST)
        waiting += [(child, below) for child in reversed(children[number])]
    return found


def tree(nodes: Sequence[Node], order: Sequence[tuple[int, int]], start: int) -> list[dict[str, Any]]:
    """Return a page of the steps, each with the lists that it opens and that end behind it.

    Args:
        nodes: All steps.
        order: What ``ordered`` returned.
        start: Steps to pass over.
    """
    page = order[start : start + NODES]
    shallowest = min((depth for _, depth in page), default=0)
    found: list[dict[str, Any]] = []
    for place, (number, depth) in enumerate(page):
        above = page[place - 1] if place else (None, shallowest)
        below = page[place + 1][1] if place + 1 < len(page) else shallowest
        node = nodes[number]
        follows = list(node.parents) if node.parents and node.parents != (above[0],) else []
        found.append(
            {
                "number": number,
                "kind": node.kind,
                **cut(node.text, TEXT),
                "parents": list(node.parents),
                "follows": follows,
                "depth": depth,
                "opens": max(0, depth - above[1]),
                "closes": max(0, depth - below),
                "is_code": node.kind in _CODE,
                "has_failed": node.kind == "error" or node.meta.get("status", "ok") != "ok",
                **_facts(node.meta),
            }
        )
    return found


def _facts(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of a step: figures and words by name, and what is simply so."""
    known = {name: value for name, value in meta.items() if value is not None and value is not False}
    shown = {name: value for name, value in known.items() if (name, value) != ("status", "ok")}
    return {
        "facts": {_words(name): _fact(value) for name, value in shown.items() if value is not True},
        "tags": [_words(name) for name, value in shown.items() if value is True],
    }


def _words(name: str) -> str:
    return name.replace("_", " ")


def _fact(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return (value if isinstance(value, str) else json.dumps(value))[:_FACT]

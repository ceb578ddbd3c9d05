"""Markdown as plain records, which templates show part by part: no text becomes markup on its way.

A part is ``{"kind": ..., "parts": [...]}``, or has a ``text`` in place of parts. Links lead to:

- ``doc:solver`` a page of the docs, ``system:vote`` a method's page, ``page:claims`` a page without names;
- ``reference:calculemus.problem#Problem`` a module's page, and a place on it;
- ``#place`` a place on the same page; ``https://...`` anything else.

What leads elsewhere is text.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

Part = dict[str, Any]

_KINDS = {
    "paragraph": "paragraph",
    "bullet_list": "list",
    "ordered_list": "numbered",
    "list_item": "item",
    "blockquote": "quote",
    "strong": "strong",
    "em": "em",
    "table": "table",
    "thead": "head",
    "tbody": "body",
    "tr": "row",
    "th": "th",
    "td": "td",
}
_TO = re.compile(r"(doc|system|page|reference):([\w.]+)(?:#([\w.-]+))?", re.ASCII)
_NAMES = {"doc": "name", "system": "id", "reference": "module"}


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def parts_of(text: str) -> list[Part]:
    """Return a Markdown text as parts."""
    return list(_parts(SyntaxTreeNode(_parser().parse(text)).children))


def _parts(nodes: Iterable[SyntaxTreeNode]) -> Iterator[Part]:
    for node in nodes:
        yield from _part(node)


def _part(node: SyntaxTreeNode) -> Iterator[Part]:
    match node.type:
        case "inline":
            yield from _parts(node.children)
        case "text" | "html_inline" | "html_block":
            yield {"kind": "text", "text": node.content}
        case "softbreak" | "hardbreak":
            yield {"kind": "text", "text": "\n"}
        case "code_inline":
            yield {"kind": "code", "text": node.content}
        case "fence" | "code_block":
            yield _block(node)
        case "heading":
            parts = list(_parts(node.children))
            words = text_of(parts)
            yield {"kind": "heading", "level": int(node.tag[1]), "id": slug(words), "parts": parts}
        case "link":
            yield _link(str(node.attrs.get("href", "")), list(_parts(node.children)))
        case "hr":
            yield {"kind": "rule"}
        case "paragraph" if node.parent is not None and node.parent.type == "list_item":
            # Paragraphs of a tight list are no blocks.
            yield {"kind": "span" if node.hidden else "paragraph", "parts": list(_parts(node.children))}
        case kind:
            yield {"kind": _KINDS.get(kind, "span"), "parts": list(_parts(node.children))}


def _block(node: SyntaxTreeNode) -> Part:
    """Return a block of code; behind its language may stand the file that it is, or ``run``."""
    language, _, more = node.info.strip().partition(" ") if node.type == "fence" else ("", "", "")
    file = more if more and more != "run" else ""
    return {"kind": "block", "language": language, "file": file, "run": more == "run", "text": node.content}


def _link(href: str, parts: list[Part]) -> Part:
    found = _TO.fullmatch(href)
    if found is not None:
        kind, name, place = found.groups()
        params = {_NAMES[kind]: name} if kind in _NAMES else {}
        to = name if kind == "page" else kind
        return {"kind": "link", "to": to, "params": params, "place": place or "", "parts": parts}
    if href.startswith(("https://", "http://")) or re.fullmatch(r"#[\w-]+", href):
        return {"kind": "link", "to": "", "params": {}, "place": href, "parts": parts}
    return {"kind": "span", "parts": parts}


def text_of(parts: Iterable[Part]) -> str:
    """Return the words of parts, without what they are marked as."""
    return "".join(part["text"] if "text" in part else text_of(part.get("parts", ())) for part in parts)


def slug(words: str) -> str:
    """Return the name of a place on a page: ``adding-a-method``."""
    return "-".join(re.findall(r"[a-z0-9_]+", words.lower())) or "section"


def links_in(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield the links of parts, in order."""
    for part in parts:
        if part["kind"] == "link":
            yield part
        yield from links_in(part.get("parts", ()))


def blocks_in(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield the blocks of code of parts, in order."""
    for part in parts:
        if part["kind"] == "block":
            yield part
        yield from blocks_in(part.get("parts", ()))

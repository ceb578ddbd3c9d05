"""A model's text to a program: fences and talk around it are taken off, where it does not parse as it is.

A text that parses is never touched, so that whatever Python runs is run unchanged.
"""

import ast
import re
import textwrap
from dataclasses import dataclass

# Fences of other languages are matched, too, so that the end of one is not taken for the start of a program.
_FENCED = re.compile(r"^[ \t]*```[ \t]*([^\n`]*)\n(.*?)(?:^[ \t]*```|\Z)", re.M | re.S)
_PYTHON = ("", "python", "py", "python3")
# Reading an escape that does not exist is a warning, and an error where warnings are errors. What a text
# holds is of no concern to the reader of its syntax, so such escapes are taken out of the copy that is looked
# at.
_NO_ESCAPE = re.compile(r"\\([^\\'\"abfnrtvxuUN0-7\r\n])")
_STATEMENT = re.compile(r"^(?:import |from \w+ import |def |class |@)", re.M)


@dataclass(frozen=True, slots=True)
class Source:
    """A program that parses.

    Attributes:
        text: What is run.
        tree: Its syntax.
    """

    text: str
    tree: ast.Module


def _read(text: str) -> ast.Module:
    """Parse a copy without escapes that Python warns of."""
    if "\\" in text:
        pieces = text.split("\\\\")
        text = "\\\\".join(_NO_ESCAPE.sub(r"/\1", piece) for piece in pieces)
    return ast.parse(text, "<program>")


def _cut_behind(text: str, line: int) -> str:
    """Return what lies before the last unindented line that starts at or before ``line``."""
    lines = text.split("\n")
    start = min(line, len(lines)) - 1
    while start > 0 and (not lines[start].strip() or lines[start][0].isspace()):
        start -= 1
    return "\n".join(lines[: max(start, 0)])


def _defines(tree: ast.Module, entry: str | None) -> bool:
    return any(isinstance(node, ast.FunctionDef) and node.name == entry for node in tree.body)


def _without_talk(text: str, entry: str | None) -> Source | None:
    """Read a text of which the beginning or the end may be prose."""
    dedented = textwrap.dedent(text)
    first = _STATEMENT.search(dedented)
    for start in dict.fromkeys((dedented, dedented[first.start() :] if first else dedented)):
        try:
            return Source(start, _read(start))
        except SyntaxError as problem:
            kept = _cut_behind(start, problem.lineno or 1)
        try:
            tree = _read(kept)
        except SyntaxError:
            continue
        if _defines(tree, entry):
            return Source(kept, tree)
    return None


def _repair(text: str, entry: str | None) -> Source | None:
    blocks = [block for language, block in _FENCED.findall(text) if language.strip().lower() in _PYTHON]
    fenced = [textwrap.dedent(block) for block in blocks if block.strip()]
    candidates = ["\n".join(fenced), fenced[-1]] if fenced else [text]
    for candidate in dict.fromkeys(candidates):
        found = _without_talk(candidate, entry)
        if found is not None:
            return found
    return None


def read_program(text: str, entry: str | None) -> Source:
    """Find the program in a text.

    Args:
        text: Source, possibly fenced, indented, or followed by prose.
        entry: The function wanted; prose is cut off only behind a program that defines it, for the half of a
            program that has an error would run and be wrong.

    Raises:
        SyntaxError: There is no program in it.
        ValueError: It has null characters.
        RecursionError: It is nested too deeply to be read.
        MemoryError: The same, noticed elsewhere.
    """
    text = text.removeprefix("\ufeff")
    try:
        return Source(text, _read(text))
    except SyntaxError:
        repaired = _repair(text, entry)
        if repaired is None:
            raise
        return repaired

"""Toolsets: functions that were made from solved problems, with where they come from, in a file.

A file of JSON Lines: first what it is, then one tool a line. Its digest names it by content.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path

from calculemus.errors import RecordError
from calculemus.params import canonical_json, digest

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Tool:
    """A function and where it comes from.

    Attributes:
        name: What it is called by.
        code: Its source, with the imports that it needs.
        docstring: What it says it does.
        n_args: Arguments that it takes.
        call: The call that solved the problem which it was made from.
        answer: What that call returned, as an answer.
        question: That problem's question.
        problem_id: That problem.
        tier: Sandbox tier on which the call ran.
    """

    name: str
    code: str
    docstring: str
    n_args: int
    call: str
    answer: str
    question: str
    problem_id: str
    tier: str = "mini"


@dataclass(frozen=True, slots=True)
class Toolset:
    """Tools, in the order in which they were made."""

    tools: tuple[Tool, ...] = ()

    @property
    def tiers(self) -> tuple[str, ...]:
        """Sandbox tiers on which the tools were tried."""
        return tuple(sorted({tool.tier for tool in self.tools}))

    @property
    def digest(self) -> str:
        """Its name by content."""
        return digest([FORMAT, *(asdict(tool) for tool in self.tools)])

    def save(self, path: Path | str) -> None:
        """Write it to a file, under a temporary name first."""
        path = Path(path)
        lines = [canonical_json({"toolset": FORMAT, "tools": len(self.tools)})]
        lines += [canonical_json(asdict(tool)) for tool in self.tools]
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.write_text("\n".join(lines) + "\n", "utf-8", "surrogatepass")
        new.replace(path)


def read_toolset(path: Path | str) -> Toolset:
    """Read a toolset; a file that has not changed is read once.

    Raises:
        RecordError: The file cannot be read, or is no toolset of this format.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise RecordError(
            f"reading the toolset {path}: {error.strerror}; expected a file that Toolset.save wrote. Correct "
            "the path, or build it with calculemus.solving.crafting.build"
        ) from error
    return _read(str(path), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _read(path: str, changed: int, size: int) -> Toolset:
    del changed, size
    lines = Path(path).read_text("utf-8", "surrogatepass").splitlines()
    head = _line(path, 1, lines[0] if lines else "")
    if head.get("toolset") != FORMAT:
        raise RecordError(
            f"reading the toolset {path}, line 1: found {json.dumps(head)[:80]}; expected "
            f'{{"toolset": {FORMAT}, ...}}. Build it anew with this version'
        )
    tools = tuple(_tool(path, number, line) for number, line in enumerate(lines[1:], 2))
    if len(tools) != head.get("tools"):
        raise RecordError(
            f"reading the toolset {path}: found {len(tools)} tools; expected {head.get('tools')}, as its "
            "first line says. The file is cut off: build it anew"
        )
    return Toolset(tools)


def _line(path: str, number: int, line: str) -> dict[str, object]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise RecordError(
            f"reading the toolset {path}, line {number}: found {line[:80]!r}; expected a JSON object. "
            "Build the toolset anew"
        )
    return value


def _tool(path: str, number: int, line: str) -> Tool:
    value = _line(path, number, line)
    kinds = {field.name: int if field.name == "n_args" else str for field in fields(Tool)}
    wrong = [name for name, kind in kinds.items() if type(value.get(name)) is not kind]
    if wrong or len(value) != len(kinds):
        raise RecordError(
            f"reading the toolset {path}, line {number}: found a tool with {', '.join(value)}; expected "
            f"{', '.join(kinds)}, each of its kind. Build the toolset anew"
        )
    return Tool(**value)  # type: ignore[arg-type]  # each was checked to be of its kind


def show_tools(tools: Sequence[Tool]) -> str:
    """Write the code of tools, for a prompt and for a program."""
    return "\n\n".join(tool.code.strip("\n") for tool in tools)

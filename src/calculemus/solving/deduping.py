"""Tools that are one: by what they return, or by their names."""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from calculemus.engine.programs import Sandbox
from calculemus.engine.sandbox.record import Run as RunRecord
from calculemus.engine.sandbox.record import as_number
from calculemus.solving.programs import value_text
from calculemus.solving.toolsets import Tool

LEAST_PROBES = 3  # on which tools must have returned something to be called equal
_FAILED = "failed"
_SHIFTS = (1, 2, 5, 11)  # added to numbers of a call, so that two functions agree on it by chance less often


@dataclass(frozen=True, slots=True)
class Refused:
    """What did not become a tool.

    Attributes:
        problem_id: The problem that it was made from.
        stage: ``create``, ``abstract`` or ``dedupe``.
        reason: Why, as one line that begins with the kind.
    """

    problem_id: str
    stage: str
    reason: str


def arguments_of(call: str) -> tuple[tuple[Any, ...], Mapping[str, Any]] | None:
    """Return the arguments of a call; None where they are not literals."""
    node = ast.parse(call, mode="eval").body
    assert isinstance(node, ast.Call), "a tool is stored with a call"
    try:
        args = tuple(ast.literal_eval(each) for each in node.args)
        return args, {str(each.arg): ast.literal_eval(each.value) for each in node.keywords}
    except (ValueError, TypeError):
        return None


Deduped = tuple[list[Tool], list[Refused]]


def by_name(tools: Sequence[Tool]) -> Deduped:
    """Keep one tool of each name and number of arguments: the most complete."""
    return _one_of_each(tools, [(tool.name, tool.n_args) for tool in tools])


def by_behaviour(tools: Sequence[Tool], sandbox: Sandbox) -> Deduped:
    """Keep one tool of those that return the same wherever they are called: the most complete.

    Tools with equally many arguments are called as all of them were in the problems they come from, and with
    numbers moved away from these.
    """
    keys: list[Any] = []
    for place, tool in enumerate(tools):
        probes = probes_of([other for other in tools if other.n_args == tool.n_args])
        results = behave(tool, probes, sandbox)
        n_known = sum(result != _FAILED for result in results)
        keys.append((tool.n_args, *results) if n_known >= LEAST_PROBES else place)
    return _one_of_each(tools, keys)


def _one_of_each(tools: Sequence[Tool], keys: Sequence[Any]) -> Deduped:
    groups: dict[Any, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    best = {max(group, key=lambda i: (_completeness(tools[i]), -i)): group for group in groups.values()}
    refused = [
        Refused(
            tools[i].problem_id, "dedupe", f"duplicate: {tools[i].name}() does what {tools[one].name}() does"
        )
        for one, group in sorted(best.items())
        for i in group
        if i != one
    ]
    return [tools[i] for i in sorted(best)], refused


def _completeness(tool: Tool) -> tuple[int, int]:
    return len(tool.docstring), len(tool.code)


def probes_of(tools: Sequence[Tool]) -> list[tuple[Any, ...]]:
    """Return arguments to try tools on: those of their own calls, and others near them."""
    probes: dict[str, tuple[Any, ...]] = {}
    for tool in tools:
        found = arguments_of(tool.call)
        if found is None or found[1] or len(found[0]) != tool.n_args:
            continue
        for shift in (0, *_SHIFTS):
            moved = tuple(_moved(value, shift * (place + 1)) for place, value in enumerate(found[0]))
            probes[repr(moved)] = moved
    return list(probes.values())


def _moved(value: Any, by: int) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return value + by
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(item, by) for item in value)
    return value


def behave(tool: Tool, probes: Sequence[tuple[Any, ...]], sandbox: Sandbox) -> tuple[str, ...]:
    """Return what a tool returns on each probe, as text; all failed where they cannot be run."""
    program = (
        f"{tool.code}\n\n_found_ = []\nfor _probe_ in {list(probes)!r}:\n    try:\n"
        f"        _value_of_ = {tool.name}(*_probe_)\n"
        "        if not isinstance(_value_of_, (bool, int, float, str)):\n"
        "            _value_of_ = repr(_value_of_)\n"
        "        _found_.append(_value_of_)\n"
        f"    except Exception:\n        _found_.append({_FAILED!r})\n_found_"
    )
    run: RunRecord = sandbox.run(program, entry=None)
    if not run.ok or not isinstance(run.value, list) or len(run.value) != len(probes):
        return (_FAILED,) * len(probes)
    return tuple(value_text(value) if as_number(value) is not None else str(value) for value in run.value)


def with_names_of_their_own(tools: Sequence[Tool]) -> list[Tool]:
    """Return tools of which no two have one name, so that they can stand in one program."""
    taken: set[str] = set()
    named: list[Tool] = []
    for tool in tools:
        name, n = tool.name, 1
        while name in taken:
            n += 1
            name = f"{tool.name}_{n}"
        taken.add(name)
        word = re.compile(rf"\b{re.escape(tool.name)}\b")
        named.append(replace(tool, name=name, code=word.sub(name, tool.code), call=word.sub(name, tool.call)))
    return named

"""Run a program and find its value.

The value is what the entry function returns; without one, the last expression; without one, the variable
``answer``, ``ans`` or ``result``. A report says what happened and leaves it to the other side what that
means.
"""

import ast
import io
import types
from collections.abc import Callable, Mapping
from typing import Any

from calculemus.engine.sandbox.inside.encode import encode
from calculemus.errors import NotDataError

FILENAME = "<program>"
_LONGEST_ERROR = 2000
_LONGEST_NAME = 80

Report = dict[str, Any]


class Output(io.BytesIO):
    """What a program prints, up to a limit; then ``on_full`` is called."""

    def __init__(self, limit: int, on_full: Callable[[bytes], None]) -> None:
        super().__init__()
        self._limit = limit
        self._on_full = on_full

    def write(self, data: Any, /) -> int:
        """Take it, or end the run."""
        size = memoryview(data).nbytes
        if self.tell() + size > self._limit:
            self._on_full((self.getvalue() + bytes(data))[: self._limit])
            return size
        return super().write(data)

    def close(self) -> None:
        """Stay open: what was printed before a program closed its output still counts."""

    def text(self) -> io.TextIOWrapper:
        """Return a stream of text that writes here at once."""
        return io.TextIOWrapper(self, "utf-8", "backslashreplace", newline="\n", write_through=True)


def _describe(problem: BaseException) -> str:
    """Write a problem as the last line of a traceback does."""
    name = type(problem).__name__
    try:
        text = str(problem)
    except BaseException:  # the program's own exception may fail even at this, and in any way
        text = "<no text>"
    return f"{name}: {text}"[:_LONGEST_ERROR] if text else name


_DENIED = ("can't start new thread",)  # RuntimeError is all that Python makes of a refused thread


def _is_denied(problem: BaseException) -> bool:
    return isinstance(problem, PermissionError) or problem.args[:1] == _DENIED


def _failure(problem: BaseException) -> Report:
    """Say under which heading a problem falls."""
    kind = type(problem).__name__[:_LONGEST_NAME]
    status = "raised"
    if isinstance(problem, MemoryError):
        status, kind = "memory", "memory"
    elif isinstance(problem, ModuleNotFoundError):
        status, kind = "forbidden", "import_not_allowed"
    elif isinstance(problem, NotDataError):
        kind = "not_data"
    elif isinstance(problem, SyntaxError):
        kind = "syntax"
    elif _is_denied(problem):
        status, kind = "forbidden", "system_call"
    error = str(problem) if isinstance(problem, NotDataError) else _describe(problem)
    report: Report = {"status": status, "error_kind": kind, "error": error}
    if isinstance(problem, ModuleNotFoundError):
        report["module"] = str(problem.name)
    return report


def _split(source: str) -> tuple[types.CodeType, types.CodeType | None]:
    """Compile a program, and its last expression apart from the rest."""
    tree = ast.parse(source, FILENAME)
    last = tree.body[-1] if tree.body else None
    value = None
    if isinstance(last, ast.Expr):
        tree.body.pop()
        value = compile(ast.Expression(last.value), FILENAME, "eval", dont_inherit=True)
    return compile(tree, FILENAME, "exec", dont_inherit=True), value


def _run(source: str, names: dict[str, Any]) -> Any:
    """Run a program in ``names``; return the value of its last expression."""
    body, last = _split(source)
    try:
        exec(body, names)
        return None if last is None else eval(last, names)
    except SystemExit as leaving:
        if leaving.code not in (None, 0):
            raise
        return None  # a program that leaves of its own accord has finished


def _choose(value: Any, names: dict[str, Any], request: Mapping[str, Any]) -> tuple[bool, Any]:
    """Return whether there is an entry function, and the program's value."""
    entry = request["entry"]
    if entry is not None and entry in names:
        found = names[entry]
        if not callable(found):
            return True, found
        return True, found(**{name: names[name] for name in request["arguments"]})
    candidates = (value, *(names.get(name) for name in request["variables"]))
    return False, next((each for each in candidates if each is not None), None)


def _write(value: Any, is_wanted: bool) -> Any:
    """Encode a value; where none is wanted, what is not data is None."""
    try:
        return encode(value)
    except NotDataError:
        if is_wanted:
            raise
        return None


def execute(request: Mapping[str, Any], names: dict[str, Any]) -> Report:
    """Run ``request["source"]`` in ``names`` and report on it; only what ends the process gets out.

    Args:
        request: ``source``; ``entry``, a function's name or None; ``arguments``, the names of the variables
            that it is given; ``variables``, where to look for a value that no function returned.
        names: The program's global variables.
    """
    try:
        value = _run(request["source"], names)
        has_entry, value = _choose(value, names, request)
        return {"status": "ok", "has_entry": has_entry, "value": _write(value, request["entry"] is not None)}
    except BaseException as problem:  # whatever a program raises is its own affair
        report = _failure(problem)
        if report["status"] == "memory":
            names.clear()  # so that there is room to say so
        return report

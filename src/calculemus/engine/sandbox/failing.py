"""What came of a program on ``mini``: its value looked at, its failure named."""

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from calculemus.engine.sandbox.doubts import doubt_printed, doubt_value
from calculemus.engine.sandbox.inside.encode import encode
from calculemus.engine.sandbox.limits import Limits
from calculemus.engine.sandbox.outcome import Outcome
from calculemus.errors import NotDataError

if TYPE_CHECKING:
    from pydantic_monty import MontyError

_LONGEST_ERROR = 2000


def not_data(problem: NotDataError) -> Outcome:
    """Return the outcome of a program whose value is no data."""
    return Outcome("raised", error_kind="not_data", error=str(problem)[:_LONGEST_ERROR])


def _doubtful(doubt: str) -> Outcome:
    return Outcome("unsupported", error_kind="unsupported", error=f"'mini' may be wrong about {doubt}")


def bad_value(value: Any, limits: Limits) -> Outcome | None:
    """Return the outcome of a program whose value cannot be handed on."""
    if type(value) in (float, bool, type(None)) or (type(value) is int and value.bit_length() < 64):
        return None
    try:
        written = json.dumps(encode(value))
    except NotDataError as problem:
        return not_data(problem)
    doubt = doubt_value(value)
    if doubt is not None:
        return _doubtful(doubt)
    if len(written) > limits.value_bytes:
        error = f"the value takes {len(written)} bytes; {limits.value_bytes} are allowed"
        return Outcome("output_limit", error_kind="value_too_large", error=error)
    return None


def block_outcome(value: Any, limits: Limits) -> Outcome:
    """Return the outcome of a block, which needs no value: what is not data is None."""
    bad = bad_value(value, limits)
    if bad is not None and bad.error_kind == "not_data":
        return Outcome("ok")
    return bad or Outcome("ok", value)


def _over_output(text: str, limits: Limits) -> bool:
    """Say whether a message about memory is about what was printed."""
    return f"> {limits.output_bytes} bytes" in text and limits.output_bytes != limits.memory_bytes


def _runtime_failure(problem: BaseException, text: str, limits: Limits) -> Outcome:
    kind = type(problem).__name__
    if isinstance(problem, MemoryError):
        what = "output_limit" if _over_output(text, limits) else "memory"
        return Outcome(what, error_kind=what, error=text)
    if isinstance(problem, TimeoutError) and "time limit exceeded" in text:
        return Outcome("timeout", error_kind="cpu", error=text)
    if isinstance(problem, NotImplementedError) and "monty" in text:
        return Outcome("unsupported", error_kind="syntax", error=text)
    if "Internal error in monty" in text:
        return Outcome("crashed", error_kind="killed", error=text)
    if isinstance(problem, ModuleNotFoundError):
        return Outcome("forbidden", error_kind="import_not_allowed", error=text, module=problem.name)
    if isinstance(problem, PermissionError):
        return Outcome("forbidden", error_kind="system_call", error=text)
    return Outcome("raised", error_kind=kind, error=text)


def failure(problem: "MontyError", limits: Limits) -> Outcome:
    """Say under which heading a failure falls."""
    import pydantic_monty

    text = str(problem)[:_LONGEST_ERROR]
    if isinstance(problem, pydantic_monty.MontyCrashedError):
        status = "timeout" if problem.timed_out or "duration" in text else "crashed"
        return Outcome(status, error_kind="cpu" if status == "timeout" else "killed", error=text)
    if isinstance(problem, pydantic_monty.MontySyntaxError):
        return Outcome("unsupported", error_kind="syntax", error=text)
    if isinstance(problem, pydantic_monty.MontyConversionError):
        return Outcome("unsupported", error_kind="unsupported", error=f"'mini' does not take it in: {text}")
    return _runtime_failure(problem.exception(), text, limits)


def complete(outcome: Outcome, stdout: str, started: float) -> Outcome:
    """Add what was printed and the time; a doubtful digit in it makes the outcome doubtful."""
    is_kept = outcome.status in ("ok", "suspended")
    doubt = doubt_printed(stdout) if is_kept and stdout else None
    if doubt is not None:
        outcome = _doubtful(doubt)
    return replace(outcome, stdout=stdout, seconds=time.perf_counter() - started)


def waiting(outcome: Outcome, limits: Limits) -> Outcome:
    """Return the outcome of a program that waits for a reply, if what it asks with can be handed on."""
    call = outcome.pending
    if call is None:
        return outcome
    bad = bad_value([call.args, call.kwargs], limits)
    if bad is not None and bad.error_kind == "not_data":
        return replace(bad, error_kind="bad_call", error=f"{call.name}() is called with {bad.error}")
    return bad or outcome

"""Programs with a host in ``mini``: run up to the first call that has no reply yet."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from calculemus.engine.sandbox.handing import COUNTER
from calculemus.engine.sandbox.hosting import Hosting
from calculemus.engine.sandbox.outcome import Outcome
from calculemus.engine.sandbox.record import Call

if TYPE_CHECKING:
    from pydantic_monty import CollectString, MontySession

_SUSPEND = "_suspend_"
_REPLIES = "_replies_"
_HAS_ASKED = "_has_asked_"

# What the functions are in ``mini``. Arguments are counted before they leave, as values are. The name that is
# set first tells of a program that caught what suspending met: where a builtin calls the function, it fails.
_HOST = f"""{COUNTER}
{_HAS_ASKED} = False
_n_asked_ = 0
def _host_(name, args, kwargs):
    global _n_asked_, {_HAS_ASKED}
    _n_asked_ += 1
    if _n_asked_ <= len({_REPLIES}):
        return {_REPLIES}[_n_asked_ - 1]
    {_HAS_ASKED} = True
    _count_([args, kwargs])
    return {_SUSPEND}(name, args, kwargs)
"""


def _prelude(hosting: Hosting) -> str:
    functions = (
        f"def {name}(*args, **kwargs):\n    return _host_({name!r}, args, kwargs)\n" for name in hosting.names
    )
    return _HOST + "".join(functions)


def feed(
    session: "MontySession", text: str, inputs: dict[str, Any], printed: "CollectString", hosting: Hosting
) -> Any:
    """Run a program in ``mini`` with its host's functions.

    Returns:
        Its value, or the outcome of one that is suspended or that suspending met a gap in.

    Raises:
        MontyError: It failed.
    """
    from pydantic_monty import MontyComplete, MontyRuntimeError

    given = {**inputs, _REPLIES: list(hosting.replies)}
    try:
        state: Any = session.feed_start(_prelude(hosting) + text, inputs=given, print_callback=printed)
        while not isinstance(state, MontyComplete):
            if getattr(state, "function_name", None) == _SUSPEND:
                name, args, kwargs = state.args
                return Outcome("suspended", pending=Call(name, args, kwargs))
            state = _go_on(state)
    except MontyRuntimeError:
        if _has_asked(session):
            return _GAP
        raise
    return _GAP if _has_asked(session) else state.output


_GAP = Outcome(
    "unsupported",
    error_kind="unsupported",
    error="'mini' cannot suspend a call that a builtin like sorted() makes",
)


def _go_on(state: Any) -> Any:
    """Answer whatever else a program stops at, as if it had no host."""
    from pydantic_monty import FunctionSnapshot, NameLookupSnapshot

    if isinstance(state, NameLookupSnapshot):
        return state.resume()
    assert isinstance(state, FunctionSnapshot), "what mini runs has no 'await'"
    if state.is_os_function:
        return state.resume_not_handled()
    return state.resume({"exception": NameError(f"name '{state.function_name}' is not defined")})


def _has_asked(session: "MontySession") -> bool:
    from pydantic_monty import MontyError

    with suppress(MontyError):  # after a limit nothing runs there any more
        return session.feed_run(_HAS_ASKED) is True
    return False

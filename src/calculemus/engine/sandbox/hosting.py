"""Functions that a program may call although nobody has defined them: their host replies.

The k-th such call gets the k-th reply. At the first call beyond the replies the run ends as ``suspended``,
with the call; it goes on by being run again with one reply more. So nothing that is suspended has to be kept,
and what comes out is a function of the program and the replies alone.
"""

import keyword
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from calculemus.engine.sandbox.inside.decode import decode
from calculemus.engine.sandbox.inside.encode import encode
from calculemus.engine.sandbox.names import BUILTINS
from calculemus.errors import InvalidParameterError, NotDataError


@dataclass(frozen=True, slots=True)
class Hosting:
    """What a program is told by its host.

    Attributes:
        names: Functions that it may call.
        replies: What the calls return, in their order.
    """

    names: tuple[str, ...]
    replies: tuple[Any, ...]


def check_hosting(replies: Sequence[Any] | None, hosts: Collection[str] | None) -> tuple[Any, ...]:
    """Return the replies, each a copy of its own: what a program does to one shows in no other.

    Raises:
        InvalidParameterError: A reply is no data, a host no name of a function, or hosts have no replies.
    """
    if hosts is not None and replies is None:
        raise InvalidParameterError(
            f"sandbox: parameter 'hosts' is {hosts!r} without 'replies'; expected both. Give replies=() for "
            "a program that has not asked for anything yet"
        )
    for name in hosts or ():
        if not name.isidentifier() or keyword.iskeyword(name) or name in BUILTINS:
            raise InvalidParameterError(
                f"sandbox: parameter 'hosts' has {name!r}; expected names of functions, none of them Python's"
            )
    try:
        return tuple(decode(encode(list(replies or ()))))
    except NotDataError as problem:
        raise InvalidParameterError(f"sandbox: parameter 'replies' is no data: {problem}") from problem

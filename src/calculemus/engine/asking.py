"""What a method waits for: the requests of one yield, and the gate that opens when they are answered."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args

from calculemus.cost import Cost
from calculemus.engine.budget import Spending
from calculemus.engine.requests import First, Request
from calculemus.errors import InvalidParameterError

if TYPE_CHECKING:
    from calculemus.engine.method import Method

_KINDS = get_args(Request)


class Gate:
    """Waits for the replies to one yield, or to one ``First`` in it.

    Attributes:
        above: The gate that waits for this one; None for the outermost.
        need: Replies that are still wanted.
        pending: Parts that are neither answered nor failed.
        parts: The requests, and a gate for each ``First``.
    """

    __slots__ = ("_errors", "_is_single", "_place", "_replies", "above", "need", "parts", "pending")

    def __init__(self, above: "Gate | None", place: int, n: int, need: int, is_single: bool = False) -> None:
        self.above = above
        self._place = place
        self._is_single = is_single
        self._replies: list[Any] = [None] * n
        self._errors: dict[int, Exception] = {}
        self.need = need
        self.pending = n
        self.parts: list[Ask | Gate] = []

    @property
    def is_open(self) -> bool:
        """Whether the method can go on: enough is answered, or nothing more can be."""
        return not (self.need and self.pending)

    @property
    def error(self) -> Exception | None:
        """What made the gate fail: its first request's error, so that timing does not choose."""
        return self._errors[min(self._errors)] if self.need and self._errors else None

    @property
    def reply(self) -> Any:
        """What the method is resumed with."""
        return self._replies[0] if self._is_single else self._replies

    def settle(self, place: int, reply: Any, error: Exception | None) -> "Gate":
        """Take the outcome of one part; return the outermost gate that it reached."""
        self.pending -= 1
        if error is None:
            self._replies[place] = reply
            self.need -= 1
        else:
            self._errors[place] = error
        if self.above is not None and self.is_open:
            return self.above.settle(self._place, self.reply, self.error)
        return self


class Ask:
    """One request on its way, with what has come back.

    Attributes:
        method: Who asks.
        gate: Where the reply goes.
        place: Which part of the gate it is.
        request: What is asked.
        seeds: One for each row of a ``Sample``; none for requests that draw nothing.
        path: Where in the method it stands.
        rows: Rows it takes.
        rows_left: Rows that no engine has yet.
        n_open: Jobs of it that are in the engine.
        tickets: Of all its jobs.
        replies: Of its finished jobs, by the row that each began at.
        worst: What it may spend at most; None without a budget.
        key: Its address by content; None where nobody looks it up.
        since: When it began to wait, by the scheduler's clock.
        cost: Of its finished jobs.
        error: Of the first job that failed.
        leader: The equal request in flight whose reply it shares; None where it is sent itself.
        followers: Equal requests that share its reply.
        is_shared: Whether equal requests may share its reply.
        is_settled: Whether it was answered, failed or dropped.
    """

    __slots__ = (
        "cost", "error", "followers", "gate", "is_settled", "is_shared", "key", "leader", "method", "n_open",
        "path", "place", "replies", "request", "rows", "rows_left", "seeds", "since", "tickets", "worst",
    )  # fmt: skip

    def __init__(
        self, method: "Method", gate: Gate, place: int, request: Request, path: tuple[int, ...]
    ) -> None:
        self.method = method
        self.gate = gate
        self.place = place
        self.request = request
        self.path = path
        self.seeds: tuple[int, ...] = ()
        self.rows = self.rows_left = 0
        self.n_open = 0
        self.since = 0.0
        self.cost: Cost | None = None
        self.error: Exception | None = None
        self.tickets: list[int] = []
        self.replies: dict[int, Any] = {}
        self.worst: Spending | None = None
        self.key: Any = None
        self.leader: Ask | None = None
        self.followers: list[Ask] = []
        self.is_shared = False
        self.is_settled = False

    @property
    def who(self) -> str:
        """Who asks, for messages."""
        return f"{self.method.key} on {self.method.problem.id}"

    def take(self, start: int, reply: Any, cost: Cost, error: Exception | None) -> None:
        """Take what one of its jobs, which began at row ``start``, came back with."""
        self.n_open -= 1
        self.cost = cost if self.cost is None else self.cost + cost
        self.replies[start] = reply
        self.error = self.error or error

    @property
    def reply(self) -> Any:
        """The whole reply, put together from those of its jobs."""
        if len(self.replies) == 1:
            return self.replies[0]
        return tuple(row for start in sorted(self.replies) for row in self.replies[start])


def open_gate(
    method: "Method", asked: Any, path: tuple[int, ...], above: Gate | None = None, place: int = 0
) -> tuple[Gate, list[Ask]]:
    """Return the gate for what a method yielded, and its requests in order.

    Raises:
        TypeError: It is not a request or a list of requests.
        InvalidParameterError: A ``First`` that waits for more replies than it has requests.
    """
    is_single = isinstance(asked, _KINDS) and not isinstance(asked, First)
    parts, need = _parts(asked)
    gate = Gate(above, place, len(parts), need, is_single)
    asks: list[Ask] = []
    for index, part in enumerate(parts):
        inner = path if is_single else (*path, index)
        if isinstance(part, First):
            below, more = open_gate(method, part, inner, gate, index)
            gate.parts.append(below)
            asks += more
        elif isinstance(part, _KINDS):
            ask = Ask(method, gate, index, part, inner)
            gate.parts.append(ask)
            asks.append(ask)
        else:
            raise TypeError(f"a solver yielded {part!r} in a list; expected requests")
    return gate, asks


def _parts(asked: Any) -> tuple[list[Any] | tuple[Any, ...], int]:
    """Return the requests of a yield and how many of them are waited for."""
    if isinstance(asked, First):
        if not 1 <= asked.k <= len(asked.requests):
            raise InvalidParameterError(
                f"First: k is {asked.k} with {len(asked.requests)} requests; expected 1 to that many"
            )
        return asked.requests, asked.k
    if isinstance(asked, (list, tuple)):
        return asked, len(asked)
    if isinstance(asked, _KINDS):
        return [asked], 1
    raise TypeError(f"a solver yielded {asked!r}; expected a request or a list of requests")


def ask_one_by_one(
    asked: Any, answer: Callable[[Request, tuple[int, ...]], Any], path: tuple[int, ...]
) -> Any:
    """Return the reply to what a method yielded, from a function that answers single requests.

    For drivers that run a method without an engine; a ``First`` gets its first ``k`` requests answered.
    """
    parts, need = _parts(asked)
    if isinstance(asked, _KINDS) and not isinstance(asked, First):
        return answer(asked, path)
    replies = [ask_one_by_one(part, answer, (*path, i)) for i, part in enumerate(parts[:need])]
    return replies + [None] * (len(parts) - need)

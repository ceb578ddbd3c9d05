"""Programs that methods ask to run: in threads, so that the engine works meanwhile.

A thread only waits: the sandbox runs programs in processes of its own. Programs of one session run one after
the other, in the order in which they were asked for.
"""

import queue
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from calculemus.engine.asking import Ask
from calculemus.engine.method import Method
from calculemus.engine.requests import Run


class Session(Protocol):
    """An interpreter whose variables outlive a program."""

    def run(self, block: str) -> Any:
        """Run a program and return the sandbox's record of it."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Sandbox(Protocol):
    """Runs programs that models wrote; ``calculemus.engine.sandbox.Sandbox`` is one."""

    @property
    def workers(self) -> int:
        """Programs that run at a time."""
        ...

    @property
    def tiers(self) -> Sequence[str]:
        """Where they may run."""
        ...

    # Any: a request names the tier in text, which only the sandbox can check.
    def run(
        self,
        program: str,
        *,
        tier: Any = None,
        entry: str | None = "solution",
        seed: int = 0,
        before: Sequence[str] | None = None,
        replies: Sequence[Any] | None = None,
        hosts: Collection[str] | None = None,
    ) -> Any:
        """Run a program and return the record of it, with ``seconds``; see ``Run`` for what else it takes."""
        ...

    def session(self, *, tier: Any = None, seed: int = 0) -> Session:
        """Open a session."""
        ...


@dataclass(frozen=True, slots=True)
class Ran:
    """A finished program: the sandbox's record, or what the sandbox itself raised."""

    ask: Ask
    record: Any
    error: Exception | None


@dataclass(slots=True)
class _Chain:
    """A session with the programs that wait for their turn in it."""

    session: Session
    waiting: deque[tuple[Ask, Callable[[], Any]]] = field(default_factory=deque)
    is_busy: bool = False


class Programs:
    """The programs under way.

    Attributes:
        n_open: How many were asked for and are not back.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.n_open = 0
        self._sandbox = sandbox
        self._threads = ThreadPoolExecutor(sandbox.workers, thread_name_prefix="sandbox")
        self._back: queue.SimpleQueue[Ran] = queue.SimpleQueue()
        self._chains: dict[Method, dict[str, _Chain]] = {}

    def submit(self, ask: Ask) -> None:
        """Run the program that is asked for, in its session's turn.

        Raises:
            CalculemusError: No session can be opened.
        """
        request, seed = ask.request, ask.seeds[0]
        assert isinstance(request, Run), "an engine's request is none for the sandbox"
        if request.session is None:
            options = {"tier": request.tier, "entry": request.entry, "seed": seed, **request.options}
            self.n_open += 1
            self._threads.submit(self._work, ask, partial(self._sandbox.run, request.program, **options))
            return
        chains = self._chains.setdefault(ask.method, {})
        chain = chains.get(request.session)
        if chain is None:
            chain = chains[request.session] = _Chain(self._sandbox.session(tier=request.tier, seed=seed))
        chain.waiting.append((ask, partial(chain.session.run, request.program)))
        self.n_open += 1
        self._go_on(chain)

    def _go_on(self, chain: _Chain) -> None:
        if chain.waiting and not chain.is_busy:
            chain.is_busy = True
            self._threads.submit(self._work, *chain.waiting.popleft())

    def _work(self, ask: Ask, run: Callable[[], Any]) -> None:
        try:
            self._back.put(Ran(ask, run(), None))
        except Exception as error:  # it belongs to the method that asked, not to this thread
            self._back.put(Ran(ask, None, error))

    def take(self, seconds: float | None) -> list[Ran]:
        """Return what is finished, after waiting at most so long for something; None waits on."""
        found: list[Ran] = []
        try:
            found.append(self._back.get(timeout=seconds))
            while True:
                found.append(self._back.get_nowait())
        except queue.Empty:
            pass
        self.n_open -= len(found)
        for ran in found:
            self._free_session(ran.ask)
        return found

    def _free_session(self, ask: Ask) -> None:
        name = ask.request.session if isinstance(ask.request, Run) else None
        if name is not None:
            chain = self._chains[ask.method][name]
            chain.is_busy = False
            self._go_on(chain)

    def end(self, method: Method) -> None:
        """Close the sessions of a method that has ended."""
        for chain in self._chains.pop(method, {}).values():
            chain.session.close()

    def close(self) -> None:
        """Close every session; programs that run are waited for, others are forgotten."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for method in list(self._chains):
            self.end(method)

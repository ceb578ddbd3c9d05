"""Sessions: blocks of a program that follow each other and share their variables.

A block is a pure function of the blocks before it, so a session needs nothing but their text: it can be taken
to a higher tier, and its process can be let go and rebuilt, by running them again.
"""

import threading
import weakref
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from calculemus.engine.sandbox.hosting import check_hosting
from calculemus.engine.sandbox.jail import GONE, Child, write_request
from calculemus.engine.sandbox.limits import Limits
from calculemus.engine.sandbox.look import Plan, look, with_host
from calculemus.engine.sandbox.machinery import Machinery, is_settled, unsupported
from calculemus.engine.sandbox.outcome import Outcome, conclude
from calculemus.engine.sandbox.reading import UNREADABLE, too_long, unreadable
from calculemus.engine.sandbox.record import TIERS, Run, Tier
from calculemus.errors import SandboxBrokenError, SandboxUnavailableError

_KEEPS_STATE = ("ok", "raised", "forbidden")  # after anything else the block has never been


class LiveSessions:
    """The sessions that hold a process; beyond ``most`` the one that rested longest lets go of its own."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._sessions: OrderedDict[weakref.ref[Session], None] = OrderedDict()

    def touch(self, session: "Session") -> None:
        """Note that a session uses its process; let go of others."""
        with self._lock:
            self._sessions[weakref.ref(session)] = None
            self._sessions.move_to_end(weakref.ref(session))
            for forgotten in [each for each in self._sessions if each() is None]:
                del self._sessions[forgotten]
            longest = list(self._sessions)[: -self._most]
        self._let_go(longest)

    def drop(self, session: "Session") -> None:
        """Note that a session has no process any more."""
        with self._lock:
            self._sessions.pop(weakref.ref(session), None)

    def rest(self) -> None:
        """Let all sessions that are not running let go of their processes."""
        with self._lock:
            everyone = list(self._sessions)
        self._let_go(everyone)

    def _let_go(self, references: "list[weakref.ref[Session]]") -> None:
        for reference in references:
            # Taken off first: a session that goes on after its rest notes itself again.
            with self._lock:
                self._sessions.pop(reference, None)
            session = reference()
            if session is not None and not session.rest():
                with self._lock:
                    self._sessions[reference] = None


@dataclass(frozen=True)
class SessionSettings:
    """What a session begins with.

    Attributes:
        tier: Where to run, and nowhere else; None for wherever the blocks fit.
        limits: What each block may use.
        inputs: Variables that the first block finds.
        seed: Where randomness begins.
    """

    tier: Tier | None
    limits: Limits
    inputs: Mapping[str, Any]
    seed: int


@dataclass(frozen=True, slots=True)
class Point:
    """Where a session stands: all that another one needs to go on from there.

    Attributes:
        blocks: What has run.
        tier: Where it runs; None before the first block.
        mini_state: What the tier ``mini`` holds.
    """

    blocks: tuple[Plan, ...]
    tier: Tier | None
    mini_state: bytes | None


class Session:
    """Blocks that share their variables; made by ``Sandbox.session``.

    A block that raises leaves the variables as they were at that point. One that meets a limit has never
    been.

    Example:
        >>> from calculemus.engine.sandbox import Sandbox
        >>> with Sandbox() as sandbox, sandbox.session() as session:
        ...     _ = session.run("x = 20")
        ...     session.run("x + 1").value
        21
    """

    def __init__(
        self, machinery: Machinery, live: LiveSessions, settings: SessionSettings, at: Point | None = None
    ) -> None:
        self._machinery = machinery
        self._live = live
        self._settings = settings
        self._lock = threading.RLock()
        self._blocks: list[Plan] = list(at.blocks) if at is not None else []
        self._tier: Tier | None = at.tier if at is not None else None
        self._mini_state: bytes | None = at.mini_state if at is not None else None
        self._child: Child | None = None

    @property
    def point(self) -> Point:
        """Where it stands."""
        return Point(tuple(self._blocks), self._tier, self._mini_state)

    def run(
        self, block: str, replies: Sequence[Any] | None = None, hosts: Collection[str] | None = None
    ) -> Run:
        """Run the next block; the value is its last expression's, None where that is no data.

        Args:
            block: Source.
            replies: As in ``Sandbox.run``; a block that is suspended has never been.
            hosts: As in ``Sandbox.run``.

        Raises:
            SandboxUnavailableError: This machine cannot isolate what the block needs.
            InvalidParameterError: Replies that are not data, or hosts that are no names.
        """
        told = check_hosting(replies, hosts)
        refused = too_long(block, self._settings.limits)
        if refused is not None:
            return refused
        try:
            plan = look(block, None, {})
            if replies is not None:
                plan = with_host(plan, told, hosts, self._blocks)
        except UNREADABLE as problem:
            return unreadable(problem)
        with self._lock:
            return self._run(plan)

    def rest(self) -> bool:
        """Let go of the process, unless a block is running; return whether there is none now."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self._let_go()
        finally:
            self._lock.release()
        return True

    def close(self) -> None:
        """End the session's process."""
        with self._lock:
            self._let_go()
            self._live.drop(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self._let_go()

    def _let_go(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def _choices(self, plan: Plan) -> tuple[Tier, ...]:
        """Return the tiers for a block, never below the one that the session has reached."""
        if self._settings.tier is not None:
            return (self._settings.tier,)
        reached = self._tier or plan.lowest
        higher = plan.lowest if TIERS.index(plan.lowest) > TIERS.index(reached) else reached
        return self._machinery.from_tier(higher)

    def _run(self, plan: Plan) -> Run:
        choices = self._choices(plan)
        if not choices or (choices == ("mini",) and plan.reason is not None):
            return unsupported(f"the session's tiers do not run {plan.reason}")
        tried: list[Tier] = []
        outcome = GONE
        for tier in choices:
            try:
                outcome = self._run_on(tier, plan)
            except SandboxUnavailableError:
                if tier == "mini" and len(choices) > 1:
                    continue
                if not tried:
                    raise
                break
            tried.append(tier)
            if is_settled(tier, outcome):
                break
        if outcome.status in _KEEPS_STATE:
            self._blocks.append(plan)
        return conclude(outcome, plan, tuple(tried))

    def _run_on(self, tier: Tier, plan: Plan) -> Outcome:
        if tier == "mini":
            return self._run_on_mini(plan)
        for _ in range(2):
            try:
                return self._run_in_jail(tier, plan)
            except SandboxBrokenError:
                self._let_go()
        return GONE

    def _run_on_mini(self, plan: Plan) -> Outcome:
        settings, outcome = self._settings, GONE
        for _ in range(2):  # the worker may have died before
            outcome, self._mini_state = self._machinery.mini.run_block(
                self._mini_state, plan, settings.inputs, settings.limits, settings.seed
            )
            if outcome.status != "crashed":
                break
        self._tier = "mini"
        return outcome

    def _run_in_jail(self, tier: Tier, plan: Plan) -> Outcome:
        with self._machinery.seats:
            if self._tier != tier or self._child is None or not self._child.is_alive:
                self._rebuild(tier)
            self._live.touch(self)
            child = self._child
            if child is None:  # a block that ran before did not come to its end this time
                raise SandboxBrokenError("sandbox: rebuilding a session: a block met a limit this time")
            outcome = child.block(self._request(plan))
            if outcome.status not in _KEEPS_STATE:
                self._let_go()
            return outcome

    def _rebuild(self, tier: Tier) -> None:
        """Start a process and bring it to where the session is."""
        self._let_go()
        self._child = self._machinery.jails[tier].open(self._settings.limits)
        self._tier = tier
        for plan in self._blocks:
            self._child.block(self._request(plan))

    def _request(self, plan: Plan) -> bytes:
        settings = self._settings
        return write_request(plan, settings.inputs, settings.limits, settings.seed)

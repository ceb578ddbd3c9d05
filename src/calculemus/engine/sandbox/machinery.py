"""What runs programs: the workers of all tiers under one roof, and the rule for going from tier to tier."""

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from calculemus.engine.sandbox.jail import Jail
from calculemus.engine.sandbox.limits import Limits
from calculemus.engine.sandbox.look import SCI_PACKAGES, Plan
from calculemus.engine.sandbox.mini import Mini
from calculemus.engine.sandbox.outcome import Outcome
from calculemus.engine.sandbox.record import TIERS, Run, Tier
from calculemus.errors import InvalidParameterError


def count_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_settled(tier: Tier, outcome: Outcome) -> bool:
    """Say whether a higher tier could come to no other end.

    Whatever fails on ``mini`` may have met a gap of its interpreter: CPython has the last word.
    """
    if tier == "mini":
        return outcome.status in ("ok", "suspended")
    return tier != "std" or (outcome.module or "").partition(".")[0] not in SCI_PACKAGES


def unsupported(reason: str) -> Run:
    """Return the run of a program that no tier which may be used runs."""
    return Run("unsupported", error_kind="unsupported", error=reason)


class Machinery:
    """The workers of all tiers, each started when it is first needed.

    Args:
        tiers: The tiers that may be used.
        workers: Programs that run at a time.
    """

    def __init__(self, tiers: Sequence[Tier], workers: int) -> None:
        for tier in tiers:
            if tier not in TIERS:
                raise InvalidParameterError(
                    f"Sandbox: parameter 'tiers' has {tier!r}; expected any of {', '.join(TIERS)}"
                )
        self.tiers: tuple[Tier, ...] = tuple(tier for tier in TIERS if tier in tiers)
        self.mini = Mini(workers)
        self.jails: dict[Tier, Jail] = {"std": Jail("std"), "sci": Jail("sci")}
        self.process = os.getpid()
        self.seats = threading.BoundedSemaphore(workers)

    def from_tier(self, lowest: Tier) -> tuple[Tier, ...]:
        """Return the tiers that may be used, from the lowest possible one on."""
        return tuple(tier for tier in self.tiers if TIERS.index(tier) >= TIERS.index(lowest))

    def run(self, tier: Tier, plan: Plan, inputs: Mapping[str, Any], limits: Limits, seed: int) -> Outcome:
        """Run a program on one tier."""
        if tier == "mini":
            outcome = self.mini.run(plan, inputs, limits, seed)
            # Its worker may have died before: a program is blamed for what happens twice.
            return self.mini.run(plan, inputs, limits, seed) if outcome.status == "crashed" else outcome
        with self.seats:
            return self.jails[tier].run(plan, inputs, limits, seed)

    def close(self) -> None:
        """End all workers; those of the process that this one is a fork of are not ours to end."""
        if os.getpid() != self.process:
            self.mini.abandon()
            return
        self.mini.close()
        for jail in self.jails.values():
            jail.close()

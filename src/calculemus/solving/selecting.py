r"""Which of several answers to take: votes over equal answers, by number or by weight.

Equality is the grader's: ``1/2``, ``0.5`` and ``\frac12`` share a vote. Who gives no answer does not vote.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from calculemus.solving.candidate import Candidate
from calculemus.solving.context import Context


@dataclass(frozen=True, slots=True)
class Group:
    """Candidates whose answers are equal.

    Attributes:
        members: Their indices, in order of appearance.
        weight: Sum of their weights: their number where all weigh 1.
        logprob: Sum of their log-probabilities; 0 where unknown.
    """

    members: tuple[int, ...]
    weight: float
    logprob: float


def poll(
    ctx: Context, candidates: Sequence[Candidate], weights: Sequence[float] | None = None
) -> list[Group]:
    """Group equal answers, the winner first.

    The largest weight wins; among equal weights the larger sum of log-probabilities; then who came first.

    Args:
        ctx: Says which answers are equal.
        candidates: The voters.
        weights: One each, at least 0; by default all weigh 1.
    """
    groups = []
    for members in ctx.same([candidate.answer for candidate in candidates]):
        weight = float(len(members)) if weights is None else math.fsum(weights[i] for i in members)
        logprob = math.fsum(candidates[i].logprob or 0.0 for i in members)
        groups.append(Group(members, weight, logprob))
    return sorted(groups, key=lambda group: (-group.weight, -group.logprob, group.members[0]))


def still_open(groups: Sequence[Group], left: int) -> int:
    """Return how many of the ``left`` votes must at least be cast before the vote is decided; 0 if it is.

    It is decided once the lead exceeds the votes that are left: whoever gets these, the winner stays, and
    there is no tie to break. The fewest votes that can get there all go to the leader.
    """
    counts = [len(group.members) for group in groups]
    lead = counts[0] - (counts[1] if len(counts) > 1 else 0) if counts else 0
    return 0 if lead > left else min(left, (left - lead) // 2 + 1)


def best_chains(scores: Sequence[float]) -> list[int]:
    """Return all indices by score, the highest first; equal scores in order of appearance."""
    return sorted(range(len(scores)), key=lambda index: -scores[index])


def heads(groups: Sequence[Group]) -> list[int]:
    """Return the first member of each group."""
    return [group.members[0] for group in groups]

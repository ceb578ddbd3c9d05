"""What engines without a model share: rows that finish one by one, in a time that is counted, not waited for.

Every row takes one step for its prompt and one for each token it samples; all rows take a step together, and
a row that is finished makes room for another at once, as in an engine with continuous batching.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from calculemus.cost import Cost, Meter, forward_flops
from calculemus.engine.base import Done, Job
from calculemus.engine.requests import Capabilities, EngineRequest, Prefix, Prompt, Sample
from calculemus.engine.rows import count_rows


def plain_text(prompt: Prompt) -> str:
    """Return a prompt as one text; a conversation becomes lines of role and text."""
    if isinstance(prompt, str):
        return prompt
    if isinstance(prompt, Prefix):
        return prompt.text
    return "\n".join(f"{role}: {text}" for role, text in prompt.messages)


def linear_step(rows: int) -> float:
    """Return seconds of a step that takes twice as long with 256 rows as with none."""
    return 0.02 * (1 + rows / 256)


@dataclass(frozen=True, slots=True)
class Work:
    """What a job will come to.

    Attributes:
        reply: Its reply; None where it fails.
        prompts: The token ids of each row's prompt.
        sampled: How many tokens each row samples.
        error: Why it fails.
        steps: Steps of each row besides those of its tokens.
    """

    reply: Any
    prompts: Sequence[Sequence[int]]
    sampled: Sequence[int]
    error: Exception | None = None
    steps: int = 1


@dataclass(slots=True)
class _Flight:
    """A job that is in the engine."""

    work: Work
    rows_left: int
    begun: int  # the step at which it entered
    paid: float  # seconds a row had taken part in by then
    seconds: float  # of its finished rows
    tokens_in: int
    tokens_cached: int


class VirtualEngine:
    """Base of the engines without a model: it is told what each job comes to, and does the rest.

    Attributes:
        name: What people call it.
        digest: Names what changes its replies.
        capabilities: What it can do.
        seconds: Virtual seconds worked so far.
        n_jobs: Jobs taken.
        n_rows: Rows of them.
        n_steps: Steps made.
        row_steps: Rows that took part in them, summed; ``row_steps / n_steps`` are the rows in a step.
    """

    def __init__(
        self,
        name: str,
        digest: str,
        capabilities: Capabilities,
        step_seconds: Callable[[int], float] = linear_step,
    ) -> None:
        self.name = name
        self.digest = digest
        self.capabilities = capabilities
        self.seconds = 0.0
        self.n_jobs = self.n_rows = self.n_steps = self.row_steps = 0
        self._step_seconds = step_seconds
        self._parameters: int = capabilities.facts.get("parameters", 0)
        self._active = 0
        self._each = 0.0  # seconds that a row which was there from the beginning has taken part in
        self._flights: dict[int, _Flight] = {}
        self._ends: list[tuple[int, int]] = []
        self._seen: set[int] = set()
        self._counted = Meter()

    def work(self, job: Job) -> Work:
        """Return what a job comes to; each engine has its own."""
        raise NotImplementedError

    def prompt_ids(self, request: EngineRequest) -> Sequence[Sequence[int]]:
        """Return the token ids of each row's prompt; each engine has its own."""
        raise NotImplementedError

    @property
    def counted(self) -> Cost:
        """What all jobs cost so far, those in flight left out."""
        return self._counted.total

    def count_tokens(self, request: EngineRequest) -> int | None:
        """Return the prompt tokens of a request."""
        prompts = self.prompt_ids(request)
        return sum(map(len, prompts[:1] if isinstance(request, Sample) else prompts))

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs."""
        for job in jobs:
            work = self.work(job)
            n_rows = count_rows(job.request)
            tokens_in, tokens_cached = self._read(work)
            self._flights[job.ticket] = _Flight(
                work, n_rows, self.n_steps, self._each, 0.0, tokens_in, tokens_cached
            )
            for tokens in work.sampled:
                heapq.heappush(self._ends, (self.n_steps + work.steps + tokens, job.ticket))
            self._active += n_rows
            self.n_jobs += 1
            self.n_rows += n_rows

    def _read(self, work: Work) -> tuple[int, int]:
        """Return how many prompt tokens are computed and how many were seen before, over the rows."""
        computed = cached = 0
        for ids in work.prompts:
            known = self._remember(ids)
            computed += len(ids) - known
            cached += known
        return computed, cached

    def _remember(self, ids: Sequence[int]) -> int:
        """Return how many of the first tokens were seen in a row before; from now on all were."""
        seen, path, known = self._seen, 0, 0
        for place, token in enumerate(ids):
            path = hash((path, token))
            if path in seen:
                known = place + 1
            else:
                seen.add(path)
        return known

    def wait(self) -> list[Done]:
        """Make steps until a row is finished; return the jobs that this finished, which may be none."""
        while self._ends and self._ends[0][1] not in self._flights:
            heapq.heappop(self._ends)  # it was cancelled
        if not self._ends:
            return []
        self._go_to(self._ends[0][0])
        finished: list[Done] = []
        while self._ends and self._ends[0][0] == self.n_steps:
            ticket = heapq.heappop(self._ends)[1]
            flight = self._flights.get(ticket)
            if flight is not None:
                self._active -= 1
                flight.rows_left -= 1
                flight.seconds += self._each - flight.paid
                if not flight.rows_left:
                    finished.append(self._finish(ticket))
        return finished

    def _go_to(self, step: int) -> None:
        steps = step - self.n_steps
        seconds = steps * self._step_seconds(self._active)
        self.n_steps = step
        self.row_steps += steps * self._active
        self.seconds += seconds
        self._each += seconds / self._active

    def _finish(self, ticket: int) -> Done:
        flight = self._flights.pop(ticket)
        work = flight.work
        cost = self._cost(flight, sum(work.sampled), 0, flight.seconds)
        return Done(ticket, work.reply, cost, work.error)

    def _cost(self, flight: _Flight, out: int, discarded: int, seconds: float) -> Cost:
        tokens = flight.tokens_in + out + discarded
        cost = Cost(
            tokens_in=flight.tokens_in,
            tokens_cached=flight.tokens_cached,
            tokens_out=out,
            tokens_discarded=discarded,
            flops=forward_flops(self._parameters, 0, 0, tokens) if self._parameters else None,
            seconds_engine=seconds,
        )
        self._counted.add(cost)
        return cost

    def cancel(self, tickets: Sequence[int]) -> list[Done]:
        """Stop jobs; what their rows had sampled is discarded."""
        stopped: list[Done] = []
        for ticket in tickets:
            flight = self._flights.pop(ticket, None)
            if flight is not None:
                self._active -= flight.rows_left
                made = max(0, self.n_steps - flight.begun - flight.work.steps)
                sampled = sum(min(made, tokens) for tokens in flight.work.sampled)
                seconds = flight.seconds + flight.rows_left * (self._each - flight.paid)
                stopped.append(Done(ticket, None, self._cost(flight, 0, sampled, seconds)))
        return stopped

    def free_rows(self) -> int:
        """Return how many rows are idle."""
        return max(0, self.capabilities.rows - self._active)

    def close(self) -> None:
        """Forget everything in flight."""
        self.cancel(list(self._flights))
        self._ends.clear()

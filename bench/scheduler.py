"""Four hundred beam searches on an engine of 256 rows: how full it is kept, and what that costs.

The engine is scripted: its time is virtual, so that all time outside it is overhead. The same search runs
under the scheduler, one problem at a time, and as asyncio tasks over a small batching loop; all three must
give the same answers. Overhead is processor time less that inside the engine, over the rows that were asked
for; the search's own work is in it, in all three. The asyncio peer shares no requests, keeps no accounts and
knows no budgets, fairness or failures.

Usage: python bench/scheduler.py [SEARCHES]
"""

import asyncio
import sys
import time
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from _timed_engine import Timed
from calculemus.engine.base import Job
from calculemus.engine.requests import Completion, EngineRequest, Prefix, Sample, Sampling, Value
from calculemus.engine.rows import count_rows, cut
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solution import Solution
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context

ROWS = 256
BEAMS = 4
CHILDREN = 4
DEPTH = 8
SAMPLING = Sampling(temperature=1.0, max_tokens=32)


def step_text(prompt: str, seed: int) -> str:
    """Write a step of 4 to 20 words; the last of them names it."""
    return " so" * (3 + seed % 17) + f" {seed % 100_000}"


def value(text: str) -> float:
    return zlib.crc32(text[-40:].encode()) / 2**32


@dataclass(frozen=True)
class Beam(Solver):
    """Keep the best few of all next steps, by value."""

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Search a problem of ``DEPTH`` steps."""
        beams = [Prefix(f"{problem.question}:")]
        for _ in range(DEPTH):
            samples = yield [Sample(beam, SAMPLING, BEAMS * CHILDREN // len(beams)) for beam in beams]
            steps = [step.prefix for row in samples for step in row]
            values = yield Value(tuple(steps))
            beams = best(steps, values)
        return Solution(beams[0].text)


def best(steps: Sequence[Prefix], values: Sequence[float]) -> list[Prefix]:
    order = sorted(range(len(steps)), key=lambda i: -values[i])
    return [steps[i] for i in order[:BEAMS]]


class Batcher:
    """The peer: asyncio tasks put requests in a queue, and a loop keeps the engine full from it."""

    def __init__(self, engine: Timed) -> None:
        self.engine = engine
        self.waiting: deque[list[Any]] = (
            deque()
        )  # [request, seeds, first row not sent, replies, rows back, future]
        self.jobs: dict[int, tuple[list[Any], int]] = {}
        self.ticket = 0

    def ask(self, request: EngineRequest, seeds: tuple[int, ...]) -> "asyncio.Future[Any]":
        """Put a request in the queue."""
        future = asyncio.get_running_loop().create_future()
        self.waiting.append([request, seeds, 0, {}, 0, future])
        return future

    def fill(self) -> None:
        """Send rows until the engine is full."""
        free = self.engine.free_rows()
        jobs: list[Job] = []
        while free and self.waiting:
            entry = self.waiting[0]
            request, seeds, start = entry[:3]
            rows = min(free, count_rows(request) - start)
            entry[2] += rows
            if entry[2] == count_rows(request):
                self.waiting.popleft()
            free -= rows
            self.jobs[self.ticket] = (entry, start)
            jobs.append(Job(self.ticket, cut(request, start, start + rows), seeds[start : start + rows]))
            self.ticket += 1
        if jobs:
            self.engine.submit(jobs)

    def take(self) -> None:
        """Let the engine work, and wake who waited for what is finished."""
        for done in self.engine.wait():
            entry, start = self.jobs.pop(done.ticket)
            entry[3][start] = done.reply
            entry[4] += len(done.reply)
            if entry[4] == count_rows(entry[0]):
                entry[5].set_result(tuple(row for at in sorted(entry[3]) for row in entry[3][at]))

    async def loop(self) -> None:
        """Keep the engine full."""
        while True:
            # Two turns: the first wakes the waiting tasks, in the second they have asked for more.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.fill()
            self.take()


async def search(problem: Problem, batcher: Batcher) -> str:
    rng = Rng(0, ("Beam", problem.id, 0))
    beams = [Prefix(f"{problem.question}:")]
    for depth in range(DEPTH):
        n = BEAMS * CHILDREN // len(beams)
        asked = [
            batcher.ask(Sample(beam, SAMPLING, n), rng.child(2 * depth, index).seeds(n))
            for index, beam in enumerate(beams)
        ]
        samples: list[tuple[Completion, ...]] = await asyncio.gather(*asked)
        steps = [step.prefix for row in samples for step in row if isinstance(step.prefix, Prefix)]
        beams = best(steps, await batcher.ask(Value(tuple(steps)), ()))
    return beams[0].text


def with_asyncio(engine: Timed, problems: Sequence[Problem]) -> dict[str, str]:
    async def all_of_them() -> list[str]:
        batcher = Batcher(engine)
        loop = asyncio.create_task(batcher.loop())
        found = await asyncio.gather(*(search(problem, batcher) for problem in problems))
        loop.cancel()
        return found

    return dict(zip((p.id for p in problems), asyncio.run(all_of_them()), strict=True))


def with_scheduler(engine: Timed, problems: Sequence[Problem], in_flight: int = 400) -> dict[str, str]:
    scheduler = Scheduler(engine, in_flight=in_flight)
    solved = scheduler.solve_all(Beam(), ((problem, 0) for problem in problems))
    return {name: solution.answer or "" for name, _, solution in solved}


def measure(
    name: str, run: Callable[[Timed, Sequence[Problem]], dict[str, str]], problems: Sequence[Problem]
) -> tuple[float, float, dict[str, str]]:
    """Return the share of rows in use, the overhead in microseconds a row (best of 3), and the answers."""
    engines, overheads, answers = (
        [Timed(ScriptedEngine(step_text, values=value, rows=ROWS)) for _ in range(3)],
        [],
        {},
    )
    for engine in engines:
        start = time.process_time()
        answers = run(engine, problems)
        overheads.append((time.process_time() - start - engine.seconds) / engine.inner.n_rows * 1e6)
    inner = engines[0].inner
    rows = inner.row_steps / inner.n_steps
    print(
        f"{name:22} {rows:5.1f} rows per engine call, {rows / ROWS:5.1%} of {ROWS}; "
        f"{min(overheads):.2f} us overhead a row"
    )
    return rows / ROWS, min(overheads), answers


def main(n: int = 400) -> None:
    problems = [Problem(f"beam/{i}", f"Problem {i}", "") for i in range(n)]
    share, overhead, answers = measure("scheduler", with_scheduler, problems)
    alone, _, same = measure("one problem at a time", lambda e, p: with_scheduler(e, p, 1), problems)
    assert same == answers, "one problem at a time gives other answers"
    _, peer, same = measure("asyncio", with_asyncio, problems)
    assert same == answers, "asyncio gives other answers"
    print("overhead a row, of asyncio over the scheduler:")
    print(f"ratio: {peer / overhead:.2f}")
    print("rows per engine call, over one problem at a time:")
    print(f"ratio: {share / alone:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

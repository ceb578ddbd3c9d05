"""A live study in a process of its own, for tests that kill it: prints a dot for each step of the engine.

Every row that reaches the engine is written to a log first: the number of the process, the question and the
row's seed, or ``score``, with tabs between them.

Usage: live_study.py STORE LOG PAUSE CACHE (CACHE may be ``none``)
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from calculemus import Problem, Rng
from calculemus.engine.base import Done, Job
from calculemus.engine.cache import ReplyCache
from calculemus.engine.requests import Sample, Sampling, Score
from calculemus.engine.toy import ToyLM
from calculemus.problems.problemset import ProblemSet
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.store import Store
from calculemus.study.live import LiveSystem
from calculemus.study.run import generate

N_PROBLEMS = 120
PROBLEMS = ProblemSet("toys", tuple(Problem(f"toys/{i}", f"Toy {i}?\nA:", "abc") for i in range(N_PROBLEMS)))


@dataclass(frozen=True)
class Tree(Solver):
    """Two beginnings, three ends of each, and the most frequent whole text."""

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        first = yield Sample(problem.question, Sampling(temperature=1.0, max_tokens=2), 2)
        ends = yield [Sample(c.prefix, Sampling(temperature=1.0, max_tokens=9), 3) for c in first]
        texts = [c.prefix.text[len(problem.question) :] for reply in ends for c in reply]
        (scored,) = yield Score(problem.question, (texts[0],))
        ctx.trace.add("step", texts[0], logprob=scored.logprob)
        winner, votes = Counter(texts).most_common(1)[0]
        return ctx.solution(winner, candidates=[str(votes), *texts])


class Logged(ToyLM):
    """Writes down what it is asked, and takes its time."""

    log: Path
    pause: float

    def submit(self, jobs: Sequence[Job]) -> None:
        lines = [
            f"{os.getpid()}\t{_question(job)}\t{seed}\n" for job in jobs for seed in job.seeds or ("score",)
        ]
        with self.log.open("a") as file:
            file.write("".join(lines))
        super().submit(jobs)

    def wait(self) -> list[Done]:
        time.sleep(self.pause)
        sys.stdout.write(".")
        sys.stdout.flush()
        return super().wait()


def _question(job: Job) -> str:
    prompt = getattr(job.request, "prompt", "")
    return (prompt if isinstance(prompt, str) else prompt.text).partition("\n")[0]


def main() -> None:
    store_path, log, pause, cache_path = sys.argv[1:]
    engine = Logged.random(Rng(5), "abc", 5, rows=8)
    engine.log, engine.pause = Path(log), float(pause)
    cache = None if cache_path == "none" else ReplyCache(cache_path)
    with Store.open(store_path) as store:
        generate(store, LiveSystem("tree@toy", Tree(), engine, seed=1, cache=cache), PROBLEMS, batch=4)
    if cache is not None:
        cache.close()


if __name__ == "__main__":
    main()

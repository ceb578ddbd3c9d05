"""Tree searches by the score: many problems in flight, one at a time, and a library that has no scheduler.

Every problem is searched breadth first, as in Tree of Thoughts: a first step, four steps behind it, and then
four behind each of the four best. The engine is scripted: its time is virtual, so that all time outside it is
overhead. The peer, treequest, is driven in both of its ways: a step at a time, as its README does, and layer
by layer through ``ask_batch``, one problem after the other in both. All arms must find the same solutions.

Rows per engine call are rows that took part in a step of the engine, on average. Problems a second are those
of the engine's virtual time and the overhead together. Overhead is processor time less that inside the
engine, over the rows that were asked for; ours has the trace, the costs and the reading of answers in it,
which the peer does not do.

The peer is no dependency: pip install treequest. Without it only our own arms are measured.

Usage: python bench/search.py [PROBLEMS]
"""

import importlib
import importlib.util
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from _timed_engine import Timed
from calculemus.engine.method import solver_key
from calculemus.engine.requests import Completion, EngineRequest, Prefix, Sample, Sampling, Value
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.context import Context
from calculemus.solving.searching import Search, Searching
from calculemus.solving.tree import Tree, best, flat

ROWS = 256
BEST = 4
NEXT = 4
DEPTH = 8
IN_FLIGHT = 256

Texts = dict[str, str]


def step_text(prompt: str, seed: int) -> str:
    """Write a step of 4 to 20 words whose last one names it; the last step states an answer."""
    is_last = prompt[prompt.rindex("Problem ") :].count(";\n") == DEPTH - 1
    return (" so" * (2 + seed % 17) if not is_last else "####") + f" {seed % 100_000};\n"


def value(text: str) -> float:
    """Return a number between 0 and 1 that only the text decides."""
    return zlib.crc32(text[-60:].encode()) / 2**32


@dataclass(frozen=True)
class Breadth(Searching):
    """Search layer by layer behind one first step."""

    depth: int = DEPTH

    def search(self, tree: Tree) -> Search:
        """Grow a layer a round, behind the best of the one before."""
        live, each = [tree.root], 1
        for _ in range(self.depth):
            children = flat((yield from tree.grow([(place, each) for place in live])))
            yield from tree.judge(children)
            live, each = best(children, BEST), NEXT


SOLVER = Breadth(temperature=1.0, shots=0)


def make_engine() -> Timed:
    """Return the engine that all arms search on."""
    return Timed(ScriptedEngine(step_text, values=value, rows=ROWS))


def with_scheduler(engine: Timed, problems: Sequence[Problem], in_flight: int = IN_FLIGHT) -> Texts:
    scheduler = Scheduler(engine, in_flight=in_flight)
    solved = scheduler.solve_all(SOLVER, ((problem, 0) for problem in problems))
    return {name: solution.answer or "" for name, _, solution in solved}


def one_at_a_time(engine: Timed, problems: Sequence[Problem]) -> Texts:
    return with_scheduler(engine, problems, 1)


class Drawer:
    """Draws steps of a problem for the peer, with the seeds that the scheduler gives to the same rows."""

    def __init__(self, engine: Timed, problem: Problem) -> None:
        self._rng = Rng(0, (solver_key(SOLVER), problem.id, 0))
        prompt = Context(self._rng, engine.capabilities).prompt("cot", problem, shots=0)
        assert isinstance(prompt, str)
        self._engine, self.root = engine, Prefix(prompt)
        self._sampling = Sampling(1.0, stop=("\n",), keep_stop=True, max_tokens=SOLVER.step_tokens)
        self._drawn: dict[int, dict[int, int]] = {}  # by layer: for each node, how many steps came behind it

    def draw(self, nodes: Sequence[Any]) -> list[tuple[Prefix, float]]:
        """Return a valued step behind each node of the peer's tree; equal nodes stand together."""
        asked: list[tuple[EngineRequest, tuple[int, ...]]] = []
        for _, group in groupby(nodes, key=lambda node: node.expand_idx):
            same = list(group)
            request = Sample(same[0].state or self.root, self._sampling, len(same))
            asked.append((request, self._seeds(same[0], len(same))))
        replies: list[tuple[Completion, ...]] = self._engine.ask(asked)
        steps = [step.prefix for reply in replies for step in reply if isinstance(step.prefix, Prefix)]
        (values,) = self._engine.ask([(Value(tuple(steps)), ())])
        return list(zip(steps, values, strict=True))

    def _seeds(self, node: Any, n: int) -> tuple[int, ...]:
        """Return the seeds of the next rows behind a node."""
        layer = self._drawn.setdefault(node.depth, {})
        begun = layer.setdefault(node.expand_idx, 0)
        layer[node.expand_idx] = begun + n
        place = list(layer).index(node.expand_idx)
        seeds = self._rng.child(2 * node.depth, place).seeds(NEXT if node.depth else 1)
        return seeds[begun : begun + n]


def treequest(engine: Timed, problem: Problem, batches: Sequence[int]) -> str:
    """Return the best solution that treequest finds, asking it for so many steps at a time."""
    peer: Any = importlib.import_module("treequest")  # by name: it may be missing
    algorithm = peer.TreeOfThoughtsBFSAlgo(breadth_limit=BEST, size_limit=NEXT)
    state, drawer = algorithm.init_tree(), Drawer(engine, problem)
    for size in batches:
        state, trials = algorithm.ask_batch(state, size, ["step"])
        nodes = [state.tree.get_node(trial.node_to_expand) for trial in trials]
        for trial, result in zip(trials, drawer.draw(nodes), strict=True):
            state = algorithm.tell(state, trial.trial_id, result)
    whole = [node for node in state.tree.get_nodes() if node.depth == DEPTH]
    chosen = max(whole, key=lambda node: (node.score, -node.expand_idx))
    return chosen.state.text.removeprefix(drawer.root.text)


LAYERS = (1, NEXT, *(BEST * NEXT for _ in range(DEPTH - 2)))


def step_by_step(engine: Timed, problems: Sequence[Problem]) -> Texts:
    return {problem.id: treequest(engine, problem, (1,) * sum(LAYERS)) for problem in problems}


def layer_by_layer(engine: Timed, problems: Sequence[Problem]) -> Texts:
    return {problem.id: treequest(engine, problem, LAYERS) for problem in problems}


@dataclass(frozen=True)
class Found:
    """What an arm came to."""

    rows: float
    overhead: float
    a_second: float
    texts: Texts


def measure(
    name: str, run: Callable[[Timed, Sequence[Problem]], Texts], problems: Sequence[Problem]
) -> Found:
    """Run an arm three times; the least overhead counts, the rest is the same each time."""
    overheads, texts, engine = [], {}, make_engine()
    for _ in range(3):
        engine = make_engine()
        start = time.process_time()
        texts = run(engine, problems)
        overheads.append(time.process_time() - start - engine.seconds)
    inner, overhead = engine.inner, min(overheads)
    rows = inner.row_steps / inner.n_steps
    a_second = len(problems) / (inner.seconds + overhead)
    print(
        f"{name:26} {rows:6.1f} rows per engine call  {a_second:6.2f} problems a second  "
        f"{overhead / inner.n_rows * 1e6:7.2f} us overhead a row"
    )
    return Found(rows, overhead / inner.n_rows, a_second, texts)


def main(n: int = IN_FLIGHT) -> None:
    problems = [Problem(f"search/{i}", f"Problem {i}", "") for i in range(n)]
    ours = measure(f"{IN_FLIGHT} problems in flight", with_scheduler, problems)
    alone = measure("one problem at a time", one_at_a_time, problems)
    assert alone.texts == ours.texts, "one problem at a time finds other solutions"
    if importlib.util.find_spec("treequest") is None:
        print("treequest is not installed: pip install treequest, to measure it too")
    else:
        steps = measure("treequest, step by step", step_by_step, problems)
        layers = measure("treequest, by layers", layer_by_layer, problems)
        assert steps.texts == layers.texts == ours.texts, "treequest finds other solutions"
        print("overhead a row, of treequest by layers over ours:")
        print(f"ratio: {layers.overhead / ours.overhead:.2f}")
        print("problems a second, over treequest by layers:")
        print(f"ratio: {ours.a_second / layers.a_second:.2f}")
    print("problems a second, over one at a time:")
    print(f"ratio: {ours.a_second / alone.a_second:.2f}")
    print("rows per engine call, over one at a time:")
    print(f"ratio: {ours.rows / alone.rows:.2f}")
    assert ours.rows >= 10 * alone.rows or n < IN_FLIGHT, "the engine is not kept ten times as full"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

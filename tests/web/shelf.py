"""A store filled by hand, for tests of pages: every figure can be counted on paper."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calculemus import Cost, Problem, Solution, Trace, Verdict
from calculemus.problems.problemset import ProblemSet
from calculemus.solution import Node
from calculemus.store import Run, Store, StoredAnswer

GRADER = "default@1"
WORDS = {"c": "correct", "w": "wrong", "u": "unparsed", "e": "error"}


def problem_set(n: int = 4, name: str = "sums") -> ProblemSet:
    """Return problems whose gold is their number."""
    return ProblemSet(
        name, tuple(Problem(f"{name}/{i}", f"What is {i} + 0?", str(i), f"{i} + 0 = {i}") for i in range(n))
    )


def add_run(
    path: Path,
    outcomes: str,
    name: str = "abacus",
    problems: ProblemSet | None = None,
    spec: Mapping[str, Any] | None = None,
    nodes: Sequence[Node] = (),
    solution: Solution | None = None,
    grader: str = GRADER,
    extracted: str | None = None,
    samples: int = 1,
    finished: bool = True,
) -> Run:
    """Store a run with one outcome a letter, problem by problem, sample by sample."""
    problems = problems or problem_set(len(outcomes) // samples)
    with Store.open(path) as store:
        run = store.begin(spec or {"solver": name}, problems, name)
        places = [(problems[index // samples].id, index % samples) for index in range(len(outcomes))]
        answer = solution or Solution("a response", trace=Trace(tuple(nodes)), cost=Cost(tokens_out=10))
        store.append(run, [StoredAnswer(name, sample, answer) for name, sample in places])
        found = [
            (name, sample, Verdict(WORDS[letter], extracted or letter, "by hand", grader))  # type: ignore[arg-type]  # one of four
            for (name, sample), letter in zip(places, outcomes, strict=True)
        ]
        store.record(run, grader, found)
        if finished:
            store.finish(run)
        return store.find(run.key)

"""A study of 5,000 rows in a process of its own, for tests that kill it: prints a dot for each step.

The first dot says that the store is about to be opened, the others that an answer or a verdict is made.

Usage: scripted_study.py STORE PAUSE
"""

import sys
import time
from collections.abc import Container, Iterator, Mapping
from typing import Any

from calculemus.cost import Cost
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.solution import Node, Solution, Trace
from calculemus.store import Store
from calculemus.study.run import generate, grade
from calculemus.study.system import Answer
from calculemus.verdict import Verdict

N_PROBLEMS = 2500
N_SAMPLES = 2


def step(pause: float) -> None:
    time.sleep(pause)
    sys.stdout.write(".")
    sys.stdout.flush()


class Scripted:
    name = "scripted"

    def __init__(self, pause: float) -> None:
        self.pause = pause

    def spec(self) -> Mapping[str, Any]:
        return {"kind": "scripted"}

    def answers(self, problems: ProblemSet, done: Container[tuple[str, int]]) -> Iterator[Answer]:
        for index, problem in enumerate(problems):
            for sample in range(N_SAMPLES):
                if (problem.id, sample) not in done:
                    step(self.pause)
                    yield Answer(problem.id, sample, self.solve(index, sample))

    def solve(self, index: int, sample: int) -> Solution:
        if index % 97 == 0:
            return Solution(None, failure=f"timed out on {index}")
        text = f"{index} + {sample} is thought about at length; the answer is {index + sample}"
        return Solution(text, trace=Trace((Node("completion", text),)), cost=Cost(tokens_out=index))


class LastWord:
    name = "last_word"
    version = 1

    def __init__(self, pause: float) -> None:
        self.pause = pause

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        step(self.pause)
        if response is None:
            raise ValueError(f"nothing to grade in {problem.id}")
        word = response.split()[-1]
        outcome = "correct" if word == problem.answer else "wrong"
        return Verdict(outcome, word, "last", "last_word@1", seconds=time.perf_counter())


def main() -> None:
    path, pause = sys.argv[1], float(sys.argv[2])
    problems = ProblemSet("sums", tuple(Problem(f"sums/{i}", f"{i}?", str(i)) for i in range(N_PROBLEMS)))
    step(0)
    with Store.open(path) as store:
        run = generate(store, Scripted(pause), problems, batch=7)
        grade(store, run, LastWord(pause), batch=7)


if __name__ == "__main__":
    main()

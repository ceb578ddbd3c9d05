"""Problems a second on one core: ours beside reasoning-gym's ``gsm_symbolic``, in one run.

Ours come with question, annotated solution and program, theirs with question and worked solution. The clock
counts the process's own time, so that a busy machine slows neither. Run: python bench/generator.py
"""

import importlib.util
import os
import time
from collections.abc import Callable

from calculemus.problems.generated import Generated, Spec

ROUNDS = 5  # turn by turn; the best of each counts
ITEMS = 4_000
LEVELS = range(1, 9)


def rate(make: Callable[[int], object], count: int) -> float:
    """Return how many a second ``make`` makes, each from its index."""
    start = time.process_time()
    for index in range(count):
        make(index)
    return count / (time.process_time() - start)


def ours(level: int) -> Callable[[int], object]:
    source = Generated(Spec.level(level), "train")

    def make(index: int) -> object:
        item = source[index]
        return item.question, item.solution, item.program

    return make


def theirs() -> Callable[[int], object] | None:
    if importlib.util.find_spec("reasoning_gym") is None:
        print(
            "reasoning-gym is not installed, so there is nothing to compare with: pip install reasoning-gym"
        )
        return None
    import reasoning_gym

    return reasoning_gym.create_dataset("gsm_symbolic", size=ITEMS, seed=0).__getitem__


def packed(level: int) -> Callable[[int], float]:
    """Return what measures tokens a second of a level."""
    source = Generated(Spec.level(level), "train")
    vocabulary = {piece: number for number, piece in enumerate(source.pieces())}

    def tokens_a_second(count: int) -> float:
        start = time.process_time()
        made = source.tokens(vocabulary, count)
        return len(made.ids) / (time.process_time() - start)

    return tokens_a_second


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    makers: dict[str, Callable[[int], object]] = {f"level {level}": ours(level) for level in LEVELS}
    peer = theirs()
    if peer is not None:
        makers["gsm_symbolic"] = peer
    for make in makers.values():
        rate(make, ITEMS // 4)  # tables are read and caches filled before the clock starts
    best = dict.fromkeys(makers, 0.0)
    for _ in range(ROUNDS):
        for name, make in makers.items():
            best[name] = max(best[name], rate(make, ITEMS))
    for name, value in best.items():
        print(f"{name:14}{value:12,.0f} problems/s{1e6 / value:10.1f} µs each")
    for level in (2, 4):
        measure = packed(level)
        tokens = max(measure(ITEMS) for _ in range(ROUNDS))
        print(f"level {level}, packed{tokens:12,.0f} tokens/s")
    if peer is not None:
        for level in (1, 2, 3):
            print(f"ratio: {best[f'level {level}'] / best['gsm_symbolic']:.2f}")


if __name__ == "__main__":
    main()

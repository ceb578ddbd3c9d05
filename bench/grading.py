"""Verdicts a second on one core: ours beside math-verify, on the same strings, in one run.

Run: python bench/grading.py
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from math_verify import parse, verify

from calculemus.exact import parse_number
from calculemus.grading import get_grader, workers
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.study.answer_pairs import read_pairs

ADVERSARIAL = Path(__file__).parents[1] / "tests/grading/adversarial.jsonl"
FILLER = "First we add the parts and carry the rest over to the next line of the sum. " * 12
KINDS = {
    "integers in a sentence": ("{0}", "So the answer is {1}.", True),
    "integers, 1 kB response": ("{0}", FILLER + "So the answer is {1}.", True),
    "boxed integers": ("{0}", r"We get $\boxed{{{1}}}$.", True),
    "bare integers": ("{0}", "{1}", True),
    "fractions": (r"\frac{{{0}}}{{97}}", r"We get $\boxed{{\frac{{{1}}}{{97}}}}$.", False),
    "surds": (r"{0}\sqrt{{2}}", r"We get $\boxed{{\frac{{{1}\cdot 2}}{{\sqrt{{2}}}}}}$.", False),
    "factored quadratics": (r"x^2+{0}x", r"We get $\boxed{{x(x+{0})}}$.", False),
    "wrong quadratics": (r"x^2+{0}x", r"We get $\boxed{{x(x+{0})+1}}$.", False),
}
grader = get_grader("default")


def ours(gold: str, response: str) -> bool:
    return grader.grade(Problem("q", "", gold), response).correct


def theirs(gold: str, response: str) -> bool:
    wrapped = f"${gold}$" if parse_number(gold) is None else gold
    given = parse(response, parsing_timeout=None)
    return bool(verify(parse(wrapped, parsing_timeout=None), given, timeout_seconds=None))


def rate(judge: Callable[[str, str], bool], pairs: list[tuple[str, str]]) -> tuple[float, list[bool]]:
    start = time.perf_counter()
    verdicts = [judge(gold, response) for gold, response in pairs]
    return len(pairs) / (time.perf_counter() - start), verdicts


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    workers.warm(wait=True)
    draws = Rng(0).child("bench", "grading").generator().integers(1, 10**6, size=(2000, 2))
    ratios: dict[bool, list[float]] = {True: [], False: []}
    print(f"{'strings':26}{'ours/s':>12}{'math-verify/s':>15}{'ratio':>8}{'agree':>12}")
    for name, (gold, response, numeric) in KINDS.items():
        some = draws[: 2000 if numeric else 100]
        pairs = [(gold.format(a), response.format(a, a if i % 2 else b)) for i, (a, b) in enumerate(some)]
        (fast, left), (slow, right) = rate(ours, pairs), rate(theirs, pairs)
        ratios[numeric].append(fast / slow)
        agree = sum(a == b for a, b in zip(left, right, strict=True))
        print(f"{name:26}{fast:12,.0f}{slow:15,.0f}{fast / slow:8.1f}{f'{agree}/{len(pairs)}':>12}")
    agreement()
    print(f"slowest LaTeX row\nratio: {min(ratios[False]):.1f}")
    print(f"slowest numeric row\nratio: {min(ratios[True]):.1f}")


def agreement() -> None:
    """Print how many adversarial pairs each judge gets right, and its false positives."""
    pairs = list(read_pairs(ADVERSARIAL))
    print(f"\n{'adversarial pairs':26}{'right':>12}{'false positives':>17}{'slowest s':>11}")
    for name, judge in (("calculemus", ours), ("math-verify", theirs_with_limit)):
        right = false_positives = 0
        slowest = 0.0
        for pair in pairs:
            start = time.perf_counter()
            verdict = judge(pair.problem.answer, pair.response or "")
            slowest = max(slowest, time.perf_counter() - start)
            right += verdict == pair.equal
            false_positives += verdict and not pair.equal
        print(f"{name:26}{f'{right}/{len(pairs)}':>12}{false_positives:17}{slowest:11.2f}")


def theirs_with_limit(gold: str, response: str) -> bool:
    """Judge with math-verify's own time limits; bare LaTeX gets the delimiters that it needs."""
    bare = "\\" in response and not any(mark in response for mark in ("$", r"\boxed", r"\(", r"\["))
    return bool(verify(parse(f"${gold}$"), parse(f"${response}$" if bare else response)))


if __name__ == "__main__":
    main()

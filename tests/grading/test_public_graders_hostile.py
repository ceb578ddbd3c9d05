"""Public graders and hostile text: a verdict soon, and no code of an answer is run."""

import time
from pathlib import Path
from typing import Any

import pytest

from calculemus.errors import GradingError, WorkerFailedError
from calculemus.grading import get_grader, workers
from calculemus.grading.base import Grader
from calculemus.problem import Problem

NAMES = (
    "gsm8k_strict",
    "lm_eval_strict",
    "lm_eval_flexible",
    "minerva_math",
    "prm800k",
    "qwen25_math",
    "math_verify",
)
SENTENCE = "Final Answer: The final answer is {}. I hope it is correct."
every_grader = pytest.mark.parametrize("grader", [get_grader(name) for name in NAMES], ids=NAMES)


def outcome(grader: Grader, gold: str, response: str) -> str:
    return grader.grade(Problem("p", "?", gold), response).outcome


HOSTILE = {
    "a power tower": "9^{9^{9^{9}}}",
    "factorials of factorials": "9!!!!!!!!",
    "deep nesting": "{" * 100_000,
    "deep parentheses": "(" * 100_000,
    "a megabyte of digits": "1" * 1_000_000,
    "a megabyte of words": "a " * 500_000,
    "ten thousand fractions": r"\frac1" * 10_000,
    "many openings": "Final Answer: The final answer is " * 30_000,
    "a zero byte and half a character": "\0\ud800",
    "code": "__import__('os').system('true')",
    "nothing": "",
}


@pytest.mark.slow
@every_grader
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_gets_a_verdict_in_about_a_second_of_ours(grader: Grader, text: str) -> None:
    workers.warm(wait=True)
    for response in (text, f"{SENTENCE.format(text)}\n\\boxed{{{text}}}"):
        start = time.process_time()  # the workers have a wall-clock limit of their own
        assert outcome(grader, r"\frac{1}{2}", response) in ("wrong", "unparsed")
        assert time.process_time() - start < 1.5


@every_grader
def test_a_verdict_carries_its_time(grader: Grader) -> None:
    seconds = grader.grade(Problem("p", "?", "18"), SENTENCE.format("19")).seconds
    assert seconds is not None
    assert 0 < seconds < 1


def test_code_in_an_answer_is_not_run(tmp_path: Path) -> None:
    target = tmp_path / "written"
    for code in (f"open('{target}', 'w')", f"[open('{target}', 'w')]", f"S(\"open('{target}', 'w')\")"):
        for grader in map(get_grader, ("prm800k", "qwen25_math", "math_verify")):
            outcome(grader, "1", f"\\boxed{{{code}}}")
            outcome(grader, "1", code)
    assert not target.exists()


def test_a_missing_library_is_an_error_and_not_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(function: str, *_: Any, **__: Any) -> None:
        raise WorkerFailedError(function, "ModuleNotFoundError: No module named 'sympy'")

    monkeypatch.setattr(workers, "call", fail)
    with pytest.raises(GradingError, match="No module named 'sympy'"):
        outcome(get_grader("minerva_math"), "18", SENTENCE.format("18"))


@every_grader
def test_a_failed_system_is_an_error(grader: Grader) -> None:
    verdict = grader.grade(Problem("p", "?", "18"), None)
    assert (verdict.outcome, verdict.extracted) == ("error", None)
    assert verdict.grader == f"{grader.name}@{grader.version}"


@every_grader
def test_a_response_that_is_not_text_is_a_type_error(grader: Grader) -> None:
    with pytest.raises(TypeError, match=f"{grader.name}.*'p'.*bytes"):
        grader.grade(Problem("p", "?", "18"), b"18")  # pyright: ignore[reportArgumentType]  # what is tested

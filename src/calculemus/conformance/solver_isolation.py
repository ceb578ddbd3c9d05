"""Checks of solvers: the same in another process, nothing done to the world, nothing read of the answer."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from calculemus.conformance.attempting import attempt, rehearse
from calculemus.conformance.child import order
from calculemus.conformance.comparing import require_same
from calculemus.conformance.registry import check
from calculemus.conformance.subject import Subject
from calculemus.conformance.trial import Trial, trial_problems
from calculemus.conformance.watch import watched
from calculemus.engine.requests import Completion
from calculemus.errors import NotConformingError
from calculemus.grading.votes import extract_answer
from calculemus.params import Configured
from calculemus.problem import Problem

HASH_SEEDS = ("1", "2")
START_SECONDS = 60.0  # a process starts in one; a machine at its limits may take many
UNFINDABLE = "another process cannot find the class: it is defined in a function, or has no file"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What came of a trial in another process.

    Attributes:
        facts: Of its trial.
        seen: What the method did besides: kind and words for people.
        printed: What stood on stdout and stderr.
    """

    facts: Mapping[str, Any]
    seen: tuple[tuple[str, str], ...]
    printed: str


def elsewhere(subject: Subject) -> Elsewhere | None:
    """Try a solver in another process; None where that cannot find it. Ask by ``subject.once``."""
    if subject.origin is None or not isinstance(subject.method, Configured):
        return None
    setting = subject.once(rehearse).setting
    with TemporaryDirectory(prefix="calculemus-") as name:
        folder = Path(name)
        told = json.dumps(order(subject, setting))
        printed = _run(subject, folder, told)
        written = [path.name for path in sorted(folder.iterdir()) if path.name not in _OURS]
        result = folder / "result.json"
        found = json.loads(result.read_text("utf-8")) if result.is_file() else {}
    if "facts" not in found:
        raise NotConformingError(
            f"{subject.name} in another process: {found.get('error') or printed[-300:] or 'it ended there'}; "
            "expected it to work as here. Let the class be found by its module or file, and do not end the "
            "process"
        )
    seen = [(kind, words) for kind, words in found["seen"]] + [("file", path) for path in written]
    return Elsewhere(found["facts"], tuple(seen), printed)


_OURS = ("result.json", "printed")


def _run(subject: Subject, folder: Path, told: str) -> str:
    """Start the other process, wait for it, and return what was printed."""
    env = {
        **os.environ,
        "PYTHONHASHSEED": next(s for s in HASH_SEEDS if s != os.environ.get("PYTHONHASHSEED")),
        "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(folder),
    }
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "calculemus.conformance.child",
        str(folder / "result.json"),
    ]
    printed = folder / "printed"
    with printed.open("w") as out:
        try:
            subprocess.run(
                command,
                input=told.encode(),
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=env,
                timeout=subject.patience + START_SECONDS,
                check=False,  # a method that ends its process leaves no result
            )
        except subprocess.TimeoutExpired:
            raise NotConformingError(
                f"{subject.name} in another process: it was still at work after "
                f"{subject.patience + START_SECONDS:g} s; expected an end. Bound its loops"
            ) from None
    return printed.read_text("utf-8", errors="replace")


@check("Solver", after=["solving_again_gives_the_same", "its_trace_can_be_stored"])
def the_same_seed_gives_the_same_bits_in_another_process(subject: Subject) -> str | None:
    """Neither the process nor how it hashes texts matters."""
    other = subject.once(elsewhere)
    if other is None:
        return UNFINDABLE
    advice = "Iterate over lists and sorted keys, never over sets, and draw from ctx.rng"
    facts = subject.once(rehearse).trial.facts()
    require_same(f"{subject.name} in two processes", facts, other.facts, advice)
    return None


def _require_nothing_seen(subject: Subject, kind: str, expected: str) -> str | None:
    other = subject.once(elsewhere)
    if other is None:
        return UNFINDABLE
    seen = [words for seen_kind, words in other.seen if seen_kind == kind]
    if seen:
        raise NotConformingError(f"{subject.name} at work: found {', '.join(seen[:3])}; expected {expected}")
    return None


@check("Solver")
def it_opens_no_connection(subject: Subject) -> str | None:
    """It reaches models through the engine alone."""
    return _require_nothing_seen(subject, "connection", "no connection. Ask the engine by 'yield'")


@check("Solver")
def it_writes_no_file(subject: Subject) -> str | None:
    """It leaves nothing on disk."""
    return _require_nothing_seen(subject, "file", "no file. Put what is worth keeping into the trace")


@check("Solver")
def it_starts_no_process(subject: Subject) -> str | None:
    """It runs programs in the sandbox alone."""
    return _require_nothing_seen(subject, "process", "no process. Yield Run(program) to the sandbox")


@check("Solver")
def it_prints_nothing(subject: Subject) -> str | None:
    """It leaves stdout and stderr to the command line."""
    other = subject.once(elsewhere)
    if other is None:
        return UNFINDABLE
    if other.printed:
        raise NotConformingError(
            f"{subject.name} at work: found {other.printed[:200]!r} on stdout or stderr; expected nothing. "
            "Put it into the trace, or log it"
        )
    return None


@check("Solver", after=["solving_again_gives_the_same"])
def it_does_not_read_the_answer(subject: Subject) -> None:
    """It looks at no gold, and another gold changes nothing."""
    rehearsal = subject.once(rehearse)
    problems, notes = watched(trial_problems())
    attempt(subject, rehearsal.setting, problems)
    if notes:
        raise NotConformingError(
            f"{subject.name}: it read {notes[0]}; expected it to leave alone what only graders may see. Use "
            "problem.question"
        )
    said = [_with_gold(problem, *_also_said(rehearsal.trial, problem.id)) for problem in trial_problems()]
    other = [_with_gold(problem, "a gold that nobody says") for problem in trial_problems()]
    require_same(
        f"{subject.name} with two golds",
        attempt(subject, rehearsal.setting, said).facts(),
        attempt(subject, rehearsal.setting, other).facts(),
        "Leave problem.answer, solution, program and meta['answers'] to graders",
    )


def _also_said(trial: Trial, problem_id: str) -> list[str]:
    """Return answer and text of a completion that was not chosen: a method that looks would prefer it."""
    texts = [completion.text for completion in _completions(trial.told[problem_id])]
    chosen = trial.solutions[problem_id].answer
    others = [text for text in texts if text != chosen and (extract_answer(text) or text) != chosen]
    text = (others or texts or ["?"])[-1]
    return [extract_answer(text) or text, text]


def _completions(told: Any) -> Iterator[Completion]:
    """Yield the completions among what a method was told."""
    if isinstance(told, Completion):
        yield told
    elif isinstance(told, (list, tuple)):
        for part in told:
            yield from _completions(part)


def _with_gold(problem: Problem, gold: str, *others: str) -> Problem:
    program = f"def solution():\n    return {gold!r}\n"
    meta = {**problem.meta, "answers": [gold, *others]}
    return replace(problem, answer=gold, solution=f"It is {gold}.", program=program, meta=meta)

"""Having solvers work: in a setting, in quiet, for a limited time; and the first trials of each."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from calculemus.conformance.actor import Actor
from calculemus.conformance.attending import Attended
from calculemus.conformance.quiet import kept_quiet, time_limit
from calculemus.conformance.subject import Subject
from calculemus.conformance.trial import Setting, Trial, trial_problems
from calculemus.conformance.voices import VOICES
from calculemus.engine.replay import Recording
from calculemus.engine.sandbox import Sandbox
from calculemus.engine.scheduler import Scheduler
from calculemus.errors import NotConformingError
from calculemus.problem import Problem
from calculemus.solving.base import Solver


def attempt(
    subject: Subject,
    setting: Setting,
    problems: Sequence[Problem] | None = None,
    solver: Any = None,
    is_quiet: bool = True,
    is_recorded: bool = False,
) -> Trial:
    """Have a solver solve problems, all at once.

    Args:
        subject: The solver.
        setting: How.
        problems: What; by default ``trial_problems``.
        solver: An instance other than the subject's.
        is_quiet: Whether to keep what it prints from the terminal.
        is_recorded: Whether to record how it went.

    Raises:
        NotConformingError: It did not come to an end.
    """
    trial = Trial()
    say = VOICES.get(setting.voice) or (lambda number: setting.voice)
    engine = Actor(
        say,
        setting.salt,
        rows=setting.rows,
        fault=setting.fault,
        is_chat=setting.is_chat,
        is_plain=setting.is_plain,
    )

    def keep(recording: Recording) -> None:
        trial.recordings[recording.problem_id] = recording

    scheduler = Scheduler(
        engine,
        subject.once(open_sandbox),
        seed=setting.seed,
        budget=setting.budget,
        record=keep if is_recorded else None,
    )
    attended = Attended(solver or subject.method, engine, trial)
    with at_work(subject, is_quiet):
        tries = [(problem, 0) for problem in (trial_problems() if problems is None else problems)]
        for problem_id, _, solution in scheduler.solve_all(attended, tries):
            trial.solutions[problem_id] = solution
    trial.asked, trial.capabilities = tuple(engine.asked), engine.capabilities
    return trial


@contextmanager
def at_work(subject: Subject, is_quiet: bool = True) -> Iterator[None]:
    """Let a method work for a limited time, by default in quiet.

    Raises:
        NotConformingError: It took too long, or ended the process.
    """
    with kept_quiet() if is_quiet else nullcontext(), time_limit(subject.patience, f"{subject.name} at work"):
        try:
            yield
        except SystemExit as exit_:
            raise NotConformingError(
                f"{subject.name} at work: it asked to end the process (status {exit_.code}); expected it to "
                "return or to raise an error. Raise one of calculemus.errors"
            ) from exit_


def require_solver(subject: Subject) -> None:
    """Check that it can be driven at all; ask by ``subject.once``.

    Raises:
        NotConformingError: Its class is no ``Solver``.
    """
    if not issubclass(subject.made, Solver):
        raise NotConformingError(
            f"{subject.name}: its card says that it is a Solver, and {subject.made.__name__} is none; "
            "expected a class that derives from calculemus.solving.Solver. Let it derive from that"
        )


def open_sandbox(subject: Subject) -> Sandbox:
    """Return the sandbox of a subject's programs; processes are started with the first program."""
    return subject.open.enter_context(Sandbox(workers=1))


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The first trials, which found a voice that the method understands.

    Attributes:
        setting: With that voice; the one that gave the most answers where there is none.
        trial: In this setting.
        other: The same with another salt: an engine that says something else.
        is_understood: Whether every problem has an answer and they change with what the engine says.
    """

    setting: Setting
    trial: Trial
    other: Trial
    is_understood: bool


def rehearse(subject: Subject) -> Rehearsal:
    """Find a voice that a solver understands; ask for it by ``subject.once(rehearse)``."""
    subject.once(require_solver)
    best: Rehearsal | None = None
    most = -1
    for name in VOICES:
        setting = Setting(name)
        trial, other = attempt(subject, setting), attempt(subject, replace(setting, salt=1))
        n_answers = sum(answer is not None for answer in trial.answers().values())
        is_understood = n_answers == len(trial.solutions) and trial.answers() != other.answers()
        if is_understood or n_answers > most:
            best, most = Rehearsal(setting, trial, other, is_understood), n_answers
        if is_understood:
            break
    assert best is not None, "there are voices"
    return best

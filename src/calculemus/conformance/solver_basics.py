"""Checks of solvers: results depend on problem, seed and engine alone, and are honest about the engine."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from calculemus.conformance.attempting import attempt, rehearse, require_solver
from calculemus.conformance.chance import known_states, shifted
from calculemus.conformance.comparing import require_same
from calculemus.conformance.registry import check
from calculemus.conformance.subject import Subject
from calculemus.conformance.trial import Trial, trial_problems
from calculemus.conformance.voices import VOICES
from calculemus.engine.replay import Recording, replay
from calculemus.engine.wire import pack
from calculemus.errors import CalculemusError, NotConformingError
from calculemus.params import Configured, canonical_json
from calculemus.solution import Trace
from calculemus.solving.templates import template_names


def copy_of(method: Any) -> Any:
    """Return another instance with the same parameters."""
    return type(method).from_params(method.params()) if isinstance(method, Configured) else method


@check("Solver")
def it_is_a_solver(subject: Subject) -> None:
    """Its class derives from ``Solver``."""
    subject.once(require_solver)


@check("Solver")
def its_prompts_are_there(subject: Subject) -> str | None:
    """Every template that it names exists."""
    subject.once(require_solver)
    prompts = subject.method.prompts
    if prompts is None:
        return "it names no prompt templates"
    missing = [name for name in prompts if name not in template_names()]
    if missing:
        raise NotConformingError(
            f"{subject.name}: its 'prompts' name {', '.join(missing)}; expected templates of the default "
            f"prompt set: {', '.join(template_names())}. Add the template, or build the prompt in the method"
        )
    return None


@check("Solver")
def its_answer_comes_from_the_engine(subject: Subject) -> None:
    """With an engine that says something else it answers something else."""
    rehearsal = subject.once(rehearse)
    if not rehearsal.trial.asked:
        raise NotConformingError(
            f"{subject.name}: it ended on every problem and asked the engine nothing; expected "
            "requests. Yield what the model is to be asked"
        )
    if rehearsal.is_understood:
        return
    answers, failures = rehearsal.trial.answers(), rehearsal.trial.solutions
    found = next(
        (f"{name} failed: {failures[name].failure}" for name, a in answers.items() if a is None), None
    )
    raise NotConformingError(
        f"{subject.name}: an engine that says other numbers is answered with the same in every voice "
        f"({', '.join(VOICES)}); {found or f'the answers were {answers}'}; expected answers that follow from "
        "what the engine says. Use what it says; where the method reads a form of its own, add a voice with "
        "calculemus.conformance.voice"
    )


@check("Solver")
def it_asks_about_the_question(subject: Subject) -> str | None:
    """On another question it asks something else."""
    trial = subject.once(rehearse).trial
    if not trial.asked:
        return "it asks nothing"
    yielded = trial.yielded
    asked = {name: canonical_json(pack(steps)) for name, steps in yielded.items()}
    if len(set(asked.values())) < len(asked):
        raise NotConformingError(
            f"{subject.name}: it asks the same on different questions: {next(iter(asked.values()))[:200]}; "
            "expected requests that contain the question. Use problem.question"
        )
    return None


@check("Solver")
def its_trace_can_be_stored(subject: Subject) -> None:
    """The trace is read back from JSON as it was."""
    for name, solution in subject.once(rehearse).trial.solutions.items():
        try:
            stored = Trace.from_json(json.loads(json.dumps(solution.trace.to_json(), allow_nan=False)))
        except (TypeError, ValueError) as error:
            raise NotConformingError(
                f"{subject.name} on {name}: its trace cannot be written as JSON: {error}; expected texts, "
                "finite numbers, lists and dictionaries in 'meta'. Convert what is added to the trace"
            ) from error
        if stored != solution.trace:
            raise NotConformingError(
                f"{subject.name} on {name}: its trace reads back otherwise from JSON: {stored!r:.200} is not "
                f"{solution.trace!r:.200}; expected lists for tuples and texts for keys in 'meta'. Convert "
                "them"
            )


@check("Solver")
def it_leaves_its_inputs_unchanged(subject: Subject) -> None:
    """Problems and the solver itself are afterwards what they were."""
    problems = trial_problems()
    inputs = {"problems": problems, "solver": subject.method}
    before = {name: repr(given) for name, given in inputs.items()}
    attempt(subject, subject.once(rehearse).setting, problems)
    for name, given in inputs.items():
        if repr(given) != before[name]:
            raise NotConformingError(
                f"{subject.name}: it changed the {name} that it was given, from {before[name]:.300} to "
                f"{given!r:.300}; expected its inputs as they were. Work on copies"
            )


@contextmanager
def _watching_chance(subject: Subject, way: int) -> Iterator[None]:
    """Let the block begin with global generators in another state, and end with them in the same."""
    with shifted(way):
        before = known_states()
        yield
        changed = [name for name, state in known_states().items() if before.get(name, state) != state]
        if changed:
            raise NotConformingError(
                f"{subject.name}: it changed the global random state of {', '.join(changed)}; expected every "
                "draw from ctx.rng. Use ctx.rng.child(...).generator()"
            )


@check("Solver")
def it_leaves_global_random_state_alone(subject: Subject) -> None:
    """The generators of ``random``, ``numpy`` and ``torch`` are afterwards where they were."""
    with _watching_chance(subject, 1):
        attempt(subject, subject.once(rehearse).setting)


@check("Solver", after=["solving_again_gives_the_same"])
def it_does_not_depend_on_global_random_state(subject: Subject) -> None:
    """Wherever the global generators stand, the results are the same."""
    trials: list[Trial] = []
    for way in (1, 2):
        with shifted(way):
            trials.append(attempt(subject, subject.once(rehearse).setting))
    doing = f"{subject.name} with global generators in two states"
    advice = "Take every draw from ctx.rng"
    require_same(doing, trials[0].facts(), trials[1].facts(), advice)


@check("Solver", if_tags=("stochastic",))
def another_seed_gives_another_result(subject: Subject) -> None:
    """It is tagged stochastic, so that a seed matters."""
    rehearsal = subject.once(rehearse)
    others = [attempt(subject, replace(rehearsal.setting, seed=seed)).facts() for seed in (1, 2)]
    if all(other == rehearsal.trial.facts() for other in others):
        raise NotConformingError(
            f"{subject.name}: three seeds gave the same results; expected others of a method that is tagged "
            "stochastic. Take the tag off the card, or sample at a temperature above 0"
        )


@check("Solver", unless_tags=("stochastic",))
def every_seed_gives_the_same_result(subject: Subject) -> None:
    """It is not tagged stochastic, so that no seed matters."""
    rehearsal = subject.once(rehearse)
    other = attempt(subject, replace(rehearsal.setting, seed=1))
    advice = "Tag it stochastic in its card, or sample at temperature 0"
    doing = f"{subject.name}, which is not tagged stochastic, with two seeds"
    require_same(doing, rehearsal.trial.facts(), other.facts(), advice)


@check("Solver")
def solving_again_gives_the_same(subject: Subject) -> None:
    """A problem is solved as before after others were solved, and as a new instance solves it."""
    setting = subject.once(rehearse).setting
    first, *others = trial_problems()
    before = attempt(subject, setting, [first]).facts()
    for problem in others:
        attempt(subject, setting, [problem])
    doing = f"{subject.name} on a problem before and after others"
    advice = "Keep what belongs to a problem in local variables, and draw from ctx.rng"
    require_same(doing, before, attempt(subject, setting, [first]).facts(), advice)
    fresh = attempt(subject, setting, [first], copy_of(subject.method)).facts()
    require_same(f"{subject.name} and a new instance of it", before, fresh, advice)


@check("Solver", after=["solving_again_gives_the_same"])
def a_batch_gives_what_single_problems_give(subject: Subject) -> None:
    """Neither the number of problems at work nor their order nor the engine's rows matter."""
    setting = subject.once(rehearse).setting
    alone: dict[str, Any] = {}
    for problem in trial_problems():
        alone |= attempt(subject, setting, [problem]).facts()
    batches: dict[str, Callable[[], Trial]] = {
        "one by one and together": lambda: attempt(subject, setting),
        "one by one and together in reverse": lambda: attempt(subject, setting, trial_problems()[::-1]),
        "one by one and together on an engine of two rows": lambda: attempt(
            subject, replace(setting, rows=2)
        ),
    }
    advice = "Let nothing outlive a 'yield' but local variables"
    for how, solve in batches.items():
        require_same(f"{subject.name} on problems {how}", alone, solve().facts(), advice)


@check("Solver", after=["solving_again_gives_the_same"])
def a_replay_gives_the_same_answer(subject: Subject) -> None:
    """A recorded solve, run again without an engine, asks for the same and comes to the same."""
    setting = subject.once(rehearse).setting
    for problem in trial_problems():
        trial = attempt(subject, setting, [problem], is_recorded=True)
        stored = json.loads(json.dumps(trial.recordings[problem.id].to_json()))
        assert trial.capabilities is not None, "the trial was made"
        try:
            solution = replay(subject.method, problem, Recording.from_json(stored), trial.capabilities)
        except CalculemusError as error:
            raise NotConformingError(
                f"{subject.name}: {error}; expected a replay to go as the solve that was recorded. Let "
                "nothing but the replies and ctx.rng decide what is asked"
            ) from error
        cost = trial.solutions[problem.id].cost  # a replay costs nothing
        again = Trial({problem.id: replace(solution, cost=cost)})
        advice = "Let nothing but the replies and ctx.rng decide what is answered"
        require_same(f"{subject.name}, recorded and replayed", trial.facts(), again.facts(), advice)

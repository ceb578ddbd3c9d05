"""Checks of solvers: what they cost is known, and their budget is kept."""

import math
from collections.abc import Mapping
from dataclasses import replace

from calculemus.conformance.attempting import attempt, rehearse
from calculemus.conformance.comparing import require_ours
from calculemus.conformance.registry import check
from calculemus.conformance.subject import Subject
from calculemus.conformance.trial import Trial, trial_problems
from calculemus.cost import Budget
from calculemus.errors import NotConformingError

SHARES = (0.0, 0.3, 0.7)
"""Parts of what a method spends freely that its budget is set to."""

TOLERANCE = 1e-9  # of sums of floats


@check("Solver")
def its_cost_is_known_and_finite(subject: Subject) -> None:
    """Every cost is a finite number from 0, and tokens are known."""
    for name, solution in subject.once(rehearse).trial.solutions.items():
        known = solution.cost.known()
        odd = {part: value for part, value in known.items() if not math.isfinite(value) or value < 0}
        missing = [part for part in ("tokens_in", "tokens_out", "tokens_discarded") if part not in known]
        if odd or missing:
            found = f"{odd}" if odd else f"no {', '.join(missing)}"
            raise NotConformingError(
                f"{subject.name} on {name}: its cost has {found}; expected finite numbers from 0, and "
                "tokens. Leave costs to the engine, and give ctx.prune completions that were sampled, each "
                "once"
            )


def _spent(trial: Trial) -> Mapping[str, float]:
    """Return what was spent on a trial's one problem, by the field of a budget that limits it."""
    (solution,) = trial.solutions.values()
    cost = solution.cost
    return {
        "tokens": (cost.tokens_out or 0) + (cost.tokens_discarded or 0),
        "requests": len(trial.asked),
        "flops": cost.flops or 0.0,
        "seconds": cost.seconds_engine or 0.0,
        "sandbox_seconds": cost.seconds_sandbox or 0.0,
    }


def trials_within_limits(subject: Subject) -> list[tuple[str, float, Trial]]:
    """Return trials on the first problem with less than a method takes freely; ask by ``subject.once``.

    Returns:
        For each the field of the budget, its limit, and the trial.
    """
    setting, problems = subject.once(rehearse).setting, trial_problems()[:1]
    free = attempt(subject, setting, problems)
    trials: list[tuple[str, float, Trial]] = []
    for name, used in _spent(free).items():
        limits = sorted({share * used for share in SHARES})
        if name in ("tokens", "requests"):
            limits = sorted({max(1, int(limit)) for limit in limits})
        for limit in limits:
            budget = Budget(**{name: limit})  # type: ignore[arg-type]  # whole numbers where it has them
            limited = replace(setting, budget=budget)
            trials.append((name, limit, attempt(subject, limited, problems)))
    return trials


@check("Solver")
def it_stays_within_its_budget(subject: Subject) -> None:
    """It spends no more of anything than its budget has; of seconds at most one request more."""
    for name, limit, trial in subject.once(trials_within_limits):
        # How long a request takes is known when it is back, so the last one may overrun.
        spent = max(trial.began, default=0.0) if name == "seconds" else _spent(trial)[name]
        if spent > limit * (1 + TOLERANCE):
            raise NotConformingError(
                f"{subject.name} with a budget of {limit:g} {name}: it spent {spent:g}; expected no more "
                "than the budget. Ask for everything by 'yield', and for no more than the budget allows"
            )


@check("Solver")
def it_ends_when_its_budget_is_spent(subject: Subject) -> None:
    """Told that its budget is spent it returns or raises, and asks for nothing more."""
    for name, limit, trial in subject.once(trials_within_limits):
        if trial.went_on:
            raise NotConformingError(
                f"{subject.name} with a budget of {limit:g} {name}: told that it is spent, it asked for "
                "more; expected it to return the best so far, or to raise. Return in the handler of "
                "BudgetExceededError"
            )
        require_ours(subject, trial, f"with a budget of {limit:g} {name}")

"""``calculemus profile-models``: aptitude tests of models, and the router that ``model_sat`` reads."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from calculemus.cli.live import NO_MODEL_FLAGS, ModelFlags
from calculemus.cli.output import check_place, new_table, print_table, print_text
from calculemus.errors import InvalidParameterError
from calculemus.grading import get_grader
from calculemus.problem import Problem
from calculemus.problems import load
from calculemus.solving import get_solver
from calculemus.solving.aptitude import Answered, AptitudeTest
from calculemus.solving.routing import Router, read_router
from calculemus.study.systems import Live

_Many = Annotated[int, Parameter(validator=Number(gte=1))]


def profile_models(
    *,
    problems: tuple[str, ...],
    models: Annotated[tuple[str, ...], Parameter(name="--model")],
    out: Path,
    shots: _Many = 20,
    train: _Many = 20,
    join: bool = False,
    solver: str = "cot",
    grader: str = "default",
    data: Path | None = None,
    flags: ModelFlags = NO_MODEL_FLAGS,
) -> None:
    """Test what models can do, and write what a router needs to choose among them.

    Afterwards: calculemus compare 'model_sat:profiles=FILE@MODEL,MODEL' cot@MODEL --problems ...

    Args:
        problems: A problem set; each is a task of the test. Give at least two.
        models: A model to choose from: tiny, a folder, a hub id, an endpoint. May be given several times.
        out: Write profiles and router to this file.
        shots: Problems of each task in the test, from the start of its set.
        train: Further problems of each task, which the router learns from.
        join: Add models to the router of the file; they take the same test and nothing is learned anew.
        solver: How models answer.
        grader: The profile that grades.
        data: The folder of named sets; by default CALCULEMUS_DATA, then the hub.
        flags: How models are opened and asked.
    """
    check_place(out, "profiles")
    sets = {name: tuple(load(name, data)) for name in problems}
    test = AptitudeTest(
        {name: told[:shots] for name, told in sets.items()}, get_solver(solver), get_grader(grader)
    )
    before = read_router(str(out)) if join else None
    _check(sets, models, shots, before, test)
    with Live(None, flags.options(), flags.key, flags.seed) as live:
        taken = [test.take(live.engine(model), model, flags.seed) for model in models]
        if before is None:
            further = {name: told[shots : shots + train] for name, told in sets.items()}
            lesson = AptitudeTest(further, test.solver, test.grader)
            right = {model: lesson.take(live.engine(model), model, flags.seed).right for model in models}
            questions = {p.id: p.question for told in further.values() for p in told}
            router = Router.learn(test, taken, questions, right)
        else:
            router = before
            for answered in taken:
                router = router.joined(answered.profile)
    router.write(out)
    _print(test, taken, out)


def _check(
    sets: dict[str, tuple[Problem, ...]],
    models: tuple[str, ...],
    shots: int,
    before: Router | None,
    test: AptitudeTest,
) -> None:
    """Refuse what makes no router, before any model is asked."""
    small = [name for name, told in sets.items() if len(told) <= shots]
    if before is None and (len(sets) < 2 or len(set(models)) < 2 or small):
        raise InvalidParameterError(
            f"profiling models: found {len(sets)} tasks, {len(set(models))} models and no problems left to "
            f"learn from in {', '.join(small) or 'none'}; expected two tasks and two models at least, and "
            f"sets of over {shots} problems. Give more of them, or lower --shots"
        )
    if before is not None and before.version != test.version:
        raise InvalidParameterError(
            f"profiling models: the file's profiles come from the test {before.version}, and these problems, "
            f"solver and grader make {test.version}; expected the same. Give what the file was made with"
        )


def _print(test: AptitudeTest, taken: list[Answered], out: Path) -> None:
    table = new_table("model", *test.tasks, "tokens an answer")
    for answered in taken:
        profile = answered.profile
        shares = [f"{r}/{n}" for r, n in zip(profile.right, profile.shots, strict=True)]
        table.add_row(profile.engine, *shares, f"{profile.cost:.1f}")
    print_table(table)
    print_text(f"Profiles and router are in {out}: --solver model_sat:profiles={out}")

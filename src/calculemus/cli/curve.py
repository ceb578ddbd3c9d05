"""``calculemus curve``: how accuracy grows with what methods may sample."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from calculemus.cli.live import NO_MODEL_FLAGS, ModelFlags
from calculemus.cli.output import check_place, print_json, print_named_rows, print_text
from calculemus.engine.opening import TINY
from calculemus.events import note
from calculemus.grading import get_grader
from calculemus.problems import load
from calculemus.store import Store, default_store_path
from calculemus.study.amounts import quantity
from calculemus.study.curve import Curve, Point, draw_curve
from calculemus.study.systems import Live
from calculemus.study.views import problem_views

# Methods, and the verifiers that stand beside the model for them; the baseline first.
_METHODS = (
    ("vote:n={k}", ""),
    ("cot", ""),
    ("best_of_n:n={k}", ""),
    ("weighted_vote:n={k},scorer=value", "+ovm"),
    ("best_of_n:n={k},scorer=value", "+ovm"),
    ("ovm:candidates={k},beams={k/4}", "+ovm"),
    ("tvm:candidates={k},beams={k/4}", "+tvm"),
    ("rebase:width={k}", "+ovm"),
    ("alphamath:strategy=mcts,simulations={k},step=line,values=unit", "+ovm"),
    ("alphamath:beams={k/4},children=4,step=line,values=unit", "+ovm"),
    ("fetch:beams={k/4},children=4,values=unit", "+ovm"),
    ("qalign:steps={k},scorer=value,max_tokens=256", "+ovm"),
    ("adaptive_bon:n={k}", "+selfeval"),
    ("rebase:width={k},scorer=mean_logprob", ""),
    ("rebase:width={k},scorer=random", ""),
)


def curve(
    *methods: str,
    problems: str = "generated:level=4,n=200",
    tokens: tuple[int, ...] = (400, 800, 1600, 3200),
    model: str = TINY,
    data: Path | None = None,
    limit: Annotated[int | None, Parameter(validator=Number(gte=2))] = None,
    grader: str = "default",
    store: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
    report: Path | None = None,
    models: ModelFlags = NO_MODEL_FLAGS,
) -> None:
    """Compare methods at equal sampled tokens, at several budgets.

    A method's size is written {k}, or {k/4} for a quarter of it. A pilot on 20 problems finds the size at
    which a method samples about as many tokens as the budget; what it really samples is shown.

    Args:
        methods: Methods on a model, the baseline first: vote:n={k} best_of_n:n={k}@FOLDER. By default votes,
            best of N and every search, with verifiers that are trained for the model when first asked for.
        problems: The problem set.
        tokens: Budgets: sampled tokens a problem, kept and discarded.
        model: The model of methods that name none: tiny, a folder, a hub id, an endpoint.
        data: The folder of named sets.
        limit: Compare on this many problems from the start of the set.
        grader: The profile that grades.
        store: The results store; by default $CALCULEMUS_STORE, else one in the user's data folder.
        as_json: Print JSON.
        report: Write a page with the curve and every problem to this file, for a browser.
        models: How models are opened and asked.
    """
    if report is not None:
        check_place(report, "report")
    chosen, judge = load(problems, data), get_grader(grader)
    if limit is not None:
        chosen = chosen.first(limit)
    live = Live(model, models.options(), models.key, models.seed, tier=models.tier)
    with live, Store.open(store or default_store_path()) as kept:
        asked = methods or [f"{method}@{model}{verifiers}" for method, verifiers in _METHODS]
        found = draw_curve(kept, asked, tokens, chosen, judge, live.open)
        if as_json:
            print_json(found.to_json())
        else:
            _print(found)
        if report is not None:
            from calculemus.report import write_report  # here: most curves draw no page

            largest = found.comparisons[-1]
            opened = [live.open(system.name) for system in largest.systems]
            views = problem_views(kept, largest, chosen, opened)
            write_report(report, largest, views, curve=found)
            note(f"the report is {report}: open it in a browser")


def _print(found: Curve) -> None:
    baseline = found.methods[0]
    first = found.comparisons[0]
    print_text(f"{first.problems}: {first.n:,} problems, graded by {first.grader}")
    for place, budget in enumerate(found.budgets):
        points = {method: found.points(method)[place] for method in found.methods}
        print_text("")
        print_text(f"about {quantity(budget)} sampled tokens a problem:")
        columns = [
            "accuracy, %",
            f"against {baseline.partition(':')[0]}",
            "tokens",
            "discarded",
            "FLOP",
            "seconds",
        ]
        names = [point.system.name for point in points.values()]
        print_named_rows("method", names, columns, [_row(point) for point in points.values()])
    print_text("")
    print_text(_verdict(found))


def _row(point: Point) -> list[str]:
    system, pair, cost = point.system, point.pair, point.system.cost
    against = "baseline"
    if pair is not None:
        against = f"{100 * pair.delta:+.1f} [{100 * pair.ci_low:+.1f}, {100 * pair.ci_high:+.1f}]"
    return [
        f"{100 * system.accuracy:.1f} [{100 * system.ci_low:.1f}, {100 * system.ci_high:.1f}]",
        against,
        quantity(point.tokens),
        *(_amount(cost, name) for name in ("tokens_discarded", "flops", "seconds_engine")),
    ]


def _amount(cost: Mapping[str, float], name: str) -> str:
    return quantity(cost[name]) if name in cost else "–"


def _verdict(found: Curve) -> str:
    """Say which methods are separably ahead of the baseline at which budgets, and which at none."""
    ahead, not_ahead = [], []
    for method in found.methods[1:]:
        pairs = [point.pair for point in found.points(method)]
        at = [b for b, pair in zip(found.budgets, pairs, strict=True) if pair is not None and pair.ci_low > 0]
        if at:
            ahead.append(f"{method} at {', '.join(map(quantity, at))} tokens")
        else:
            not_ahead.append(method)
    lead = f"Separably ahead of {found.methods[0]}: {'; '.join(ahead) or 'nothing'}."
    return lead + (f" Not, at any budget: {', '.join(not_ahead)}." if not_ahead else "")

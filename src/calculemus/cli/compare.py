"""``calculemus compare``: which of these systems is better on these problems, at what cost, how surely."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from calculemus.cli.compare_text import print_comparison
from calculemus.cli.output import print_json
from calculemus.cost import Budget
from calculemus.engine.opening import EngineOptions
from calculemus.events import note
from calculemus.grading import get_grader
from calculemus.problems import ProblemSet, load
from calculemus.store import Store, default_store_path
from calculemus.study.compare import compare as compare_systems
from calculemus.study.systems import Live, open_systems
from calculemus.study.views import problem_views


def compare(
    *systems: str,
    problems: str,
    data: Path | None = None,
    corrected: bool = False,
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    grader: str = "default",
    baseline: str | None = None,
    missing: Literal["common", "wrong"] = "common",
    unknown: Literal["error", "skip"] = "error",
    store: Path | None = None,
    model: str | None = None,
    seed: int = 0,
    samples: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    tokens: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    requests: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    seconds: float | None = None,
    rows: Annotated[int, Parameter(validator=Number(gte=1))] = 256,
    dtype: Literal["float32", "bfloat16"] = "float32",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    concurrency: Annotated[int, Parameter(validator=Number(gte=1))] = 16,
    key: Annotated[str | None, Parameter(env_var=["CALCULEMUS_API_KEY", "OPENAI_API_KEY"])] = None,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
    report: Path | None = None,
) -> None:
    """Compare systems on one problem set, in pairs.

    Args:
        systems: SOLVER@MODEL: a method, with parameters if any, on a model (cot@tiny, vote:n=8@FOLDER,
            pal@http://HOST/v1#MODEL); recorded:FILE for all systems of a file of recorded solutions,
            recorded:FILE#FIELD for one.
        problems: The problem set: generated:level=2,n=200, gsm8k:test, mgsm:de, gsm_hard, a file, or
            hub:ORG/NAME.
        data: The folder of named sets; by default CALCULEMUS_DATA, then the hub.
        corrected: Grade against corrected answers where labels are known to be wrong.
        limit: Compare on this many problems from the start of the set.
        grader: The profile that grades.
        baseline: The system that the others are compared with; by default the first.
        missing: Problems that a system did not answer: leave them out for all, or count them as wrong.
        unknown: Records that name no problem of the set: stop, or leave them out.
        store: The results store; by default $CALCULEMUS_STORE, else one in the user's data folder.
        model: The model of methods that name none: tiny, a folder, a hub id, an endpoint.
        seed: The seed of all draws of methods.
        samples: Tries of a method at each problem.
        tokens: Tokens that a method may sample for one try at one problem.
        requests: Requests that it may send.
        seconds: Seconds of the engine that it may take.
        rows: Rows that a local model works on at once.
        dtype: Number format of local models.
        device: Where local models run.
        concurrency: Requests that an endpoint gets at once.
        key: The key of endpoints.
        as_json: Print JSON.
        report: Write a page with plots and every problem to this file, for a browser.
    """
    whole = load(problems, data, corrected=corrected)
    part = whole if limit is None else ProblemSet(whole.name, whole.problems[:limit], whole.source)
    chosen = get_grader(grader)
    live = Live(
        model,
        EngineOptions(rows=rows, dtype=dtype, device=device, concurrency=concurrency),
        key,
        seed,
        Budget(tokens=tokens, requests=requests, seconds=seconds),
        samples,
    )
    with live, Store.open(store or default_store_path()) as results:
        opened = open_systems(systems, unknown, among=whole, live=live)
        comparison = compare_systems(results, opened, part, chosen, baseline, missing)
        if as_json:
            print_json(comparison.to_json())
        else:
            print_comparison(comparison)
        if report is not None:
            from calculemus.report import write_report  # here: most comparisons draw no page

            write_report(report, comparison, problem_views(results, comparison, part))
            note(f"the report is {report}: open it in a browser")

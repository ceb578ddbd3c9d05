"""``calculemus tune-prompt``: a prompt that a model does better with, and what that is worth elsewhere."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from calculemus.cli.live import NO_MODEL_FLAGS, ModelFlags
from calculemus.cli.output import check_place, new_table, print_json, print_table, print_text
from calculemus.engine.opening import TINY
from calculemus.events import note
from calculemus.files import replacing
from calculemus.grading import get_grader
from calculemus.problems import load
from calculemus.rng import Rng
from calculemus.solving.instructing import Place, template_text
from calculemus.solving.pe2 import Pe2
from calculemus.solving.prompt_bench import PromptBench, split
from calculemus.solving.prompt_search import Tuned
from calculemus.stats import compare
from calculemus.study.systems import Live

_Many = Annotated[int, Parameter(validator=Number(gte=1))]
_Rounds = Annotated[int, Parameter(validator=Number(gte=0))]
_START = "Let us think step by step and write the answer alone behind #### at the end."


def tune_prompt(
    *,
    problems: str,
    model: str = TINY,
    writer: str | None = None,
    start: tuple[str, ...] = (_START,),
    out: Path | None = None,
    place: Place = "answer",
    dev: _Many = 50,
    test: Annotated[int, Parameter(validator=Number(gte=2))] = 100,
    steps: _Rounds = 3,
    beam: _Many = 4,
    expand: _Many = 4,
    batch: _Many = 2,
    failures: Literal["hard", "random", "weighted"] = "hard",
    step_size: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    momentum: bool = False,
    max_words: _Many = 50,
    data: Path | None = None,
    grader: str = "default",
    as_json: Annotated[bool, Parameter(name="--json")] = False,
    models: ModelFlags = NO_MODEL_FLAGS,
) -> None:
    """Search for a better prompt for a model.

    A model edits the prompt from its failures on problems that are set aside for this, and the best prompt is
    measured once on other problems (method pe2).

    Args:
        problems: The problem set: generated:level=2,n=200, gsm8k:train, a file, or hub:ORG/NAME.
        model: The model that solves: tiny, a folder, a hub id, an endpoint.
        writer: The model that edits prompts; by default the same.
        start: A prompt to begin with; may be given several times, the first is what is compared with.
        out: Write the best prompt to this file, for --solver cot:template=FILE.
        place: Where the prompt stands: at the beginning of the answer, or as the system message.
        dev: Problems that prompts are chosen by.
        test: Problems that the choice is measured on.
        steps: Rounds of edits.
        beam: Prompts that a round goes on from.
        expand: Edits of each.
        batch: Failed problems that each edit is made from.
        failures: Which: the prompt's own, any, or those that many prompts fail on.
        step_size: Most words that an edit may change.
        momentum: Show the edits that led to a prompt.
        max_words: Longest prompt.
        data: The folder of named sets; by default CALCULEMUS_DATA, then the hub.
        grader: The profile that grades.
        as_json: Print JSON.
        models: How models are opened and asked.
    """
    if out is not None:
        check_place(out, "prompt")
    rng = Rng(models.seed, ("tune-prompt",))
    search = Pe2(
        steps=steps, beam=beam, expand=expand, batch_size=batch, failures=failures, step_size=step_size,
        momentum=momentum, max_words=max_words,
    )  # fmt: skip
    on_dev, on_test = split(load(problems, data), dev, test, rng.child("split"))
    with Live(model, models.options(), models.key, models.seed) as live:
        writes = live.engine(writer) if writer else None
        bench = PromptBench(
            live.engine(model), on_dev, on_test, writes, place, get_grader(grader), models.seed
        )
        tuned = search.optimize(bench, start, rng.child("search"))
    if out is not None:
        with replacing(out) as temporary:
            temporary.write_text(template_text(tuned.winner.instruction, place), "utf-8")
        note(f"the best prompt is in {out}: --solver cot:template={out}")
    if as_json:
        print_json(_facts(tuned, bench))
    else:
        _print(tuned, bench)


def _facts(tuned: Tuned, bench: PromptBench) -> dict[str, Any]:
    gain = compare(tuned.start.outcomes, tuned.test.outcomes)
    prompts = [
        {"prompt": n.instruction, "dev": n.score, "parent": n.parent, "step": n.step} for n in tuned.nodes
    ]
    return {
        "prompt": tuned.winner.instruction,
        "dev": tuned.winner.score,
        "test": tuned.test.score,
        "start": {
            "prompt": tuned.start.instruction,
            "dev": tuned.nodes[0].score,
            "test": tuned.start.score,
        },
        "gain": {"delta": gain.delta, "interval": [gain.low, gain.high], "p_value": gain.p_value},
        "stopped": tuned.stopped,
        "dropped": tuned.dropped,
        "evaluations": {"paid": bench.n_paid, "known": bench.n_known},
        "cost": bench.cost.known(),
        "prompts": prompts,
    }


def _print(tuned: Tuned, bench: PromptBench) -> None:
    table = new_table("prompt", "development", "test")
    for name, node, tally in (
        ("first", tuned.nodes[0], tuned.start),
        ("best", tuned.winner, tuned.test),
    ):
        table.add_row(f"{name}: {node.instruction or '(empty)'}", f"{node.score:.1%}", f"{tally.score:.1%}")
    print_table(table)
    gain = compare(tuned.start.outcomes, tuned.test.outcomes)
    print_text(
        f"On the test set the best prompt gains {100 * gain.delta:+.1f} points "
        f"[{100 * gain.low:+.1f}, {100 * gain.high:+.1f}], p {gain.p_value:.2g}; its score on "
        "the development set is that of the best of many, and too high."
    )
    left_out = ", ".join(f"{n} {reason}" for reason, n in tuned.dropped.items()) or "none"
    print_text(
        f"{len(tuned.nodes)} prompts tried, {bench.n_paid:,} evaluations paid, {bench.n_known:,} known "
        f"already; proposals left out: {left_out}. It ended because {tuned.stopped}."
    )

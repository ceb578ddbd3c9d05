"""``calculemus calibrate``: a merge that looks at data first, and the same merge again without data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from calculemus.cli.catalog import Folders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from calculemus.merging.bench_panel import Panel
    from calculemus.merging.calibration import Calibrated
    from calculemus.tuning.tasks import Score

FOUND = "calibration"
"""Folder inside the merged model's, with what was found."""


def calibrate(
    method: str,
    *,
    base: str,
    model: tuple[str, ...],
    tasks: tuple[str, ...] = (),
    out: Path,
    found: Path | None = None,
    data: Path | None = None,
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    seed: int = 0,
    dtype: str | None = None,
    path: Folders = (),
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Merge models by a method that looks at data: coefficients, masks or statistics are found first.

    What was found is kept in OUT/calibration. With --found the merge is made again from such a folder,
    without any data.

    Args:
        method: A method with settings, as in adamerging:per=task,steps=100.
        base: What the models were made from: a folder, or a hub id in the local cache.
        model: An expert. Given once for each.
        tasks: The problem set of each expert, in their order.
        out: Folder of the merged model.
        found: What an earlier calibration found, in place of tasks.
        data: The folder of named problem sets; by default CALCULEMUS_DATA, then the hub.
        limit: Problems of each set.
        seed: Of the method's draws.
        dtype: Of the merged model, for example bfloat16; by default the base's.
        path: A folder with cards of your own methods, or a card.
        as_json: Print JSON.
    """
    from calculemus.checkpoint import Checkpoint
    from calculemus.errors import InvalidParameterError
    from calculemus.merging.calibration import read_calibrated
    from calculemus.merging.executor import Executor

    if (found is None) == (not tasks):
        given = "both" if tasks else "neither"
        raise InvalidParameterError(
            f"calibrating {method}: there is {given} of --tasks and --found; expected one of them. Name a "
            "problem set for each model, or the folder that an earlier calibration left"
        )
    options = {"seed": seed} | ({} if dtype is None else {"dtype": dtype})
    if found is not None:
        kept, scores, folder = read_calibrated(found), {}, found
        models, at_base = [Checkpoint.open(name) for name in model], Checkpoint.open(base)
        merged = Executor().merge(kept.plan(models, at_base, folder, **options), out)
    else:
        panel = _panel(base, model, tasks, data, limit)
        kept = _calibrated(method, panel, seed, path)
        folder = out / FOUND
        kept.save(folder)
        merged = Executor().merge(kept.plan(panel.experts, panel.base, folder, **options), out)
        scores = _scores(panel, out)
    _print(method, kept, scores, folder, merged, as_json)


def _panel(
    base: str, models: "Sequence[str]", tasks: "Sequence[str]", data: Path | None, limit: int | None
) -> "Panel":
    from calculemus.merging.bench_panel import checkpoint_panel

    return checkpoint_panel(base, models, tasks, (), str(data) if data else None, limit)


def _calibrated(text: str, panel: "Panel", seed: int, folders: tuple[Path, ...]) -> "Calibrated":
    from calculemus.errors import InvalidParameterError
    from calculemus.merging.bench_making import method_of
    from calculemus.merging.calibration import CalibratedMerge, Trial
    from calculemus.rng import Rng

    method = method_of(text, *folders)
    if not isinstance(method, CalibratedMerge):
        name = text.partition(":")[0]
        raise InvalidParameterError(
            f"calibrating {name}: it looks at no data; expected a method that does. Run: calculemus merge "
            f"{name}"
        )
    trial = Trial(panel.model(), panel.base, panel.experts, panel.tasks, Rng(seed, ("calibrate",)))
    return method.calibrate(trial)


def _scores(panel: "Panel", out: Path) -> "Mapping[str, Score]":
    from calculemus.checkpoint import Checkpoint
    from calculemus.merging.contest import scores
    from calculemus.tuning.weights import read_weights

    return scores(panel, read_weights(Checkpoint.open(out)), "test")


def _print(
    method: str, kept: "Calibrated", scores: "Mapping[str, Score]", folder: Path, merged: Any, as_json: bool
) -> None:
    from calculemus.cli.output import print_json, print_text

    if as_json:
        accuracies = {name: [s.estimate.value, s.estimate.low, s.estimate.high] for name, s in scores.items()}
        print_json(
            {
                "method": method,
                "out": str(merged.folder),
                "found": str(folder),
                "record": dict(kept.record),
                "accuracy": accuracies,
                "seconds": merged.seconds,
                "bytes_read": merged.bytes_read,
                "bytes_written": merged.bytes_written,
            }
        )
        return
    print_text(f"merged by {method} into {merged.folder}; what it found lies in {folder}")
    for name, score in scores.items():
        print_text(f"{name}: {score.estimate}")

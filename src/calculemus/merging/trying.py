"""Calibrated merges of a family of models, in memory: what their claims are measured with."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from torch import Tensor

from calculemus.catalog import load, read_catalog
from calculemus.merging.calibration import Calibrated, CalibratedMerge, Trial
from calculemus.merging.contest import Family, merged_by, weights_of_plan
from calculemus.named import build, parse_named
from calculemus.rng import Rng
from calculemus.tuning.tasks import Task


def trial_of(family: Family, seed: int = 0, tasks: Sequence[Task] | None = None) -> Trial:
    """Return a trial of all experts of a family.

    Args:
        family: Of models.
        seed: Of the draws.
        tasks: In place of the family's own.
    """
    rng = Rng(seed, ("calibrate",))
    return Trial(family.model(), family.base, family.experts, tasks or family.tasks, rng)


def merged_weights(
    family: Family, text: str, seed: int = 0, tasks: Sequence[Task] | None = None
) -> dict[str, Tensor]:
    """Return the weights of a merge of all experts by the name of a method, whether it is calibrated or not.

    Args:
        family: Of models.
        text: The method with its settings, ``adamerging:per=task``; see ``contest.merged_by``.
        seed: Of its draws.
        tasks: What it is calibrated on, in place of the family's own.
    """
    name, values = parse_named(text)
    card = read_catalog().get(name)
    if card.interface != "CalibratedMerge":
        return merged_by(family, text, seed)
    method = cast(CalibratedMerge, build(load(card), values))  # the card says so
    return weights_of(method.calibrate(trial_of(family, seed, tasks)), family)


def weights_of(found: Calibrated, family: Family, **options: Any) -> dict[str, Tensor]:
    """Return the weights of the merge that a calibration found, as files would have them."""
    with TemporaryDirectory() as folder:
        found.save(Path(folder))
        return weights_of_plan(found.plan(family.experts, family.base, Path(folder), **options))


def with_settings(text: str, settings: str) -> str:
    """Return a method's name with further settings.

    Example:
        >>> with_settings("adamerging:per=task", "steps=20")
        'adamerging:per=task,steps=20'
    """
    return f"{text}{',' if ':' in text else ':'}{settings}"

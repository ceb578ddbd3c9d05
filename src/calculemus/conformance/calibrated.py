"""Checks of merges that look at data: what they find can be kept, and they look at nothing else."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from calculemus.conformance.chance import known_states, shifted
from calculemus.conformance.checkpoints import file_bytes
from calculemus.conformance.quiet import kept_quiet, time_limit
from calculemus.conformance.registry import check
from calculemus.conformance.subject import Subject
from calculemus.errors import MissingExtraError, NotConformingError
from calculemus.rng import Rng

if TYPE_CHECKING:
    from calculemus.tiny.guessing import GuessFamily

_ROUNDING = 1e-5
"""Error that a mean of equal models may have: such merges divide by sums, or solve for weights."""


@dataclass(frozen=True)
class Calibration:
    """What one calibration came to.

    Attributes:
        found: What the method returned.
        folder: Where that was saved.
        merged: The bytes of the merge it gives, by tensor.
    """

    found: Any
    folder: Path
    merged: Mapping[str, bytes]


def family(subject: Subject) -> "GuessFamily":
    """Make the models and tasks that methods are tried on; ask by ``subject.once``."""
    from calculemus.tiny.guessing import guess_family

    folder = Path(subject.open.enter_context(TemporaryDirectory()))
    return guess_family(folder, max(3, subject.method.fewest))


def trial_of(subject: Subject, models: Sequence[Any] | None = None, seed: int = 0) -> Any:
    """Return a trial of the family, or of other models of its make."""
    from calculemus.merging.calibration import Trial

    known = subject.once(family)
    rng = Rng(seed, ("conformance",))
    return Trial(known.model(), known.base, models or known.experts, known.tasks, rng)


def calibrate(subject: Subject, trial: Any) -> Calibration:
    """Calibrate, save what was found, and merge by it.

    Raises:
        NotConformingError: It raised, took too long, or what it found cannot be used.
    """
    doing = f"{subject.name}: calibrating on {len(trial.models)} small models"
    folder = Path(subject.open.enter_context(TemporaryDirectory()))
    with kept_quiet(), time_limit(subject.patience, doing):
        try:
            found = replace(subject.method, **subject.method.quick).calibrate(trial)
            found.save(folder)
            return Calibration(found, folder, merged_bytes(found, trial, folder))
        except MissingExtraError:
            raise
        except Exception as error:  # whatever it raises, a merge was wanted
            raise NotConformingError(
                f"{doing}: it raised {type(error).__name__}: {error!s:.300}; expected a Calibrated that can "
                "be saved and merges the models"
            ) from error


def merged_bytes(found: Any, trial: Any, folder: Path) -> dict[str, bytes]:
    """Return the merge that a calibration gives, in memory."""
    from calculemus.merging.in_memory import merge_in_memory

    merged = merge_in_memory(found.plan(trial.models, trial.base, folder))
    return {name: numbers.tobytes() for name, numbers in merged.items()}


def first(subject: Subject) -> Calibration:
    """Calibrate on the family; ask by ``subject.once``."""
    return calibrate(subject, trial_of(subject))


def _require_same(subject: Subject, found: Mapping[str, bytes], what: str, remedy: str) -> None:
    expected = subject.once(first).merged
    other = [name for name in expected if found.get(name) != expected[name]]
    if other or len(found) != len(expected):
        raise NotConformingError(
            f"{subject.name}: {what} changed {', '.join(other[:3])} of the merge; expected the same bytes. "
            f"{remedy}"
        )


@check("CalibratedMerge")
def calibrating_twice_gives_the_same_merge(subject: Subject) -> None:
    """The same trial gives the same merge, wherever the global generators stand."""
    subject.once(first)
    with shifted(1):
        again = calibrate(subject, trial_of(subject))
    _require_same(subject, again.merged, "calibrating once more", "Draw by trial.rng alone")


@check("CalibratedMerge")
def what_was_found_is_kept(subject: Subject) -> None:
    """Saved and read again, it merges the models as before, without any data."""
    from calculemus.merging.calibration import read_calibrated

    known, trial = subject.once(first), trial_of(subject)
    read = read_calibrated(known.folder)
    _require_same(
        subject,
        merged_bytes(read, trial, known.folder),
        "saving what was found and reading it",
        "Keep in Calibrated all that the merge needs",
    )
    record = json.loads(json.dumps(dict(known.found.record)))
    if read.method != known.found.method or dict(read.record) != record:
        raise NotConformingError(
            f"{subject.name}: what was read back is {read.method!r} with the record "
            f"{dict(read.record)!r:.200}; expected {known.found.method!r} and {record!r:.200}. Keep numbers, "
            "texts and lists in the record"
        )


@check("CalibratedMerge")
def a_trial_is_left_as_it_was(subject: Subject) -> None:
    """No file, no weight in memory, no module and no global generator of a trial changes."""
    from calculemus.tuning.weights import weights_of

    known, trial = subject.once(family), trial_of(subject)
    folders = [checkpoint.folder for checkpoint in (known.base, *known.experts)]

    def look() -> dict[str, object]:
        held = [trial.base_weights, *trial.tuned_weights]
        return {
            "a file of a model": [file_bytes(folder) for folder in folders],
            "weights in memory": [{n: w.numpy().tobytes() for n, w in some.items()} for some in held],
            "the module's weights": {n: w.numpy().tobytes() for n, w in weights_of(trial.model).items()},
            "the module's hooks, modes or gradients": _state(trial.model),
            **{f"the global state of {name}": state for name, state in known_states().items()},
        }

    before = look()
    calibrate(subject, trial)
    changed = [name for name, state in look().items() if before.get(name, state) != state]
    if changed:
        raise NotConformingError(
            f"{subject.name}: calibrating changed {', '.join(changed)}; expected all as it was. Carry "
            "weights by 'carrying', take hooks off, and draw by trial.rng"
        )


def _state(model: Any) -> list[object]:
    hooks = [(len(part._forward_hooks), len(part._forward_pre_hooks)) for part in model.modules()]
    modes = [part.training for part in model.modules()]
    wants = [(weight.requires_grad, weight.grad is None) for weight in model.parameters()]
    return [hooks, modes, wants]


@check("CalibratedMerge")
def calibrated_copies_of_the_base_give_the_base(subject: Subject) -> None:
    """Where nothing was learned there is nothing to add, whatever the data say."""
    import numpy as np

    known = subject.once(family)
    merged = calibrate(subject, trial_of(subject, [known.base] * len(known.experts))).merged
    for name in known.base:
        wanted, got = known.base.read(name).ravel(), np.frombuffer(merged[name], np.float32)
        error = float(np.max(np.abs(got - wanted), initial=0.0))
        if not math.isfinite(error) or error > _ROUNDING:
            raise NotConformingError(
                f"{subject.name}: merging copies of the base changed '{name}' by up to {error:.3g}; expected "
                "the base. Divide by the sum of the weights, or add differences to the base"
            )


@check("CalibratedMerge")
def no_row_of_the_test_is_looked_at(subject: Subject) -> None:
    """What a merge is measured with has no part in making it."""
    if "test" in _looked_at(subject):
        raise NotConformingError(
            f"{subject.name}: calibrating asked for outcomes of the split 'test'; expected 'dev' at most, "
            "since the test is what the merge is measured with"
        )


@check("CalibratedMerge", if_tags=("label-free",))
def no_label_is_looked_at(subject: Subject) -> None:
    """A method that says it needs no labels asks for no outcomes."""
    seen = _looked_at(subject)
    if seen:
        raise NotConformingError(
            f"{subject.name}: calibrating asked {len(seen)} times for outcomes, which takes labels; expected "
            "inputs alone. Take the tag label-free off its card"
        )


def _looked_at(subject: Subject) -> list[str]:
    subject.once(first)
    return [split for task in subject.once(family).tasks for split in task.seen]


@check("CalibratedMerge")
def another_seed_matters_to_those_that_are_stochastic(subject: Subject) -> str | None:
    """Another seed gives another merge where the card says that the method draws, else the same one."""
    if subject.card is None:
        return "without a card its tags are unknown"
    is_other = calibrate(subject, trial_of(subject, seed=1)).merged != subject.once(first).merged
    draws = "stochastic" in subject.tags
    if is_other == draws:
        return None
    found, expected = ("did not change", "another one") if draws else ("changed", "the same one")
    raise NotConformingError(
        f"{subject.name}: another seed {found} the merge; expected {expected}. Draw by trial.rng, or mend "
        "the tags of its card"
    )

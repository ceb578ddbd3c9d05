"""Calibrated merges that are broken on purpose: each is caught, and for the right reason."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from calculemus.catalog import read_catalog
from calculemus.conformance import check_method
from calculemus.conformance.report import Report
from calculemus.merging.calibration import Calibrated, CalibratedMerge, Trial
from calculemus.merging.concrete import Concrete
from calculemus.merging.linear import Linear
from calculemus.merging.task_arithmetic import TaskArithmetic


def caught(report: Report) -> set[str]:
    return {fault.check for fault in report.faults}


def with_coefficients(trial: Trial, values: list[float], **options: Any) -> Calibrated:
    return Calibrated(TaskArithmetic(scale=1.0), dict.fromkeys(trial.base, values), **options)


@dataclass(frozen=True)
class DrawsFromTheWorld(CalibratedMerge):
    """Takes coefficients from the global generator."""

    def calibrate(self, trial: Trial) -> Calibrated:
        """Draw them."""
        return with_coefficients(trial, torch.rand(len(trial.models)).tolist())


@dataclass(frozen=True)
class KeepsItToItself(CalibratedMerge):
    """Finds a mask and tells it to its method alone."""

    def calibrate(self, trial: Trial) -> Calibrated:
        """Leave the scale where it is lost."""
        method = TaskArithmetic(scale=0.5)
        object.__setattr__(method, "params", lambda: {"scale": 0.25})
        return Calibrated(method)


@dataclass(frozen=True)
class LeavesAHook(CalibratedMerge):
    """Watches the model for ever."""

    def calibrate(self, trial: Trial) -> Calibrated:
        """Hang a hook on it."""
        trial.model.register_forward_hook(lambda *_: None)
        return with_coefficients(trial, [0.3] * len(trial.models))


@dataclass(frozen=True)
class WritesIntoTheBase(CalibratedMerge):
    """Adds up task vectors in place."""

    def calibrate(self, trial: Trial) -> Calibrated:
        """Change what the trial holds."""
        for weight in trial.base_weights.values():
            weight.add_(1.0)
        return with_coefficients(trial, [0.3] * len(trial.models))


@dataclass(frozen=True)
class Doubles(CalibratedMerge):
    """Adds models up instead of task vectors."""

    def calibrate(self, trial: Trial) -> Calibrated:
        """Ask for a sum."""
        return Calibrated(Linear(normalize=False))


@dataclass(frozen=True)
class ChoosesByTheTest(CalibratedMerge):
    """Looks at what it will be measured with."""

    def calibrate(self, trial: Trial) -> Calibrated:
        """Measure the base on the test."""
        trial.measure(trial.base_weights, "test")
        return with_coefficients(trial, [0.3] * len(trial.models))


@dataclass(frozen=True)
class CannotBeSaved(CalibratedMerge):
    """Records what is no data."""

    def calibrate(self, trial: Trial) -> Calibrated:
        """Put a tensor into the record."""
        return with_coefficients(trial, [0.3] * len(trial.models), record={"losses": torch.zeros(2)})


@pytest.mark.parametrize(
    ("method", "check"),
    [
        (DrawsFromTheWorld(), "calibrating_twice_gives_the_same_merge"),
        (DrawsFromTheWorld(), "a_trial_is_left_as_it_was"),
        (KeepsItToItself(), "what_was_found_is_kept"),
        (LeavesAHook(), "a_trial_is_left_as_it_was"),
        (WritesIntoTheBase(), "a_trial_is_left_as_it_was"),
        (Doubles(), "calibrated_copies_of_the_base_give_the_base"),
        (ChoosesByTheTest(), "no_row_of_the_test_is_looked_at"),
        (CannotBeSaved(), "calibrating_twice_gives_the_same_merge"),
    ],
)
def test_a_broken_calibrated_merge_is_caught(method: CalibratedMerge, check: str) -> None:
    assert check in caught(check_method(method))


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"granularity": "row"}, {"around": "adamerging"}])
def test_a_sound_one_passes_with_any_settings(settings: dict[str, Any]) -> None:
    assert check_method(Concrete(**settings)).ok


CARD = "adamerging"
CODE = """
from dataclasses import dataclass
from calculemus.merging.calibration import Calibrated, CalibratedMerge
from calculemus.merging.task_arithmetic import TaskArithmetic


@dataclass(frozen=True)
class Strange(CalibratedMerge):
    '''Choose one coefficient.

    Source: nobody, section 1.
    '''

    def calibrate(self, trial):
        {body}
        return Calibrated(TaskArithmetic(scale=1.0), dict.fromkeys(trial.base, [scale] * len(trial.models)))
"""


@pytest.fixture
def strange(tmp_path: Path) -> Callable[[str], Path]:
    """Write a method with the card of a stochastic, label-free one."""

    def write(body: str) -> Path:
        card = read_catalog().get(CARD).path.read_text("utf-8")
        own = [line for line in card.splitlines() if not line.startswith(("aliases", "feed"))]
        text = "\n".join(own).replace(f'id = "{CARD}"', 'id = "strange"')
        text = text.replace(f"calculemus.merging.{CARD}:AdaMerging", "strange:Strange")
        (tmp_path / "strange.toml").write_text(text + "\n", "utf-8")
        (tmp_path / "strange.py").write_text(f'"""A stranger\'s."""\n{CODE.format(body=body)}', "utf-8")
        return tmp_path / "strange.toml"

    return write


def test_one_that_is_said_to_need_no_labels_and_reads_them_is_caught(strange: Callable[[str], Path]) -> None:
    report = check_method(strange("scale = 0.1 + 0.01 * len(trial.measure(trial.base_weights))"))
    assert "no_label_is_looked_at" in caught(report)


def test_one_that_is_said_to_draw_and_does_not_is_caught(strange: Callable[[str], Path]) -> None:
    report = check_method(strange("scale = 0.3"))
    assert caught(report) == {"another_seed_matters_to_those_that_are_stochastic"}
    assert "did not change" in report.faults[0].message


def test_one_that_does_as_its_card_says_passes(strange: Callable[[str], Path]) -> None:
    assert check_method(strange("scale = float(trial.rng.generator().random())")).ok

"""Merges that look at data: trials, what is kept of them, and what is missing without torch."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calculemus.catalog import load, read_catalog
from calculemus.errors import CheckpointError, InvalidParameterError, MissingExtraError
from calculemus.merging import calibration
from calculemus.merging.base import Numbers, Part, TensorMerge
from calculemus.merging.calibration import Calibrated, CalibratedMerge, Trial, read_calibrated
from calculemus.merging.executor import Executor
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.task_arithmetic import TaskArithmetic
from calculemus.tiny.guessing import GuessFamily, guess_family
from calculemus.tuning.weights import read_weights

TOP_OF_FILE = {"adamerging", "concrete", "fisher", "regmean"}
"""Methods that import torch where their files begin."""
CALIBRATED = [card.id for card in read_catalog() if card.entry and card.interface == "CalibratedMerge"]


@dataclass(frozen=True)
class Multiplied(TensorMerge):
    """Multiplies the first model by what is read beside it, which may have another size."""

    is_ordered = True

    def merge(self, part: Part, found: Any) -> Numbers:
        (extra,) = part.extras
        return part.inputs[0] * (np.float32(1) if extra is None else extra)


@pytest.fixture(scope="module")
def guesses(tmp_path_factory: pytest.TempPathFactory) -> GuessFamily:
    return guess_family(tmp_path_factory.mktemp("guesses"))


@pytest.fixture
def trial(guesses: GuessFamily) -> Trial:
    return Trial(guesses.model(), guesses.base, guesses.experts, guesses.tasks)


def numbers(merged: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: np.asarray(values).tobytes() for name, values in merged.items()}


def test_weights_go_to_the_tensors_and_models_that_they_name(guesses: GuessFamily) -> None:
    names = list(guesses.base)
    rows = {name: [i, -i, 0.5] for i, name in enumerate(names)}
    merged = merge_in_memory(Calibrated(TaskArithmetic(scale=1.0), rows).plan(guesses.experts, guesses.base))
    for i, name in enumerate(names):
        first, second, third = (expert.read(name) - guesses.base.read(name) for expert in guesses.experts)
        expected = guesses.base.read(name) + i * first - i * second + 0.5 * third
        np.testing.assert_allclose(merged[name], expected, atol=2e-5)


def test_the_order_of_the_models_is_that_of_the_weights_whatever_their_fingerprints(
    guesses: GuessFamily,
) -> None:
    rows = {name: [1.0, 0.0, 0.0] for name in guesses.base}
    turned = {name: row[::-1] for name, row in rows.items()}
    method = TaskArithmetic(scale=1.0)
    one = merge_in_memory(Calibrated(method, rows).plan(guesses.experts, guesses.base))
    other = merge_in_memory(Calibrated(method, turned).plan(guesses.experts[::-1], guesses.base))
    assert numbers(one) == numbers(other)


def test_tensors_that_are_left_out_have_weight_one(guesses: GuessFamily) -> None:
    left_out = merge_in_memory(Calibrated(TaskArithmetic(scale=0.3)).plan(guesses.experts, guesses.base))
    ones = Calibrated(TaskArithmetic(scale=0.3), dict.fromkeys(guesses.base, [1.0] * 3))
    assert numbers(left_out) == numbers(merge_in_memory(ones.plan(guesses.experts, guesses.base)))


def test_what_was_found_comes_back_from_its_folder(guesses: GuessFamily, tmp_path: Path) -> None:
    extra = {name: torch.full_like(weight, 2.0) for name, weight in read_weights(guesses.base).items()}
    rows = {"embed.bias": [0.25, 1 / 3, 1e-9]}
    found = Calibrated(TaskArithmetic(scale=0.7), rows, [extra], {"losses": [1.5, 0.1]})
    found.save(tmp_path)
    read = read_calibrated(tmp_path)
    assert (read.method, read.weights, read.record) == (found.method, rows, found.record)
    assert numbers(read.extras[0]) == numbers(extra)


def test_extras_are_read_beside_each_tensor_and_of_another_size_whole(
    guesses: GuessFamily, tmp_path: Path
) -> None:
    extras = {"embed.bias": torch.arange(8.0), "norm.bias": torch.tensor([3.0])}
    found = Calibrated(Multiplied(), extras=[extras])
    found.save(tmp_path / "found")
    merged = Executor(run=3).merge(
        found.plan(guesses.experts, guesses.base, tmp_path / "found"), tmp_path / "m"
    )
    del merged
    written = read_weights(calibration.Checkpoint.open(tmp_path / "m"))
    first = read_weights(guesses.experts[0])
    assert torch.equal(written["embed.bias"], first["embed.bias"] * torch.arange(8.0))
    assert torch.equal(written["norm.bias"], first["norm.bias"] * 3)
    assert torch.equal(written["embed.weight"], first["embed.weight"])


def test_extras_without_their_folder_are_refused(guesses: GuessFamily) -> None:
    found = Calibrated(Multiplied(), extras=[{"norm.bias": torch.ones(8)}])
    with pytest.raises(InvalidParameterError, match=r"reads 1 further.*Call save\(\) first"):
        found.plan(guesses.experts, guesses.base)


@pytest.mark.parametrize(
    "found",
    [
        None,
        "{",
        "{}",
        '{"method": "os:path", "params": {}, "weights": {}, "extras": 0, "record": {}}',
        '{"method": "json:JSONDecoder", "params": {}, "weights": {}, "extras": 0, "record": {}}',
        '{"method": "no_such_module:X", "params": {}, "weights": {}, "extras": 0, "record": {}}',
    ],
)
def test_a_folder_that_holds_no_calibration_is_refused(found: str | None, tmp_path: Path) -> None:
    if found is not None:
        (tmp_path / "calibrated.json").write_text(found)
    with pytest.raises(CheckpointError, match="expected a folder that"):
        read_calibrated(tmp_path)


def test_a_file_cannot_have_just_any_module_imported(tmp_path: Path) -> None:
    found = {"method": "this:s", "params": {}, "weights": {}, "extras": 0, "record": {}}
    (tmp_path / "calibrated.json").write_text(json.dumps(found))
    with pytest.raises(CheckpointError, match="this is no module of merges"):
        read_calibrated(tmp_path)
    assert "this" not in sys.modules


def test_a_lost_file_of_extras_is_an_error(guesses: GuessFamily, tmp_path: Path) -> None:
    Calibrated(Multiplied(), extras=[{"norm.bias": torch.ones(8)}]).save(tmp_path)
    (tmp_path / "extra-0" / "model.safetensors").unlink()
    with pytest.raises(CheckpointError):
        read_calibrated(tmp_path)


def test_an_expert_solves_its_own_task_and_measuring_leaves_the_module_alone(trial: Trial) -> None:
    before = numbers(trial.model.state_dict())
    found = [trial.measure(weights)[f"guess-{i}"] for i, weights in enumerate(trial.tuned_weights)]
    assert [score.accuracy for score in found] == [1.0, 1.0, 1.0]
    assert numbers(trial.model.state_dict()) == before


def test_a_plan_is_measured_as_the_weights_it_gives(trial: Trial) -> None:
    plan = Calibrated(TaskArithmetic(scale=0.5)).plan(trial.models, trial.base)
    merged = {name: torch.from_numpy(values) for name, values in merge_in_memory(plan).items()}
    assert trial.measure_plan(plan) == trial.measure(merged)


def test_pairs_are_models_with_their_own_tasks(trial: Trial) -> None:
    pairs = list(trial.pairs("trying"))
    assert [task.name for _, task in pairs] == ["guess-0", "guess-1", "guess-2"]
    assert all(weights is own for (weights, _), own in zip(pairs, trial.tuned_weights, strict=True))


def test_models_without_a_task_each_are_refused(trial: Trial) -> None:
    with pytest.raises(InvalidParameterError, match="trying: there are 3 models and 2 tasks"):
        list(replace(trial, tasks=trial.tasks[:2]).pairs("trying"))


@pytest.mark.parametrize("lacking", [{"models": ()}, {"tasks": ()}])
def test_a_trial_of_nothing_is_refused(trial: Trial, lacking: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterError, match="expected at least one of each"):
        replace(trial, **lacking)


def test_a_merge_says_which_settings_make_it_quick() -> None:
    made = [load(read_catalog().get(name)) for name in CALIBRATED]
    assert made
    for method in made:
        assert issubclass(method, CalibratedMerge)
        replace(method(), **method.quick)


def without_torch(name: str, *args: Any) -> Any:
    return None if name == "torch" else find_spec(name, *args)


def test_without_torch_a_trial_says_what_to_install(
    guesses: GuessFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "find_spec", without_torch)
    with pytest.raises(MissingExtraError, match=r"pip install 'calculemus\[torch\]'"):
        Trial(guesses.model(), guesses.base, guesses.experts, guesses.tasks)


def test_without_torch_a_calibration_without_extras_still_merges(
    guesses: GuessFamily, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Calibrated(TaskArithmetic(scale=0.5)).save(tmp_path / "plain")
    Calibrated(Multiplied(), extras=[{"norm.bias": torch.ones(8)}]).save(tmp_path / "more")
    monkeypatch.setattr(calibration, "find_spec", without_torch)
    assert read_calibrated(tmp_path / "plain").method == TaskArithmetic(scale=0.5)
    with pytest.raises(MissingExtraError):
        read_calibrated(tmp_path / "more")


@pytest.mark.parametrize("name", CALIBRATED)
def test_without_torch_a_method_loads_or_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = read_catalog().get(name)
    monkeypatch.delitem(sys.modules, card.entry.partition(":")[0], raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)  # what an import of it then meets is no module
    if name not in TOP_OF_FILE:
        assert issubclass(load(card), CalibratedMerge)
        return
    with pytest.raises(MissingExtraError, match=r"pip install 'calculemus\[torch\]'"):
        load(card)


def test_a_record_is_written_as_data(guesses: GuessFamily, tmp_path: Path) -> None:
    Calibrated(TaskArithmetic(), record={"entropy": [1.0]}).save(tmp_path)
    assert json.loads((tmp_path / "calibrated.json").read_text())["record"] == {"entropy": [1.0]}

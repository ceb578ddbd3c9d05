"""Evolution of the weights and densities of a merge."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calculemus.merging.calibration import Trial, read_calibrated
from calculemus.merging.evo_merge import EvoMerge
from calculemus.merging.in_memory import merge_in_memory
from calculemus.rng import Rng
from calculemus.tiny.guessing import GuessFamily, guess_family


@pytest.fixture(scope="module")
def guesses(tmp_path_factory: pytest.TempPathFactory) -> GuessFamily:
    return guess_family(tmp_path_factory.mktemp("guesses"), 3)


@pytest.fixture
def trial(guesses: GuessFamily) -> Trial:
    return Trial(guesses.model(), guesses.base, guesses.experts, guesses.tasks, Rng(0, ("test",)))


def test_a_genome_of_one_whole_model_is_that_model(trial: Trial) -> None:
    method = EvoMerge()
    weights = np.zeros((len(method.groups(trial)), 3))
    weights[:, 1] = 1
    genes = np.concatenate([weights.ravel(), np.ones(weights.size)])
    merged = merge_in_memory(method.settled(trial, genes).plan(trial.models, trial.base))
    for name, numbers in merged.items():
        np.testing.assert_allclose(numbers, trial.models[1].read(name), atol=1e-6)


def test_each_group_has_its_own_weights_and_densities(trial: Trial) -> None:
    method = EvoMerge()
    groups = method.groups(trial)
    assert groups == ["embeddings", "layers 0", "layers 1", "rest"]
    genes = np.arange(2 * 4 * 3) / 24
    found = method.settled(trial, genes)
    assert list(found.weights["layers.1.up_proj.weight"]) == pytest.approx(genes[6:9].tolist())
    assert list(found.settings["embed.weight"]["density"]) == pytest.approx(genes[12:15].tolist())
    assert set(found.weights) == set(trial.base.entries)
    assert len(EvoMerge(layers_per_group=2).groups(trial)) == 3


def test_a_density_of_nothing_is_one_that_can_be_divided_by(trial: Trial) -> None:
    found = EvoMerge().settled(trial, np.zeros(24))
    assert min(found.settings["embed.weight"]["density"]) > 0


def test_the_fittest_merge_is_as_fit_as_it_says_from_its_file_too(trial: Trial, tmp_path: Path) -> None:
    found = EvoMerge(trials=24, population=8, n_heats=1).calibrate(trial)
    assert found.record["fitness"] == max(value for row in found.record["told"] for value in row)
    found.save(tmp_path)
    scores = trial.measure_plan(read_calibrated(tmp_path).plan(trial.models, trial.base))
    assert np.mean([score.accuracy for score in scores.values()]) == pytest.approx(found.record["fitness"])


def test_a_search_that_was_interrupted_ends_as_one_that_was_not(trial: Trial) -> None:
    method = EvoMerge(trials=24, population=8)
    whole = method.calibrate(trial)
    half = replace(method, trials=8).calibrate(trial)
    rest = method.go_on(trial, half.record["told"])
    assert rest.record["told"] == whole.record["told"]
    assert rest.weights == whole.weights

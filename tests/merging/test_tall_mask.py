"""Masks of what each task uses, Consensus merging, and bundles."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as numpy_arrays

from calculemus.checkpoint import Checkpoint
from calculemus.checkpoint.bits import from_float32
from calculemus.errors import CheckpointError, CheckpointMismatchError, InvalidParameterError
from calculemus.merging.base import Part
from calculemus.merging.calibration import Trial
from calculemus.merging.executor import Executor
from calculemus.merging.in_memory import merge_in_memory
from calculemus.merging.masked_bundle import MaskedBundle, choose_thresholds, masked_weights, save_bundle
from calculemus.merging.tall_mask import TallMask, tall_masks
from calculemus.merging.task_arithmetic import TaskArithmetic
from calculemus.merging.ties import Ties
from calculemus.rng import Rng
from calculemus.tiny.guessing import GuessFamily, guess_family

NUMBERS = st.integers(-8, 8).map(lambda n: n / 4)  # sums of these are exact
VECTORS = st.integers(1, 4).flatmap(
    lambda t: numpy_arrays(np.float32, st.tuples(st.just(t), st.integers(1, 19)), elements=NUMBERS)
)


@pytest.fixture(scope="module")
def guesses(tmp_path_factory: pytest.TempPathFactory) -> GuessFamily:
    return guess_family(tmp_path_factory.mktemp("guesses"))


@pytest.fixture(scope="module")
def bundle(guesses: GuessFamily, tmp_path_factory: pytest.TempPathFactory) -> MaskedBundle:
    return save_bundle(tmp_path_factory.mktemp("bundle"), named(guesses.experts), guesses.base)


def named(models: Any) -> dict[str, Checkpoint]:
    return {f"task-{i}": model for i, model in enumerate(models)}


@given(VECTORS, st.sampled_from([0.25, 0.5, 1.0]))
def test_a_weight_is_used_where_it_is_not_small_against_all_others(vectors: Any, threshold: float) -> None:
    total = vectors.sum(axis=0)
    masks = tall_masks(list(vectors), total, [threshold] * len(vectors))
    for t, mask in enumerate(masks):
        for i, is_used in enumerate(mask):
            others = sum(float(vectors[s, i]) for s in range(len(vectors)) if s != t)
            assert is_used == (abs(float(vectors[t, i])) >= threshold * abs(others))


@given(VECTORS)
def test_a_threshold_of_0_uses_everything_and_a_huge_one_only_what_is_the_sum(vectors: Any) -> None:
    total = vectors.sum(axis=0)
    for mask in tall_masks(list(vectors), total, [0.0] * len(vectors)):
        assert mask.all()
    for vector, mask in zip(vectors, tall_masks(list(vectors), total, [1e30] * len(vectors)), strict=True):
        assert mask.tolist() == (vector == total).tolist()


@given(VECTORS, st.floats(0.01, 100))
def test_task_vectors_without_a_weight_in_common_are_all_restored(vectors: Any, threshold: float) -> None:
    owner = np.arange(vectors.shape[1]) % len(vectors)
    apart = vectors * (owner == np.arange(len(vectors))[:, None])
    total = apart.sum(axis=0)
    masks = tall_masks(list(apart), total, [threshold] * len(apart))
    for vector, mask in zip(apart, masks, strict=True):
        assert (mask * total).tolist() == vector.tolist()


@given(VECTORS, st.integers(0, 3))
def test_consensus_keeps_what_so_many_tasks_use(vectors: Any, agreeing: int) -> None:
    agreeing = min(agreeing, len(vectors))
    total = vectors.sum(axis=0)
    users = np.sum(tall_masks(list(vectors), total, [0.4] * len(vectors)), axis=0)
    expected = np.where(users >= agreeing, total, 0)
    part = part_of(vectors)
    found = TallMask(agreeing=agreeing, scale=1.0).merge(part, None)
    np.testing.assert_allclose(found - 1, expected, atol=1e-6)


def part_of(vectors: Any) -> Part:
    base = np.ones(vectors.shape[1], np.float32)
    n = len(vectors)
    return Part("w", base.shape, 0, base, [v + base for v in vectors], [1.0] * n, [{}] * n, [Rng(0)] * n)


def test_consensus_of_none_is_the_plain_merge(apply: Any, arrays: Any) -> None:
    base, *inputs = arrays(4)
    weights = [0.5, 1.0, 2.0]
    merged = apply(TallMask(agreeing=0, scale=0.3), inputs, base, weights=weights)
    assert merged.tobytes() == apply(TaskArithmetic(scale=0.3), inputs, base, weights=weights).tobytes()


def test_consensus_of_none_on_the_vector_of_ties_is_ties(apply: Any, arrays: Any) -> None:
    base, *inputs = arrays(4)
    merged = apply(TallMask(agreeing=0, vector="ties", scale=0.7, ties_density=0.3), inputs, base)
    assert merged.tobytes() == apply(Ties(density=0.3, scale=0.7), inputs, base).tobytes()


def test_a_mask_of_ties_measures_against_its_vector(apply: Any, arrays: Any) -> None:
    base, *inputs = arrays(3)
    total = apply(Ties(density=0.3), inputs, base) - base
    deltas = [x - base for x in inputs]
    users = sum((np.abs(d) >= 0.4 * np.abs(total - d)).astype(int) for d in deltas)
    merged = apply(TallMask(vector="ties", scale=1.0, ties_density=0.3), inputs, base)
    np.testing.assert_allclose(merged - base, np.where(users >= 2, total, 0), atol=1e-5)


def test_one_model_alone_is_itself(apply: Any, arrays: Any) -> None:
    base, tuned = arrays(2)
    merged = apply(TallMask(agreeing=1, scale=1.0), [tuned], base)
    np.testing.assert_allclose(merged, tuned, atol=1e-6)


def test_more_agreement_than_there_are_tasks_is_refused(family: Any, merge_files: Any) -> None:
    with pytest.raises(InvalidParameterError, match="4 tasks are to agree"):
        merge_files(TallMask(agreeing=4), family.tuned, family.base)


def test_each_model_may_have_a_threshold_of_its_own(apply: Any, arrays: Any) -> None:
    base, *inputs = arrays(3)
    deltas = [x - base for x in inputs]
    total = deltas[0] + deltas[1]
    used = (np.abs(deltas[0]) >= 0.1 * np.abs(total - deltas[0])).astype(int) + (
        np.abs(deltas[1]) >= 3 * np.abs(total - deltas[1])
    )
    values = [{"threshold": 0.1}, {"threshold": 3.0}]
    merged = apply(TallMask(scale=1.0), inputs, base, values=values)
    np.testing.assert_allclose(merged - base, np.where(used >= 2, total, 0), atol=1e-5)


def test_a_bundle_holds_the_sum_and_the_bits(family: Any, tmp_path: Path) -> None:
    made = save_bundle(tmp_path, named(family.tuned), family.base, [0.2, 0.4, 1.5])
    for name in made.vector:
        deltas = [tuned.read(name) - family.base.read(name) for tuned in family.tuned]
        total = deltas[0] + deltas[1] + deltas[2]
        assert made.vector.read(name).tobytes() == total.tobytes()
        for task, mask, limit in zip(
            made.masks, tall_masks(deltas, total, [0.2, 0.4, 1.5]), (0.2, 0.4, 1.5), strict=True
        ):
            assert made.thresholds[task] == limit
            expected = np.where(mask, total, 0)
            assert made.task_vector(task).read(name).tobytes() == expected.astype(np.float32).tobytes()


def test_a_tasks_model_is_the_base_and_what_its_mask_leaves_rounded_once(family: Any, tmp_path: Path) -> None:
    made = save_bundle(tmp_path / "bundle", named(family.tuned), family.base)
    Executor(run=256).merge(made.plan("task-1", family.base), tmp_path / "model")
    model = Checkpoint.open(tmp_path / "model")
    assert set(model) == set(family.base)
    for name, entry in family.base.entries.items():
        if not entry.dtype.is_float:
            assert model.read_bytes(name) == family.base.read_bytes(name)
            continue
        expected = family.base.read(name) + made.task_vector("task-1").read(name)
        assert model.read_bytes(name) == from_float32(expected.ravel(), entry.dtype)


def test_a_bundle_of_one_model_gives_it_back(guesses: GuessFamily, tmp_path: Path) -> None:
    made = save_bundle(tmp_path, {"alone": guesses.experts[0]}, guesses.base)
    merged = merge_in_memory(made.plan("alone", guesses.base))
    for name, numbers in merged.items():
        np.testing.assert_allclose(numbers, guesses.experts[0].read(name), atol=3e-7)
    n = guesses.base.n_parameters
    assert made.counts() == [0, n]


def test_classes_of_weights_add_up_to_all_and_are_what_the_masks_say(
    bundle: MaskedBundle, guesses: GuessFamily
) -> None:
    users = []
    for name in bundle.vector:
        deltas = [expert.read(name) - guesses.base.read(name) for expert in guesses.experts]
        total = bundle.vector.read(name)
        users.append(np.sum(tall_masks(deltas, total, [0.4] * 3), axis=0).ravel())
    expected = np.bincount(np.concatenate(users), minlength=4)
    assert bundle.counts() == expected.tolist()
    assert sum(bundle.counts()) == guesses.base.n_parameters


def test_a_bundle_takes_four_bytes_a_weight_and_a_bit_for_each_task(
    bundle: MaskedBundle, guesses: GuessFamily
) -> None:
    n_bits = [-(-entry.n_elements // 8) for entry in guesses.base.entries.values()]
    assert bundle.n_bytes == 4 * guesses.base.n_parameters + 3 * sum(n_bits)


def test_packed_bits_come_back_whatever_the_size(tmp_path: Path) -> None:
    for n in range(1, 20):
        bits = np.arange(n) % 3 == 0
        assert np.unpackbits(np.packbits(bits), count=n).astype(bool).tolist() == bits.tolist()


def test_a_bundle_comes_back_from_its_folder_as_it_was_saved(bundle: MaskedBundle) -> None:
    again = MaskedBundle.open(bundle.vector.folder)
    assert (again.base, again.thresholds, again.counts()) == (
        bundle.base,
        bundle.thresholds,
        bundle.counts(),
    )


def test_another_base_than_the_bundles_is_refused(bundle: MaskedBundle, guesses: GuessFamily) -> None:
    with pytest.raises(CheckpointMismatchError, match="the one that the bundle was made with"):
        bundle.plan("task-0", guesses.experts[0])


def test_a_task_that_is_not_in_a_bundle_is_named(bundle: MaskedBundle, guesses: GuessFamily) -> None:
    with pytest.raises(InvalidParameterError, match="'other' in a bundle: it has task-0, task-1, task-2"):
        bundle.plan("other", guesses.base)


@pytest.mark.parametrize("thresholds", [[0.4], [0.4, -1.0, 0.4], [0.4, float("nan"), 0.4]])
def test_thresholds_that_do_not_fit_are_refused(
    thresholds: list[float], guesses: GuessFamily, tmp_path: Path
) -> None:
    with pytest.raises(InvalidParameterError, match="a threshold for each"):
        save_bundle(tmp_path, named(guesses.experts), guesses.base, thresholds)


@pytest.mark.parametrize("text", [None, "{", "{}", '{"base": "x", "tasks": []}'])
def test_a_folder_that_holds_no_bundle_is_refused(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "bundle.json").write_text(text)
    with pytest.raises(CheckpointError, match="save_bundle wrote"):
        MaskedBundle.open(tmp_path)


def test_thresholds_are_chosen_by_each_tasks_rows_to_choose_by(guesses: GuessFamily) -> None:
    trial = Trial(guesses.model(), guesses.base, guesses.experts, guesses.tasks)
    values = (0.0, 0.6, 5.0)
    found = choose_thresholds(trial, values)
    for number, chosen in enumerate(found):
        task = f"guess-{number}"
        accuracies = [trial.measure(masked_weights(trial, number, value))[task].accuracy for value in values]
        assert accuracies[values.index(chosen)] == max(accuracies)
    assert {split for task in guesses.tasks for split in task.seen} == {"dev"}


def test_masked_weights_in_memory_are_those_of_a_bundle(bundle: MaskedBundle, guesses: GuessFamily) -> None:
    trial = Trial(guesses.model(), guesses.base, guesses.experts, guesses.tasks)
    from_files = merge_in_memory(bundle.plan("task-2", guesses.base))
    for name, weight in masked_weights(trial, 2, 0.4).items():
        np.testing.assert_allclose(weight.numpy(), from_files[name], atol=1e-6)

"""Swapping layers: where each tensor comes from, and the ways to choose."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.merging import layer_swap
from calculemus.merging.executor import Executor
from calculemus.merging.layer_swap import LayerSwap, keep_most, numbers, shares, sweep
from calculemus.merging.layers import address
from calculemus.merging.structure import plan_edit
from calculemus.rng import Rng
from calculemus.tuning.weights import write_weights

N_LAYERS = 6
Write = Callable[..., Checkpoint]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a small model of six layers; each layer's numbers differ from 0 by its own spread."""
    import torch

    def make(name: str, spreads: Any = (1.0,) * N_LAYERS, seed: int = 0, **config: Any) -> Checkpoint:
        names = ["model.embed_tokens.weight", "model.norm.weight"]
        names += [
            f"model.layers.{n}.self_attn.{p}.weight" for n in range(N_LAYERS) for p in ("q_proj", "k_proj")
        ]
        weights = {}
        for tensor in names:
            layer = address(tensor).layer
            spread = 1.0 if layer is None else spreads[layer]
            drawn = Rng(seed, (name, tensor)).generator().normal(0, 1, (5, 4)) * spread
            weights[tensor] = torch.from_numpy(drawn.astype(np.float32))
        return write_weights(weights, tmp_path / name, {"tie_word_embeddings": True, **config})

    return make


def swap(edit: LayerSwap, models: list[Checkpoint]) -> Checkpoint:
    folder = models[0].folder.parent / f"swapped{len(list(models[0].folder.parent.iterdir()))}"
    Executor().merge(plan_edit(edit, models), folder)
    return Checkpoint.open(folder)


SPLITS = st.tuples(*[st.integers(0, 3)] * 4).filter(lambda split: sum(split) <= N_LAYERS)


@given(split=SPLITS)
def test_every_layer_has_one_origin_and_the_middle_is_of_mathematics(
    split: tuple[int, int, int, int],
) -> None:
    bottom, top, low, high = split
    edit = LayerSwap(bottom, top, low, high)
    expected = [(0,)] * bottom + [(0, 1)] * low
    expected += [(1,)] * (N_LAYERS - sum(split)) + [(0, 1)] * high + [(0,)] * top
    assert [edit.origin(layer, N_LAYERS) for layer in range(N_LAYERS)] == expected


@pytest.mark.parametrize("outside", ["language", "math"])
def test_every_tensor_is_its_source_to_the_byte_or_the_mean(write: Write, outside: Any) -> None:
    language, math = models = [write("language", seed=1), write("math", seed=2, rope_theta=7.0)]
    edit = LayerSwap(bottom=1, top=2, bottom_transition=1, top_transition=1, outside=outside)
    swapped = swap(edit, models)
    origins = ["language", "both", "math", "both", "language", "language"]
    for name in swapped:
        layer = address(name).layer
        origin = outside if layer is None else origins[layer]
        if origin == "both":
            mean = (language.read(name) + math.read(name)) / np.float32(2)
            np.testing.assert_array_equal(swapped.read(name), mean)
        else:
            assert swapped.read_bytes(name) == {"language": language, "math": math}[origin].read_bytes(name)
    assert swapped.config == {"language": language, "math": math}[outside].config
    assert swapped.is_tied


def test_without_layers_of_the_language_the_model_is_the_mathematics_expert(write: Write) -> None:
    language, math = models = [write("language", seed=1), write("math", seed=2)]
    swapped = swap(LayerSwap(bottom=0, top=0), models)
    whole = swap(LayerSwap(bottom=0, top=0, outside="math"), models)
    for name in swapped:
        assert whole.read_bytes(name) == math.read_bytes(name)
        source = math if address(name).layer is not None else language
        assert swapped.read_bytes(name) == source.read_bytes(name)


@pytest.mark.parametrize("bottom", range(N_LAYERS + 1))
def test_with_all_layers_of_the_language_the_model_is_the_language_expert(write: Write, bottom: int) -> None:
    language, math = write("language", seed=1), write("math", seed=2)
    swapped = swap(LayerSwap(bottom=bottom, top=N_LAYERS - bottom), [language, math])
    assert all(swapped.read_bytes(name) == language.read_bytes(name) for name in language)


def test_two_equal_experts_give_that_model(write: Write) -> None:
    one, again = write("one", seed=1), write("again", seed=1)
    again = Checkpoint.open(one.folder)
    swapped = swap(LayerSwap(1, 1, 1, 1), [one, again])
    assert all(swapped.read_bytes(name) == one.read_bytes(name) for name in one)


def test_models_that_do_not_go_together_are_refused(write: Write, family: Any, tmp_path: Path) -> None:
    language, math = write("language", seed=1), write("math", seed=2)
    with pytest.raises(InvalidParameterError, match="are 7; expected at most the 6"):
        plan_edit(LayerSwap(3, 2, 1, 1), [language, math])
    with pytest.raises(InvalidParameterError, match="there are 1 models; expected 2"):
        plan_edit(LayerSwap(), [language])
    with pytest.raises(CheckpointMismatchError):
        plan_edit(LayerSwap(), [language, family.base])
    import torch

    weights = {name: torch.from_numpy(math.read(name)) for name in math}
    untied = write_weights({**weights, "lm_head.weight": torch.ones(5, 4)}, tmp_path / "untied", {})
    with pytest.raises(CheckpointMismatchError, match="ties its output layer"):
        plan_edit(LayerSwap(), [language, untied])


def test_whole_numbers_are_taken_from_one_model(family: Any) -> None:
    edit = LayerSwap(bottom=0, top=0, bottom_transition=1, top_transition=1)
    steps = {step.tensor.name: step for step in plan_edit(edit, family.tuned[:2]).steps}
    assert steps["model.positions"].is_copy
    assert len(steps["model.layers.0.self_attn.q_proj.weight"].inputs) == 2


def test_numbers_of_layers_are_all_that_fit() -> None:
    assert list(numbers(2)) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]
    assert set(numbers(5, fewest=1)) == {(b, t) for b in range(1, 6) for t in range(1, 6) if b + t <= 5}


def test_a_sweep_measures_every_number_of_layers_once(write: Write) -> None:
    models = [write("language", seed=1), write("math", seed=2)]
    seen: list[LayerSwap] = []

    def measure(edit: LayerSwap) -> float:
        seen.append(edit)
        assert plan_edit(edit, models).steps
        return edit.bottom * 10 + edit.top

    given_edit = LayerSwap(bottom_transition=1, top_transition=1, outside="math")
    found = sweep(models, measure, given_edit)
    assert found == {(b, t): b * 10 + t for b in range(5) for t in range(5 - b)}
    assert seen == [replace(given_edit, bottom=b, top=t) for b, t in found]


def test_shares_are_squared_changes_layer_by_layer(write: Write) -> None:
    base, tuned = write("base"), write("tuned", (0, 1, 2, 3, 4, 5), seed=3)
    found = shares(tuned, base)
    squares = [0.0] * N_LAYERS
    for name in base:
        layer = address(name).layer
        if layer is not None:
            squares[layer] += float(((tuned.read(name).astype(float) - base.read(name)) ** 2).sum())
    assert found == pytest.approx([square / sum(squares) for square in squares], rel=1e-5)
    assert sum(found) == pytest.approx(1)
    assert shares(base, base) == [0.0] * N_LAYERS


LAYERS = st.lists(st.integers(0, 9), min_size=N_LAYERS, max_size=N_LAYERS)


@given(language=LAYERS, math=LAYERS)
def test_keeping_most_is_the_best_of_all_ways_to_cut(language: list[int], math: list[int]) -> None:
    profiles = {"language": language, "math": math}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer_swap, "shares", lambda model, base: profiles[model])
        found = keep_most(["language", "math"], "base")  # type: ignore[list-item,arg-type]  # stand-ins

    def kept(bottom: int, top: int) -> int:
        edges = set(range(bottom)) | set(range(N_LAYERS - top, N_LAYERS))
        return sum(language[n] if n in edges else math[n] for n in range(N_LAYERS))

    every = [kept(b, t) for b in range(1, N_LAYERS) for t in range(1, N_LAYERS) if b + t < N_LAYERS]
    assert kept(found.bottom, found.top) == max(every)
    assert found.bottom >= 1
    assert found.top >= 1
    assert found.bottom + found.top < N_LAYERS


def test_layers_that_each_expert_changed_are_kept(write: Write) -> None:
    base = write("base", (0,) * N_LAYERS)
    language = write("language", (3, 3, 0.1, 0.1, 0.1, 3), seed=1)
    math = write("math", (0.1, 0.1, 2, 2, 2, 0.1), seed=2)
    assert keep_most([language, math], base) == LayerSwap(bottom=2, top=1)


def test_two_layers_leave_nothing_to_choose(family: Any) -> None:
    with pytest.raises(InvalidParameterError, match="expected at least 3"):
        keep_most(family.tuned[:2], family.base)

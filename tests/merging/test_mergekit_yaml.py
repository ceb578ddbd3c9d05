"""Configurations of mergekit's: what they say there is what is merged here, or is refused by name."""

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from calculemus.checkpoint import Checkpoint
from calculemus.events import Event, Note, listening
from calculemus.merging.executor import Executor
from calculemus.merging.mergekit_methods import KNOWN, SCALED
from calculemus.merging.mergekit_yaml import read_mergekit
from calculemus.merging.preparing import to_plan
from calculemus.merging.recipe import Input, MergeRecipe, read_recipe
from calculemus.merging.settings import Choice

pytest.importorskip("yaml", reason="mergekit's configurations need the extra merge")


@pytest.fixture
def read(tmp_path: Path, family: Any) -> Callable[[str], MergeRecipe]:
    """Read a configuration; BASE, A, B and C stand for the family's models."""

    def from_text(text: str) -> MergeRecipe:
        path = tmp_path / "config.yml"
        path.write_text(_named(text, family), "utf-8")
        return read_mergekit(path)

    return from_text


def _named(text: str, family: Any) -> str:
    for name, model in zip(("BASE", "AAA", "BBB", "CCC"), (family.base, *family.tuned), strict=True):
        text = text.replace(name, json.dumps(model.name))
    return text


@pytest.fixture
def run(tmp_path: Path) -> Callable[[MergeRecipe], Mapping[str, bytes]]:
    """Merge by a recipe; returns the bytes of all tensors."""
    numbers = itertools.count()

    def merge(recipe: MergeRecipe) -> Mapping[str, bytes]:
        folder = tmp_path / f"run{next(numbers)}"
        Executor(1).merge(to_plan(recipe), folder)
        model = Checkpoint.open(folder)
        return {name: model.read_bytes(name) for name in model}

    return merge


SAME = {
    "linear": (
        """
        merge_method: linear
        models:
        - {model: AAA, parameters: {weight: 0.3}}
        - {model: BBB, parameters: {weight: [0, 1, 0.5]}}
        - {model: CCC, parameters: {weight: [{filter: mlp, value: [1, 0.2]}, {value: 0.5}]}}
        out_dtype: torch.float32
        """,
        """
        method = "linear"
        dtype = "float32"
        models = [
            {model = AAA, weight = 0.3},
            {model = BBB, weight = [0, 1, 0.5]},
            {model = CCC, weight = [{filter = "mlp", value = [1, 0.2]}, {value = 0.5}]},
        ]
        """,
    ),
    "slerp, the usual way": (
        """
        merge_method: slerp
        base_model: BASE
        slices:
        - sources:
          - {model: BASE, layer_range: [0, 2]}
          - {model: AAA, layer_range: [0, 2]}
        parameters:
          t:
          - {filter: self_attn, value: [0, 0.5, 1]}
          - value: 0.5
        dtype: bfloat16
        """,
        """
        method = "slerp"
        base = BASE
        dtype = "bfloat16"
        models = [{model = AAA}]
        [parameters]
        t = [{filter = "self_attn", value = [0, 1]}, {value = 0.5}]
        """,
    ),
    "ties, with its defaults": (
        """
        merge_method: ties
        base_model: BASE
        models: [{model: AAA, parameters: {density: 0.3}}, {model: BASE}, {model: BBB}]
        parameters: {weight: 1e-1, normalize: true, int8_mask: true}
        """,
        """
        method = "ties"
        base = BASE
        parameters = {density = 1.0, weight = 0.1}
        models = [{model = AAA, density = 0.3}, {model = BBB}]
        """,
    ),
    "task arithmetic that divides": (
        """
        merge_method: task_arithmetic
        base_model: BASE
        models: [{model: AAA, parameters: {weight: 3}}, {model: BBB, parameters: {weight: 1}}]
        parameters: {normalize: true, lambda: 0.7}
        """,
        """
        method = "task_arithmetic"
        base = BASE
        parameters = {scale = 0.7}
        models = [{model = AAA, weight = 0.75}, {model = BBB, weight = 0.25}]
        """,
    ),
    "dare_ties, which adds up": (
        """
        merge_method: dare_ties
        base_model: BASE
        models: [{model: AAA}, {model: BBB}]
        parameters: {weight: 0.5, density: [{filter: mlp, value: 0.2}]}
        """,
        """
        method = "dare_ties"
        base = BASE
        models = [{model = AAA}, {model = BBB}]
        [parameters]
        weight = 0.5
        density = [{filter = "mlp", value = 0.2}, {value = 1.0}]
        normalize = false
        """,
    ),
    "nuslerp of task vectors": (
        """
        merge_method: nuslerp
        base_model: BASE
        models: [{model: AAA, parameters: {weight: 3}}, {model: BBB, parameters: {weight: 1}}]
        """,
        """
        method = "nuslerp"
        base = BASE
        parameters = {of_task_vectors = true}
        models = [{model = AAA, weight = 3}, {model = BBB, weight = 1}]
        """,
    ),
    "sce": (
        """
        merge_method: sce
        base_model: BASE
        models: [{model: AAA}, {model: BBB}, {model: CCC}]
        parameters: {select_topk: [0.2, 0.8]}
        """,
        """
        method = "sce"
        base = BASE
        parameters = {density = [0.2, 0.8]}
        models = [{model = AAA}, {model = BBB}, {model = CCC}]
        """,
    ),
    "a base that is merged, too": (
        """
        merge_method: linear
        base_model: BASE
        models: [{model: AAA}]
        parameters: {weight: 0.5}
        """,
        """
        method = "linear"
        base = BASE
        models = [{model = AAA}, {model = BASE}]
        """,
    ),
    "stacked layers": (
        """
        merge_method: passthrough
        slices:
        - sources: [{model: AAA, layer_range: [0, 2]}]
        - sources: [{model: BBB, layer_range: [1, 2]}]
        """,
        """
        method = "passthrough"
        slices = [
            {sources = [{model = AAA, layers = [0, 2]}]},
            {sources = [{model = BBB, layers = [1, 2]}]},
        ]
        """,
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_yaml_and_toml_of_one_merge_give_the_same_bytes(
    name: str, read: Any, run: Any, family: Any, tmp_path: Path
) -> None:
    yaml, toml = SAME[name]
    path = tmp_path / "recipe.toml"
    path.write_text(_named(toml, family), "utf-8")
    assert run(read(yaml)) == run(read_recipe(path))


def test_the_nearest_setting_counts_as_in_mergekit(read: Any, family: Any) -> None:
    recipe = read(
        """
        merge_method: task_arithmetic
        base_model: BASE
        slices:
        - sources:
          - {model: BASE, layer_range: [0, 2]}
          - {model: AAA, layer_range: [0, 2], parameters: {weight: [{filter: mlp, value: 1}]}}
          parameters: {weight: [{filter: self_attn, value: 2}]}
        parameters: {weight: 3}
        """
    )
    weights = {step.tensor.name: step.weights for step in to_plan(recipe).steps}
    assert weights["model.layers.0.mlp.up_proj.weight"] == (1,)
    assert weights["model.layers.1.self_attn.q_proj.weight"] == (2,)
    assert weights["model.norm.weight"] == (3,)


def test_a_scale_of_passthrough_multiplies_what_no_filter_spares(read: Any, family: Any) -> None:
    recipe = read(
        """
        merge_method: passthrough
        models:
        - model: AAA
          parameters: {scale: [{filter: norm, value: 1}, {filter: down_proj, value: [0.5, 2]}]}
        """
    )
    assert recipe.method == SCALED.id
    weights = {step.tensor.name: step.weights for step in to_plan(recipe).steps if step.weights}
    expected = dict.fromkeys(weights, (1.0,))
    expected["model.layers.0.mlp.down_proj.weight"] = (0.5,)
    expected["model.layers.1.mlp.down_proj.weight"] = (2.0,)
    assert weights == expected


def test_adapters_and_tokenizers_are_read(read: Any, family: Any) -> None:
    recipe = read(
        """
        merge_method: linear
        models:
        - {model: {model: {path: AAA}, lora: {path: x/adapter}}, parameters: {weight: 1}}
        - {model: b+x/adapter, parameters: {weight: 1}}
        tokenizer: {source: union}
        """
    )
    assert recipe.names() == [f"{family.tuned[0].name}+x/adapter", "b+x/adapter"]
    assert recipe.tokenizer == "union"
    text = "merge_method: linear\nmodels: [{model: AAA, parameters: {weight: 1}}]\ntokenizer_source: "
    assert read(text + "base").tokenizer == "base"
    assert read(text + "AAA").tokenizer == family.tuned[0].name
    assert read(text + "null").tokenizer == ""


def test_every_known_method_and_setting_is_one_of_ours() -> None:
    from calculemus.merging.finding import get_merge

    for known in (*KNOWN.values(), SCALED):
        found = get_merge(known.id)
        ours = {*found.kind().params(), "weight"}
        named = {*known.own.values(), *known.shared.values(), *known.required, *known.defaults, *known.fixed}
        assert named <= ours, known
        assert set(known.settled) <= set(found.card.differs), known


def _notes(read: Any, text: str) -> list[str]:
    heard: list[Event] = []
    with listening(heard.append):
        read(text)
    return [event.message for event in heard if isinstance(event, Note)]


def test_a_note_says_where_a_method_differs_on_purpose(read: Any) -> None:
    models = "base_model: BASE\nmodels: [{model: AAA, parameters: {weight: 1, lambda: 3}}]\n"
    notes = _notes(read, f"merge_method: dare_linear\n{models}")
    assert [note for note in notes if note.startswith("dare_linear differs from mergekit in rescale: ")]
    assert [note for note in notes if "'lambda' of" in note and "does nothing there" in note]
    # What only says that it is done as there is no difference.
    notes = _notes(read, f"merge_method: breadcrumbs\n{models}parameters: {{t: 1}}\n")
    assert not [note for note in notes if "in limits" in note]
    assert [note for note in notes if "'t' of the merge does nothing there" in note]


def test_numbers_that_yaml_takes_for_texts_are_numbers(read: Any, family: Any) -> None:
    recipe = read("merge_method: linear\nmodels: [{model: AAA, parameters: {weight: [1e-3, 2e-3]}}]")
    assert recipe.models == (Input(family.tuned[0].name, {"weight": (1e-3, 2e-3)}),)
    text = "merge_method: linear\nmodels: [{model: AAA, parameters: {weight: {value: 1e-3}}}]"
    assert read(text).models[0].settings == {"weight": (Choice(1e-3),)}

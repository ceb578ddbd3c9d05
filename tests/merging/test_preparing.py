"""From recipes to plans: what is written down is what is merged, and what cannot be is said before."""

import itertools
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointError, CheckpointMismatchError, InvalidParameterError
from calculemus.merging.breadcrumbs import Breadcrumbs
from calculemus.merging.dare_ties import DareTies
from calculemus.merging.della import Della
from calculemus.merging.executor import Executor
from calculemus.merging.finding import get_merge
from calculemus.merging.layers import address, count_layers
from calculemus.merging.linear import Linear
from calculemus.merging.passthrough import Passthrough
from calculemus.merging.plan import Plan, plan_merge
from calculemus.merging.preparing import open_model, to_plan
from calculemus.merging.recipe import Input, MergeRecipe, Slice
from calculemus.merging.sce import Sce
from calculemus.merging.settings import Choice
from calculemus.merging.slerp import Slerp
from calculemus.merging.structure import plan_edit
from calculemus.merging.ties import Ties
from calculemus.merging.varying import taken_by_tensor

Run = Callable[[Plan], Mapping[str, bytes]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a plan; returns the bytes of all tensors."""
    numbers = itertools.count()

    def merge(plan: Plan) -> Mapping[str, bytes]:
        folder = tmp_path / f"run{next(numbers)}"
        Executor(2).merge(plan, folder)
        model = Checkpoint.open(folder)
        return {name: model.read_bytes(name) for name in model}

    return merge


def recipe_of(family: Any, method: str, settings: Any = (), **options: Any) -> MergeRecipe:
    """Return a recipe of a family's models, with settings of the first ones."""
    given = [*settings, *({} for _ in family.tuned)]
    inputs = tuple(Input(model.name, own) for model, own in zip(family.tuned, given, strict=False))
    return MergeRecipe(method, inputs, base=family.base.name, **options)


def step(plan: Plan, name: str) -> Any:
    return next(step for step in plan.steps if step.tensor.name == name)


UP = "model.layers.{}.mlp.up_proj.weight"
Q = "model.layers.{}.self_attn.q_proj.weight"


# What a recipe comes to.


def test_a_recipe_merges_as_the_plan_by_hand_does(family: Any, run: Run) -> None:
    recipe = recipe_of(
        family, "ties", [{"weight": 0.5}, {"weight": 2}], parameters={"density": 0.3, "scale": 0.7}
    )
    plan = plan_merge(Ties(density=0.3, scale=0.7), family.tuned, family.base, weights=[0.5, 2.0, 1.0])
    assert run(to_plan(recipe)) == run(plan)
    assert to_plan(recipe).digest == plan.digest


def test_seed_and_dtype_reach_the_plan(family: Any, run: Run) -> None:
    recipe = recipe_of(family, "dare_ties", seed=5, dtype="float32")
    plan = plan_merge(DareTies(), family.tuned, family.base, seed=5, dtype="float32")
    assert run(to_plan(recipe)) == run(plan)
    assert run(to_plan(replace(recipe, seed=6))) != run(plan)
    assert to_plan(recipe).config == plan.config == {"torch_dtype": "float32"}


def test_the_precision_reaches_the_plan_and_another_is_refused(family: Any) -> None:
    recipe = recipe_of(family, "ties", precision="float64")
    assert to_plan(recipe).digest == plan_merge(Ties(), family.tuned, family.base, precision="float64").digest
    assert to_plan(recipe).digest != to_plan(replace(recipe, precision="")).digest
    with pytest.raises(InvalidParameterError, match="'half'; expected one of float32, float64"):
        to_plan(replace(recipe, precision="half"))


def test_a_setting_of_a_model_counts_before_that_of_the_merge(family: Any) -> None:
    own = {"density": (Choice(0.3, "mlp"),), "weight": (0.0, 4.0)}
    plan = to_plan(recipe_of(family, "ties", [own], parameters={"density": (0.4, 0.8), "weight": 3}))
    order = {model.name: n for n, model in enumerate(_in_plan(plan, family))}
    mine, other = order[family.tuned[0].name], order[family.tuned[1].name]
    for layer, (density, weight) in enumerate([(0.4, 0.0), (0.8, 4.0)]):
        up, q = step(plan, UP.format(layer)), step(plan, Q.format(layer))
        assert up.values[mine] == {"density": 0.3}
        assert q.values[mine] == up.values[other] == {"density": density}
        assert up.weights[mine] == weight
        assert up.weights[other] == 3
    assert step(plan, "model.norm.weight").values[mine] == {"density": 0.4}


def _in_plan(plan: Plan, family: Any) -> list[Checkpoint]:
    """Return the family's models in the order of the plan's steps."""
    by_path = {entry.path: model for model in family.tuned for entry in model.entries.values()}
    return [by_path[entry.path] for entry in step(plan, Q.format(0)).inputs]


def test_settings_by_tensor_are_used(family: Any, run: Run) -> None:
    varying = recipe_of(family, "ties", parameters={"density": (0.2, 0.6)})
    merged = run(to_plan(varying))
    for layer, density in enumerate([0.2, 0.6]):
        fixed = run(plan_merge(Ties(density=density), family.tuned, family.base))
        assert merged[UP.format(layer)] == fixed[UP.format(layer)]
        assert merged[UP.format(1 - layer)] != fixed[UP.format(1 - layer)]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"density": (0.5, 3)}, "Ties: parameter 'density' is 3.0; expected a finite number, in (0, 1]"),
        ({"density": (Choice(float("nan"), "norm"),)}, "merging 'model.layers.0.input_layernorm.weight'"),
        ({"density": ("a", "b")}, "'density' is 'a'; expected a number"),
        ({"weight": "much"}, "'weight' is 'much'; expected a number"),
        ({"weight": float("inf")}, "a weight is inf"),
        ({"scale": (0, 1)}, "By tensor it takes weight, density"),
        ({"densty": (0, 1)}, "no parameter 'densty'; did you mean density?"),
        ({"densty": 1}, "no parameter 'densty'"),
        ({"density": 3}, "parameter 'density' is 3"),
    ],
)
def test_a_value_that_the_method_does_not_allow_is_refused_before_any_work(
    family: Any, parameters: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        to_plan(recipe_of(family, "ties", parameters=parameters))
    assert message in str(caught.value)


def test_what_a_method_takes_by_tensor_is_found_by_asking_it() -> None:
    # By their sources: each of these asks its part for the setting.
    asked = {
        Linear(): set(),
        Ties(): {"density"},
        DareTies(): {"density"},
        Sce(): {"density"},
        Slerp(): {"t"},
        Breadcrumbs(): {"density", "gamma"},
        Della(): {"density", "epsilon"},
    }
    for method, names in asked.items():
        assert taken_by_tensor(method) == names


# Slices.


def test_slices_of_passthrough_stack_layers(family: Any, run: Run) -> None:
    one, two = family.tuned[:2]
    pieces = [(one, (0, 2)), (two, (1, 2)), (one, (0, 1))]
    slices = tuple(Slice((Input(model.name, {}, layers),)) for model, layers in pieces)
    plan = to_plan(MergeRecipe("passthrough", slices=slices))
    by_hand = plan_edit(Passthrough(("0[0:2]", "1[1:2]", "0[0:1]")), [one, two])
    assert run(plan) == run(by_hand)
    assert plan.config == by_hand.config
    assert all(step.is_copy for step in plan.steps)


def test_slices_are_merged_layer_by_layer(family: Any, run: Run) -> None:
    base, one, two = family.base, *family.tuned[:2]
    both = [(base, one), (base, two)]
    layers = [(0, 2), (1, 2)]
    slices = tuple(
        Slice(tuple(Input(model.name, {}, place) for model in pair), {"t": 0.2 * (n + 1)})
        for n, (pair, place) in enumerate(zip(both, layers, strict=True))
    )
    plan = to_plan(MergeRecipe("slerp", slices=slices, base=base.name, parameters={"t": 0.9}))
    merged = run(plan)
    assert plan.config["num_hidden_layers"] == count_layers(merged) == 3
    first, second = (run(plan_merge(Slerp(t=t), [m], base)) for t, m in ((0.2, one), (0.4, two)))
    for name, data in merged.items():
        at = address(name)
        if at.layer is not None:
            origin = name.replace("layers.2.", "layers.1.")
            assert data == (second if at.layer == 2 else first)[origin], name
    assert merged["model.embed_tokens.weight"] == first["model.embed_tokens.weight"]
    assert merged["model.norm.weight"] == second["model.norm.weight"]
    # The ends are of other models, so what was tied is not: the head is made of both embeddings.
    assert plan.config["tie_word_embeddings"] is False
    assert merged["lm_head.weight"] == second["model.embed_tokens.weight"]


def test_whole_models_in_one_slice_are_the_models(family: Any, run: Run) -> None:
    plain = recipe_of(family, "ties", parameters={"density": (0.2, 0.6)})
    sources = tuple(Input(name, {}, (0, 2)) for name in plain.names())
    sliced = replace(plain, models=(), slices=(Slice(sources),))
    assert run(to_plan(sliced)) == run(to_plan(plain))


def _sliced(family: Any, *slices: list[tuple[str, tuple[int, int]]]) -> MergeRecipe:
    names = {"base": family.base.name, "one": family.tuned[0].name, "two": family.tuned[1].name}
    pieces = tuple(Slice(tuple(Input(names[n], {}, at) for n, at in piece)) for piece in slices)
    return MergeRecipe("task_arithmetic", slices=pieces, base=family.base.name)


def test_slices_that_do_not_fit_are_refused(family: Any) -> None:
    whole = [("base", (0, 2)), ("one", (0, 2))]
    wrong = {
        "they have 1, 2 sources": [whole, [*whole, ("two", (0, 2))]],
        "slice 2 has 0 sources of the base": [whole, [("one", (0, 2))]],
        "the sources of one have 1, 2 layers": [[("base", (0, 2)), ("one", (0, 1))]],
        "model with 2 layers": [[("base", (0, 3)), ("one", (0, 3))]],
        "names no models": [[("base", (0, 2))]],
    }
    for message, slices in wrong.items():
        with pytest.raises(InvalidParameterError) as caught:
            to_plan(_sliced(family, *slices))
        assert message in str(caught.value)


# Structure edits, adapters, methods of strangers.


def test_an_edit_takes_a_dtype(family: Any, run: Run) -> None:
    one = family.tuned[0]
    plan = to_plan(MergeRecipe("passthrough", (Input(one.name),), dtype="float32"))
    merged = run(plan)
    floats = [name for name, entry in one.entries.items() if entry.dtype.is_float]
    assert all(merged[name] == one.read(name).tobytes() for name in floats)
    assert merged["model.positions"] == one.read_bytes("model.positions")
    assert plan.config["torch_dtype"] == "float32"
    copied = [step.tensor.name for step in plan.steps if step.is_copy and step.tensor.dtype.is_float]
    assert copied == [
        step.tensor.name for step in plan.steps if one.entries[step.tensor.name].dtype.name == "F32"
    ]


def test_an_edit_has_no_base_and_nothing_by_tensor(family: Any) -> None:
    with pytest.raises(InvalidParameterError, match="there is a base"):
        to_plan(recipe_of(family, "passthrough"))
    one = MergeRecipe("passthrough", (Input(family.tuned[0].name, {"weight": 2}),))
    with pytest.raises(InvalidParameterError, match="'weight' depends on the tensor or on the model"):
        to_plan(one)


def test_a_list_is_no_gradient_where_the_parameter_is_one(family: Any, run: Run) -> None:
    models = tuple(Input(model.name) for model in family.tuned[:2])
    recipe = MergeRecipe("passthrough", models, parameters={"slices": ("0[0:1]", "1[1:2]")})
    by_hand = plan_edit(Passthrough(("0[0:1]", "1[1:2]")), family.tuned[:2])
    assert run(to_plan(recipe)) == run(by_hand)


def test_a_name_with_a_plus_is_a_model_with_an_adapter(family: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"opening the checkpoint .*none"):
        open_model(f"{family.base.name}+{tmp_path}/none")
    copied = tmp_path / "a+b"
    shutil.copytree(family.base.folder, copied)
    assert open_model(str(copied)).folder == copied


def test_a_stranger_s_method_is_found_by_its_card(family: Any, tmp_path: Path, run: Run) -> None:
    source = Path(get_merge("linear").card.path)
    card = source.read_text("utf-8").replace('id = "linear"', 'id = "halved"')
    card = card.replace("calculemus.merging.linear:Linear", "halved:Halved").replace("aliases", "# aliases")
    (tmp_path / "halved.toml").write_text(card, "utf-8")
    (tmp_path / "halved.py").write_text(
        "from dataclasses import dataclass\n"
        "from calculemus.merging.base import TensorMerge\n\n\n"
        "@dataclass(frozen=True)\n"
        "class Halved(TensorMerge):\n"
        '    """Half of the first model."""\n\n'
        "    def merge(self, part, found):\n"
        "        return part.inputs[0] / 2\n"
    )
    recipe = MergeRecipe("halved", (Input(family.base.name),), dtype="float32")
    with pytest.raises(InvalidParameterError, match="there is no 'halved'"):
        to_plan(recipe)
    merged = run(to_plan(recipe, tmp_path))
    name = "model.norm.weight"
    assert merged[name] == (family.base.read(name) / 2).tobytes()


def test_models_that_do_not_fit_are_refused_before_any_work(family: Any, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(family.tuned[0].folder, other)
    for index in other.glob("*.index.json"):
        index.unlink()
    shard = min(other.glob("*.safetensors"), key=lambda path: path.stat().st_size)
    recipe = MergeRecipe("linear", (Input(family.base.name), Input(str(shard))))
    with pytest.raises(CheckpointMismatchError, match="tensors missing"):
        to_plan(recipe)


def test_a_tokenizer_needs_a_folder_for_work_files(family: Any) -> None:
    with pytest.raises(InvalidParameterError, match="no folder for work files"):
        to_plan(recipe_of(family, "ties", tokenizer="union"))

"""Plans: what fits, what does not and why, and what the written bytes may depend on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.merging.linear import Linear
from calculemus.merging.plan import plan_merge
from calculemus.merging.task_arithmetic import TaskArithmetic

PLAIN = TaskArithmetic()


def save(folder: Path, config: str = "", **tensors: torch.Tensor) -> Checkpoint:
    folder.mkdir()
    save_file(
        {name.replace("__", "."): tensor for name, tensor in tensors.items()}, folder / "model.safetensors"
    )
    if config:
        (folder / "config.json").write_text(config)
    return Checkpoint.open(folder)


def test_the_users_order_changes_nothing(family: Any) -> None:
    weights = [0.2, 0.3, 0.5]
    plan = plan_merge(TaskArithmetic(), family.tuned, family.base, weights=weights)
    turned = plan_merge(TaskArithmetic(), family.tuned[::-1], family.base, weights=weights[::-1])
    assert turned.digest == plan.digest
    assert turned.steps == plan.steps
    other = plan_merge(TaskArithmetic(), family.tuned[::-1], family.base, weights=weights)
    assert other.digest != plan.digest


def test_settings_by_tensor_and_model_follow_the_users_order(family: Any) -> None:
    def values(name: str, model: int) -> dict[str, float]:
        return {"weight": model + 1.0, "density": 0.1 * model} if "norm" in name else {}

    plan = plan_merge(TaskArithmetic(), family.tuned, family.base, values=values)
    for step in plan.steps:
        for entry, weight, given in zip(step.inputs, step.weights, step.values, strict=False):
            model = next(family.tuned.index(m) for m in family.tuned if entry in m.entries.values())
            expected = (model + 1.0, {"density": 0.1 * model}) if "norm" in step.tensor.name else (1.0, {})
            assert (weight, given) == expected


def test_everything_that_changes_the_bytes_changes_the_digest(family: Any) -> None:
    def plan(method: Any = PLAIN, n: int = 2, **options: Any) -> str:
        return plan_merge(method, family.tuned[:n], family.base, **options).digest

    digests = [
        plan(),
        plan(n=3),
        plan(TaskArithmetic(scale=0.5)),
        plan(weights=[1, 2]),
        plan(seed=1),
        plan(dtype="float32"),
        plan(values=lambda name, model: {"density": 0.5}),
        plan(Linear()),
    ]
    assert len(set(digests)) == len(digests)
    assert plan() == digests[0]


def test_tensors_are_written_in_the_order_of_their_names_and_numbers(family: Any, tmp_path: Path) -> None:
    layers = {f"layers__{n}__w": torch.ones(2) for n in (10, 9, 0, 2)}
    plan = plan_merge(Linear(), [save(tmp_path / "a", **layers)])
    assert [step.tensor.name for step in plan.steps] == [f"layers.{n}.w" for n in (0, 2, 9, 10)]
    one, two = (plan_merge(Linear(), [model]) for model in family.tuned[:2])
    assert [step.tensor.name for step in one.steps] == [step.tensor.name for step in two.steps]


def test_two_models_that_samples_cannot_tell_apart_are_told_apart(tmp_path: Path) -> None:
    models = []
    for name, number in {"a": 1.0, "b": 2.0}.items():
        large = torch.zeros(100_000)
        large[7777] = number  # where no sample is taken
        models.append(save(tmp_path / name, w=large))
    plan = plan_merge(Linear(), models, weights=[1, 2])
    assert plan.parents[0] != plan.parents[1]
    assert plan_merge(Linear(), models[::-1], weights=[2, 1]).digest == plan.digest
    assert plan_merge(Linear(), models[::-1], weights=[1, 2]).digest != plan.digest


def test_the_dtype_is_the_bases_or_the_widest_or_the_one_that_is_wanted(tmp_path: Path) -> None:
    kinds = {"h": torch.float16, "b": torch.bfloat16, "f": torch.float32}
    models = {name: save(tmp_path / name, w=torch.ones(2, dtype=kind)) for name, kind in kinds.items()}

    def dtype(names: str, base: str = "", **options: Any) -> str:
        method = TaskArithmetic() if base else Linear()
        at_base = models[base] if base else None
        return plan_merge(method, [models[n] for n in names], at_base, **options).steps[0].tensor.dtype.name

    assert dtype("b") == "BF16"
    assert dtype("bf") == dtype("fb") == "F32"
    assert dtype("hb") == dtype("bh") == "F32"
    assert dtype("ff", base="b") == "BF16"
    assert dtype("ff", base="b", dtype="float16") == "F16"
    with pytest.raises(InvalidParameterError, match="the dtype is 'int8'; expected one of float64"):
        dtype("b", dtype="int8")


def test_another_dtype_changes_the_configuration(tmp_path: Path) -> None:
    old = save(tmp_path / "old", '{"torch_dtype": "bfloat16"}', w=torch.ones(2))
    new = save(tmp_path / "new", '{"dtype": "bfloat16"}', w=torch.ones(2))
    assert plan_merge(Linear(), [old], dtype="float16").config == {"torch_dtype": "float16"}
    assert plan_merge(Linear(), [new], dtype="float16").config == {"dtype": "float16"}
    assert plan_merge(Linear(), [new]).config == {}


def test_a_number_of_models_that_the_method_does_not_take_is_refused(family: Any) -> None:
    with pytest.raises(InvalidParameterError, match="there is no base; expected the model that the others"):
        plan_merge(TaskArithmetic(), family.tuned)
    with pytest.raises(InvalidParameterError, match="there are 0 models; expected 1 to any number"):
        plan_merge(Linear(), [])
    with pytest.raises(InvalidParameterError, match="there are 2 weights for 3 models"):
        plan_merge(Linear(), family.tuned, weights=[1, 2])


@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_a_weight_that_is_no_number_is_refused(family: Any, weight: float) -> None:
    with pytest.raises(InvalidParameterError, match=r"a weight is (nan|inf); expected finite"):
        plan_merge(Linear(), family.tuned, weights=[1, 2, weight])
    with pytest.raises(InvalidParameterError, match=r"a weight is (nan|inf); expected finite"):
        plan_merge(Linear(), family.tuned, values=lambda name, model: {"weight": weight})


@pytest.mark.parametrize(
    ("name", "shapes", "cause"),
    [
        ("model__embed_tokens__weight", ((5, 2), (8, 2)), "vocabularies differ by 3 rows"),
        ("layers__0__k_proj__weight", ((4, 2), (2, 2)), "key and value heads"),
        ("layers__0__up__weight", ((4, 2), (4, 3)), "different sizes"),
    ],
)
def test_another_shape_names_tensor_shapes_and_cause(
    name: str, shapes: Any, cause: str, tmp_path: Path
) -> None:
    models = [save(tmp_path / str(n), **{name: torch.ones(shape)}) for n, shape in enumerate(shapes)]
    with pytest.raises(CheckpointMismatchError) as raised:
        plan_merge(Linear(), models)
    for part in (name.replace("__", "."), str(shapes[0]), str(shapes[1]), cause):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("more", "cause"),
    [("lm_head__weight", "ties its output layer"), ("lora_A", "adapter"), ("other", "different makes")],
)
def test_a_tensor_that_one_model_lacks_names_it_and_the_cause(more: str, cause: str, tmp_path: Path) -> None:
    one = save(tmp_path / "one", w=torch.ones(2))
    two = save(tmp_path / "two", w=torch.ones(2), **{more: torch.ones(2)})
    for base, model in ((one, two), (two, one)):
        with pytest.raises(CheckpointMismatchError, match=cause) as raised:
            plan_merge(TaskArithmetic(), [model], base)
        assert more.replace("__", ".") in str(raised.value)


def test_quantised_models_are_refused(tmp_path: Path) -> None:
    plain = save(tmp_path / "plain", w=torch.ones(2))
    eight = save(tmp_path / "eight", w=torch.ones(2).to(torch.float8_e4m3fn))
    packed = save(tmp_path / "packed", w=torch.ones(2).to(torch.uint8))
    told = save(tmp_path / "told", '{"quantization_config": {"bits": 4}}', w=torch.ones(2))
    for models in ([eight], [plain, eight], [eight, plain], [plain, packed], [told, plain]):
        with pytest.raises(CheckpointMismatchError, match=r"[Tt]ake the model that it was made from"):
            plan_merge(Linear(), models)

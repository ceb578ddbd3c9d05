"""What mergekit's configurations can say and we cannot do: refused by name."""

from pathlib import Path

import pytest

from calculemus.errors import InvalidParameterError
from calculemus.merging.mergekit_yaml import is_mergekit, read_mergekit

pytest.importorskip("yaml", reason="mergekit's configurations need the extra merge")

REFUSED = {
    "merge_method: ram": "the method is 'ram'; expected one of linear",
    "merge_method: tie": "did you mean ties",
    "models: []": "the method is None",
    "- 1": "found list; expected keys and values",
    "merge_method: linear": "neither of 'models' and 'slices'",
    "merge_method: linear\nmodels: 3": "'models' is 3",
    "merge_method: linear\nmodels: [{model: a}]\nslices: [{sources: []}]": "both of 'models' and 'slices'",
    "merge_method: linear\nmodules: {a: 1}": "there is 'modules'",
    "merge_method: linear\nmodels: [{model: a}]\nchat_template: auto": "there is 'chat_template'",
    "merge_method: linear\nmodls: [{model: a}]": "no key 'modls'; did you mean models?",
    "merge_method: linear\nmodels: [{model: a, wieght: 1}]": "no key 'wieght'",
    "merge_method: linear\nmodels: [{model: 3}]": "a model is 3",
    "merge_method: linear\nmodels: [{model: a@main}]": "the model a@main is of a certain revision",
    "merge_method: linear\nmodels: [{model: {path: a, revision: x}}]": "the model a is of a certain revision",
    "merge_method: linear\nmodels: [{model: a, parameters: {wieght: 1}}]": "no parameter 'wieght'",
    "merge_method: linear\nmodels: [{model: a, parameters: 3}]": "'parameters' is 3",
    "merge_method: linear\nmodels: [{model: a}]": "a has no 'weight' for some tensors",
    "merge_method: linear\nmodels: [{model: a, parameters: {weight: {filter: q, value: 1}}}]": "no 'weight'",
    "merge_method: slerp\nbase_model: b\nmodels: [{model: a}]": "a has no 't' for some tensors",
    "merge_method: linear\nmodels: [{model: a, parameters: {weight: 1}}]\ndtype: 3": "the dtype is 3",
    "merge_method: linear\nmodels: [{model: a, parameters: {weight: 1}}]\ntokenizer: {tokens: {}}": (
        "no key 'tokens'"
    ),
    "merge_method: ties\nbase_model: b\nmodels: [{model: a}]\nparameters: {weight: 1, normalize: false}": (
        "'normalize' of the merge is False; expected True"
    ),
    "merge_method: ties\nbase_model: b\nmodels: [{model: a}]\nparameters: {weight: 1, rescale: true}": (
        "'rescale' of the merge is True; expected False"
    ),
    "merge_method: task_arithmetic\nbase_model: b\nmodels: [{model: a}]\n"
    "parameters: {weight: [0, 1], normalize: true}": "weights depend on the tensor",
    "merge_method: task_arithmetic\nbase_model: b\nmodels: [{model: a}]\n"
    "parameters: {weight: 1, normalize: 3}": "'normalize' is 3",
    "merge_method: multislerp\nbase_model: b\nmodels: [{model: a}]\nparameters: {weight: 1}": (
        "there is a base, b"
    ),
    "merge_method: model_stock\nbase_model: b\nmodels: [{model: a}]\nparameters: {filter_wise: true}": (
        "'filter_wise' of the merge is True"
    ),
    "merge_method: passthrough\nslices: [{sources: [{model: a}]}]": "the 'layer_range' of a is None",
    "merge_method: passthrough\nslices: [{sources: []}]": "a slice has no 'sources'",
    "merge_method: passthrough\nslices: [{sources: [{model: a, layer_range: [0, 1]}], base_model: c}]": (
        "a slice has the base 'c'"
    ),
    "merge_method: passthrough\nslices: [{sources: [{model: a, layer_range: [0, 1]}], residual_weight: 1}]": (
        "there is 'residual_weight'"
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_has_no_counterpart_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(InvalidParameterError) as caught:
        read_mergekit(path)
    assert REFUSED[text] in str(caught.value)
    assert str(caught.value).startswith(f"reading {path}: ")


def test_the_ending_tells_yaml() -> None:
    assert is_mergekit(Path("a.yml"))
    assert is_mergekit(Path("a.YAML"))
    assert not is_mergekit(Path("a.toml"))

"""Files beside the weights may hold anything: what is wrong is named, and nothing breaks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CalculemusError
from calculemus.merging.alignment import Aligned, align_models
from calculemus.merging.preflight import preflight
from calculemus.merging.preflight_costs import Speed

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 9),
    st.floats(allow_nan=False),
    st.sampled_from(["a", "b", "", "BPE"]),
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)
KEYS = [
    "model_type", "quantization_config", "rope_theta", "rope_parameters", "rope_scaling", "text_config",
    "tie_word_embeddings", "vocab_size", "eos_token_id", "head_dim",
]  # fmt: skip
CONFIGS = st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=4)
ROTATIONS = st.fixed_dictionaries(
    {}, optional={"rope_theta": ANYTHING, "rope_type": ANYTHING, "type": ANYTHING}
)
RECORDS = st.fixed_dictionaries({}, optional={"content": ANYTHING, "id": ANYTHING, "special": ANYTHING})
MODELS = st.fixed_dictionaries(
    {"vocab": st.dictionaries(st.sampled_from("abcd"), st.integers(0, 4)) | ANYTHING},
    optional={
        "type": st.sampled_from(["BPE", "WordLevel", "Unigram"]) | ANYTHING,
        "merges": st.lists(st.sampled_from(["a b", "ab", ["a", "b"]])) | ANYTHING,
    },
)
TOKENIZERS = ANYTHING | st.fixed_dictionaries(
    {"model": MODELS}, optional={"added_tokens": st.lists(RECORDS) | ANYTHING, "decoder": ANYTHING}
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    top = tmp_path_factory.mktemp("hostile")
    for name in ("good", "bad"):
        (top / name).mkdir()
        rows = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
        save_file({"model.embed_tokens.weight": rows}, top / name / "model.safetensors")
    table = {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}
    (top / "good" / "tokenizer.json").write_text(json.dumps(table))
    (top / "good" / "config.json").write_text(json.dumps({"rope_theta": 1.0, "model_type": "a"}))
    return top / "good", top / "bad"


@settings(max_examples=150)
@given(CONFIGS | ROTATIONS.map(lambda found: {"rope_parameters": found}), TOKENIZERS, ANYTHING)
def test_whatever_stands_beside_the_weights_is_reported_or_used(
    folders: tuple[Path, Path], config: Any, tokenizer: Any, template: Any
) -> None:
    good, bad = folders
    (bad / "config.json").write_text(json.dumps(config))
    (bad / "tokenizer.json").write_text(json.dumps(tokenizer))
    (bad / "tokenizer_config.json").write_text(json.dumps({"chat_template": template, "eos_token": template}))
    one, other = Checkpoint.open(good), Checkpoint.open(bad)
    for models in ([one, other], [other, one]):
        report = preflight(models, speed=Speed(1, 1))
        assert json.loads(json.dumps(report.record())) == report.record()
    for policy in ("union", "source:good"):
        aligned = align(one, other, policy)
        if isinstance(aligned, str):
            assert "; expected " in aligned
        else:
            assert len({model.entry("model.embed_tokens.weight").shape for model in aligned.models}) == 1


def align(one: Checkpoint, other: Checkpoint, policy: str) -> Aligned | str:
    """Return aligned models, or why they cannot be aligned."""
    try:
        return align_models([one, other], None, policy, other.folder.with_name("work"))
    except CalculemusError as error:
        return str(error)

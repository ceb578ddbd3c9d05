"""What cannot be opened is refused with what was found, what was expected and what to do."""

import json
import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file, save_file

from calculemus.engine.requests import Sample, Sampling
from calculemus.engine.torch_engine import TorchEngine
from calculemus.errors import EngineError, InvalidParameterError


@pytest.fixture
def folder(folder_of, tmp_path) -> Path:
    """A copy of a good checkpoint, to be spoilt."""
    return Path(shutil.copytree(folder_of("llama"), tmp_path / "model"))


def reweigh(folder: Path, change) -> None:
    """Change the tensors of a checkpoint."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def configure(folder: Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def cut(path: Path, n: int) -> None:
    path.write_bytes(path.read_bytes()[:n])


def pickle_weights(folder: Path) -> None:
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def index(folder: Path, content: str) -> None:
    (folder / "model.safetensors.index.json").write_text(content)


WEIGHTS = "model.safetensors"
SPOILERS = {
    "no configuration": (lambda f: (f / "config.json").unlink(), r"no config\.json; expected a Hugging Face"),
    "a configuration that is no JSON": (lambda f: cut(f / "config.json", 40), r"config\.json is not JSON"),
    "a configuration of nothing": (lambda f: (f / "config.json").write_text("{}"), "cannot be loaded"),
    "a configuration that is a list": (lambda f: (f / "config.json").write_text("[1]"), r"config\.json"),
    "an architecture that does not exist": (lambda f: configure(f, model_type="abacus"), "abacus"),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), rf"{WEIGHTS} are not there; expected safetensors"),
    "pickled weights": (pickle_weights, r"not there; .* convert other formats with save_pretrained"),
    "weights cut short": (lambda f: cut(f / WEIGHTS, -100), r"bytes; expected \d+ by its own header"),
    "weights cut in the header": (lambda f: cut(f / WEIGHTS, 100), "no readable header"),
    "weights of no bytes": (lambda f: cut(f / WEIGHTS, 0), "no readable header"),
    "weights that are text": (lambda f: (f / WEIGHTS).write_text("x" * 4000), "no readable header"),
    "a header that is no table": (
        lambda f: (f / WEIGHTS).write_bytes((4).to_bytes(8, "little") + b"[1] "),
        "no readable header",
    ),
    "an index of nothing": (lambda f: index(f, "{}"), "names no shards"),
    "an index that is no JSON": (lambda f: index(f, "{"), "names no shards"),
    "a shard that is missing": (
        lambda f: index(f, '{"weight_map": {"a": "model-1.safetensors"}}'),
        r"model-1\.safetensors are not there",
    ),
    "a tensor that is missing": (
        lambda f: reweigh(f, lambda t: t.pop("model.layers.1.mlp.up_proj.weight")),
        r"1 weights are missing .*'model\.layers\.1\.mlp\.up_proj\.weight'",
    ),
    "a tensor of another shape": (
        lambda f: configure(f, intermediate_size=72),
        "weights are missing or have",
    ),
    "more layers than weights": (lambda f: configure(f, num_hidden_layers=3), "9 weights are missing"),
    "weights that are no numbers": (
        lambda f: reweigh(f, lambda t: t["lm_head.weight"].fill_(float("nan"))),
        "logits are not finite; expected numbers",
    ),
    "no tokenizer": (
        lambda f: [path.unlink() for path in f.glob("tokenizer*")],
        r"there is no tokenizer; expected one of tokenizer\.json",
    ),
    "a tokenizer cut short": (lambda f: cut(f / "tokenizer.json", 200), "its tokenizer cannot be loaded"),
}


@pytest.mark.parametrize("case", SPOILERS)
def test_a_folder_is_refused_that_has(case, folder) -> None:
    spoil, message = SPOILERS[case]
    spoil(folder)
    with pytest.raises(EngineError, match=message) as caught:
        TorchEngine(folder)
    assert str(folder) in str(caught.value)


def test_the_copy_that_was_not_spoilt_opens(folder, open_engine, ask) -> None:
    (completion,) = ask(open_engine(folder), Sample("ab", Sampling(max_tokens=2)))
    assert len(completion.ids) == 2


def test_a_tokenizer_with_more_ids_than_the_model_has_is_refused(folder, make_tokenizer) -> None:
    make_tokenizer(pieces=[f"piece {i}" for i in range(20)]).save_pretrained(folder)
    with pytest.raises(
        EngineError, match=r"ids up to 279 .*embeddings up to 267; expected a tokenizer that belongs"
    ):
        TorchEngine(folder)


def test_a_path_without_a_checkpoint_is_refused(tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    for path, found in (
        (tmp_path / "nowhere", "found nothing there"),
        (str(tmp_path / "nowhere"), "found nothing there"),
        ("./nowhere", "found nothing there"),
        (tmp_path / "notes.txt", "found a file"),
    ):
        with pytest.raises(EngineError, match=rf"{found}; expected a folder with config\.json"):
            TorchEngine(path)
    with pytest.raises(EngineError, match=r"no config\.json"):
        TorchEngine(tmp_path)


def test_the_id_of_a_model_that_cannot_be_fetched_is_refused(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EngineError, match=r"'nobody/no-such-model': it is no folder, and the hub does not"):
        TorchEngine("nobody/no-such-model")


def test_code_that_a_checkpoint_brings_is_never_run(folder) -> None:
    (folder / "modeling_own.py").write_text("raise SystemExit('it ran')\n")
    configure(
        folder,
        model_type="own",
        auto_map={"AutoConfig": "modeling_own.C", "AutoModelForCausalLM": "modeling_own.M"},
    )
    with pytest.raises(EngineError, match="cannot be loaded"):
        TorchEngine(folder)


def test_a_model_that_is_no_decoder_is_refused(tmp_path, tokenizer) -> None:
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=268, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(EngineError, match="cannot be loaded"):
        TorchEngine(tmp_path)


def test_a_module_without_its_tokenizer_or_in_another_dtype_is_refused(reference, tokenizer) -> None:
    model = reference("llama")
    with pytest.raises(EngineError, match="as a module without a tokenizer"):
        TorchEngine(model)
    with pytest.raises(EngineError, match=r"is in float32 on cpu, .* bfloat16"):
        TorchEngine(model, tokenizer=tokenizer, dtype="bfloat16")


SETTINGS = [
    ({"rows": 0}, InvalidParameterError, "'rows' is 0; expected 1 at least"),
    ({"rows": -3}, InvalidParameterError, "'rows' is -3"),
    ({"threads": 0}, InvalidParameterError, "'threads' is 0; expected 1 at least"),
    ({"dtype": "float16"}, InvalidParameterError, "'float16'; expected one of float32, bfloat16"),
    ({"dtype": "int8"}, InvalidParameterError, "'int8'"),
    ({"device": "tpu"}, InvalidParameterError, "'tpu'; expected 'cpu', 'cuda'"),
    ({"device": "cuda:x"}, InvalidParameterError, "'cuda:x'"),
    ({"context": 161}, EngineError, "context of 161 tokens is asked for; expected 2 to 160"),
    ({"context": 1}, EngineError, "context of 1 tokens"),
    ({"context": 0}, EngineError, "context of 0 tokens"),
]


@pytest.mark.parametrize(("given", "error", "message"), SETTINGS)
def test_a_setting_out_of_range_is_refused(given, error, message, folder_of) -> None:
    with pytest.raises(error, match=message):
        TorchEngine(folder_of("llama"), **given)


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:7"])
def test_cuda_that_is_asked_for_and_absent_is_refused_before_anything_is_loaded(
    device, monkeypatch, tmp_path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineError, match=rf"'{device}' is asked for, and .* 0 CUDA devices; .* Use 'cpu'"):
        TorchEngine(tmp_path / "nowhere", device=device)


def test_auto_takes_the_processor_where_there_is_no_cuda(monkeypatch, open_engine, folder_of) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert open_engine(folder_of("llama"), device="auto").capabilities.facts["device"] == "cpu"

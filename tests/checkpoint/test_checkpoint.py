"""Checkpoints: files, folders, shards, the local cache of the hub; and what is no checkpoint."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from calculemus.checkpoint import Checkpoint
from calculemus.checkpoint.fingerprint import fingerprint
from calculemus.checkpoint.folder import others
from calculemus.checkpoint.reading import OpenFile
from calculemus.errors import CheckpointError

INDEX = "model.safetensors.index.json"
TENSORS = {
    "model.embed_tokens.weight": torch.arange(12, dtype=torch.bfloat16).reshape(4, 3),
    "model.norm.weight": torch.tensor([1.5, -2, 3], dtype=torch.float16),
    "model.scale": torch.tensor(0.25, dtype=torch.float64),
    "model.nothing": torch.zeros(0, 3),
    "model.steps": torch.tensor([7, 8]),
}


def write_shards(folder: Path, order: list[list[str]]) -> Path:
    folder.mkdir()
    named = {}
    for number, names in enumerate(order):
        file = f"part-{number}.safetensors"
        save_file({name: TENSORS[name] for name in names}, folder / file)
        named |= dict.fromkeys(names, file)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": named}))
    return folder


@pytest.fixture
def single(tmp_path: Path) -> Path:
    folder = tmp_path / "single"
    folder.mkdir()
    save_file(TENSORS, folder / "model.safetensors")
    (folder / "config.json").write_text('{"tie_word_embeddings": true}')
    return folder


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    names = list(TENSORS)
    return write_shards(tmp_path / "sharded", [names[3:], names[1:3], names[:1]])


def test_every_form_has_the_same_tensors(single: Path, sharded: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    save_file(TENSORS, alone / "weights.safetensors")
    forms = (single, single / "model.safetensors", sharded, sharded / INDEX, alone, str(single))
    for form in forms:
        checkpoint = Checkpoint.open(form)
        assert sorted(checkpoint) == sorted(TENSORS)
        assert checkpoint.n_parameters == sum(tensor.numel() for tensor in TENSORS.values())
        for name, tensor in TENSORS.items():
            if tensor.dtype.is_floating_point:
                assert checkpoint.read(name).dtype == np.float32
                np.testing.assert_array_equal(checkpoint.read(name), tensor.float().numpy())
        assert checkpoint.read_bytes("model.steps") == TENSORS["model.steps"].numpy().tobytes()


def test_what_names_a_checkpoint_does_not_depend_on_its_files(single: Path, sharded: Path) -> None:
    one, other = Checkpoint.open(single), Checkpoint.open(sharded)
    assert one.digest() == other.digest()
    assert fingerprint(one) == fingerprint(other)


def test_what_names_a_checkpoint_changes_with_one_number(tmp_path: Path) -> None:
    names = []
    for number in (0.0, 1.0):
        path = tmp_path / f"{number}.safetensors"
        large = torch.zeros(5000)
        large[4999] = number
        save_file({"a": large}, path)
        names.append((Checkpoint.open(path).digest(), fingerprint(Checkpoint.open(path))))
    assert names[0][0] != names[1][0]
    assert names[0][1] != names[1][1]


def test_the_head_of_a_tied_model_is_its_embeddings(single: Path, sharded: Path) -> None:
    tied = Checkpoint.open(single)
    assert tied.is_tied
    np.testing.assert_array_equal(tied.read("lm_head.weight"), tied.read("model.embed_tokens.weight"))
    untied = Checkpoint.open(sharded)
    assert not untied.is_tied
    with pytest.raises(CheckpointError, match=r"lm_head\.weight"):
        untied.read("lm_head.weight")


def test_a_misspelt_tensor_is_suggested(single: Path) -> None:
    with pytest.raises(CheckpointError, match=r"did you mean model\.norm\.weight"):
        Checkpoint.open(single).read("model.norm.wieght")


def test_integers_are_not_read_as_numbers(single: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds I64; expected floating-point"):
        Checkpoint.open(single).read("model.steps")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def add_snapshot(cache: Path, commit: str, number: float) -> Path:
    snapshot = cache / "models--someone--some-model" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    save_file({"a": torch.tensor(float(number))}, snapshot / "model.safetensors")
    return snapshot


def test_a_hub_id_is_found_in_the_local_cache_at_its_main_revision(cache: Path) -> None:
    add_snapshot(cache, "c0ffee", 1)
    os.utime(add_snapshot(cache, "decade", 2), (2e9, 2e9))
    assert Checkpoint.open("someone/some-model").read("a") == 2  # the newest one
    refs = cache / "models--someone--some-model" / "refs"
    refs.mkdir()
    (refs / "main").write_text("c0ffee\n")
    assert Checkpoint.open("someone/some-model").read("a") == 1


def test_the_cache_is_found_below_the_home_of_the_hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_snapshot(cache, "c0ffee", 1)
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", str(cache.parent))
    assert Checkpoint.open("someone/some-model").read("a") == 1


def test_a_hub_id_that_is_not_in_the_cache_is_not_fetched(cache: Path) -> None:
    with pytest.raises(CheckpointError, match=r"fetch it first: hf download someone/other"):
        Checkpoint.open("someone/other")
    with pytest.raises(CheckpointError, match=r"no such file or folder") as raised:
        Checkpoint.open("/nowhere/at/all")
    assert "hf download" not in str(raised.value)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "consolidated.00.pth", "model.pt", "model.ckpt"])
def test_pickles_are_refused_with_the_way_to_convert_them(name: str, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / name)
    with pytest.raises(CheckpointError, match=r"can run any program.*safe_serialization=True"):
        Checkpoint.open(tmp_path)
    with pytest.raises(CheckpointError, match=r"can run any program.*weights_only=True"):
        Checkpoint.open(tmp_path / name)


def test_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + bytes(60))
    for path in (tmp_path, tmp_path / "model.gguf"):
        with pytest.raises(CheckpointError, match=r"GGUF.*model that (they were|it was) made from"):
            Checkpoint.open(path)


def test_an_empty_folder_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"found no weights; expected model\.safetensors"):
        Checkpoint.open(tmp_path)


def test_several_files_need_an_index(sharded: Path) -> None:
    (sharded / INDEX).unlink()
    with pytest.raises(CheckpointError, match="found 3 safetensors files and no"):
        Checkpoint.open(sharded)


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_an_index_that_does_not_fit_is_an_error(sharded: Path) -> None:
    index = sharded / INDEX
    named = json.loads(index.read_text())["weight_map"]
    cases = {
        "no 'weight_map'": {},
        "files beside the index": {**named, "model.scale": "../part-0.safetensors"},
        "1 of 4 shards are not there": {**named, "model.scale": "part-9.safetensors"},
        "does not have it": {**named, "model.scale": "part-0.safetensors"},
        "names 'model.other'": {**named, "model.other": "part-0.safetensors"},
    }
    for message, table in cases.items():
        rewrite(index, weight_map=table)
        with pytest.raises(CheckpointError, match=message):
            Checkpoint.open(sharded)
    index.write_text("{")
    with pytest.raises(CheckpointError, match="reading the index"):
        Checkpoint.open(sharded)


def test_a_tensor_in_two_shards_is_an_error(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "twice", [["model.scale", "model.steps"], ["model.steps"]])
    with pytest.raises(CheckpointError, match=r"'model\.steps' is in part-0\.safetensors and in part-1"):
        Checkpoint.open(folder)


def test_a_configuration_that_is_no_object_is_an_error(single: Path) -> None:
    for text in ("[]", "{", "\x00"):
        (single / "config.json").write_text(text)
        with pytest.raises(CheckpointError, match=r"config\.json"):
            _ = Checkpoint.open(single).config


def test_a_file_that_shrinks_is_an_error(single: Path) -> None:
    checkpoint = Checkpoint.open(single)
    os.truncate(single / "model.safetensors", checkpoint.entry("model.embed_tokens.weight").start + 3)
    with pytest.raises(CheckpointError, match="became shorter while it was read"):
        checkpoint.read("model.embed_tokens.weight")
    with pytest.raises(CheckpointError, match="became shorter"):
        checkpoint.digest()
    (single / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="No such file"):
        checkpoint.read("model.norm.weight")


def test_bytes_that_come_in_pieces_are_put_together(single: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (single / "model.safetensors").read_bytes()
    read = os.preadv
    monkeypatch.setattr(os, "preadv", lambda file, views, place: read(file, [views[0][:7]], place))
    with OpenFile(single / "model.safetensors") as file:
        assert file.read(3, 100) == whole[3:103]
        assert file.read(5, 0) == b""


def test_only_what_belongs_to_a_model_counts_as_beside_it(single: Path) -> None:
    for name in (
        "tokenizer.json",
        "tokenizer_config.json",
        "notes.txt",
        "private.json",
        "modeling_x.py",
        "run.py",
    ):
        (single / name).write_text("{}")
    found = [path.name for path in others(single)]
    assert found == ["config.json", "modeling_x.py", "tokenizer.json", "tokenizer_config.json"]

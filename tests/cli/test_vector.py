"""``calculemus vector`` and ``calculemus lora``: files that lead from a base to a model and back."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from calculemus import cli
from calculemus.checkpoint import Checkpoint, with_adapter

EMBED, NORM = "model.embed_tokens.weight", "model.norm.weight"
Q, UP = "model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.up_proj.weight"
SHAPES = {EMBED: (10, 8), Q: (8, 8), UP: (12, 8), NORM: (8,)}


def write(folder: Path, seed: int, near: Path | None = None) -> Path:
    """A model in 16 bits, or one near another."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    found = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    if near is not None:
        origin = load_file(near / "model.safetensors")
        found = {name: origin[name] + 0.1 * array for name, array in found.items()}
    save_file({name: array.astype(np.float16) for name, array in found.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    base = write(tmp_path / "base", 1)
    write(tmp_path / "one", 2, base)
    write(tmp_path / "two", 3, base)
    return tmp_path


def extract(name: str, *more: str) -> None:
    assert cli.run(["vector", "extract", name, "--base", "base", "--out", f"{name}.safetensors", *more]) == 0


def test_a_vector_that_was_taken_out_gives_the_model_again_to_the_bit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    extract("one")
    assert "one.safetensors: 0.0 MB in F32; added to the base, it gives the model to the bit" in (
        capsys.readouterr().out
    )
    assert cli.run(["vector", "apply", "base", "one.safetensors", "--out", "again"]) == 0
    assert "again: 1 added in" in capsys.readouterr().out
    assert Checkpoint.open("again").digest() == Checkpoint.open("one").digest()
    assert cli.run(["vector", "apply", "one", "one.safetensors", "--scale", "-1", "--out", "back"]) == 0
    assert Checkpoint.open("back").digest() == Checkpoint.open("base").digest()
    assert capsys.readouterr().err == ""


def test_several_vectors_are_added_by_their_scales(capsys: pytest.CaptureFixture[str]) -> None:
    extract("one")
    extract("two")
    files = ["one.safetensors", "two.safetensors"]
    assert (
        cli.run(["vector", "apply", "base", *files, "--scale", "0.5", "--scale", "-0.25", "--out", "d"]) == 0
    )
    assert cli.run(["vector", "apply", "base", *files, "--scale", "0.5", "--out", "e"]) == 0
    base, one, two = (Checkpoint.open(name) for name in ("base", "one", "two"))
    for folder, weight in (("d", -0.25), ("e", 0.5)):
        for name in SHAPES:
            b = base.read(name).astype(np.float64)
            expected = b + 0.5 * (one.read(name) - b) + weight * (two.read(name) - b)
            np.testing.assert_allclose(Checkpoint.open(folder).read(name), expected, rtol=1e-3, atol=1e-4)
    assert cli.run(["vector", "apply", "two", "one.safetensors", "--out", "f"]) == 0
    assert "one.safetensors was taken from another model than two" in capsys.readouterr().err


def test_a_vector_in_16_bits_says_what_does_not_come_back(capsys: pytest.CaptureFixture[str]) -> None:
    extract("one", "--dtype", "BF16", "--json")
    record = json.loads(capsys.readouterr().out)
    assert 0 < record["n_other"] <= record["n_numbers"] == sum(int(np.prod(s)) for s in SHAPES.values())
    assert 0 < record["largest_error"] < 0.01


def test_info_tells_norms_angles_conflicts_and_what_fits(capsys: pytest.CaptureFixture[str]) -> None:
    extract("one")
    extract("two")
    capsys.readouterr()
    files = ["one.safetensors", "two.safetensors"]
    assert cli.run(["vector", "info", *files, "--target", "base", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    base, one, two = (Checkpoint.open(name) for name in ("base", "one", "two"))
    flat = [np.concatenate([(m.read(n) - base.read(n)).ravel() for n in SHAPES]) for m in (one, two)]
    for found, array in zip(record["vectors"], flat, strict=True):
        assert found["norm"] == pytest.approx(np.linalg.norm(array), rel=1e-5)
        assert set(found["by_layer"]) == {"outside", "0", "1"}
        assert set(found["by_part"]) == {"embed", "q", "up", "norm"}
        assert found["target"] == "base"
    cosine = flat[0] @ flat[1] / np.linalg.norm(flat[0]) / np.linalg.norm(flat[1])
    assert record["cosines"][0][1] == pytest.approx(cosine, abs=1e-6)
    assert record["sign_conflicts"][1][0] == pytest.approx(
        np.mean((flat[0] * flat[1] < 0)[(flat[0] != 0) | (flat[1] != 0)])
    )
    assert cli.run(["vector", "info", *files, "--target", "one"]) == 0
    out = capsys.readouterr().out
    assert "one.safetensors and one: it is the model that the vector leads to" in out
    assert "two.safetensors and one: another model of the same make; the vector fits" in out
    for heading in ("norm by part", "norm by layer", "cosine", "sign conflicts"):
        assert heading in out


def test_bad_files_are_named_and_nothing_is_written(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    assert cli.run(["vector", "apply", "base", "one/model.safetensors", "--out", "d"]) == 2
    assert "it does not say between which models it lies" in capsys.readouterr().err
    (here / "torn.safetensors").write_bytes(b"\xff" * 100)
    assert cli.run(["vector", "info", "torn.safetensors"]) == 2
    assert "torn.safetensors: it announces a header of" in capsys.readouterr().err
    assert cli.run(["vector", "info"]) == 2
    assert "showing task vectors: there are none" in capsys.readouterr().err
    assert cli.run(["vector", "apply", "base", "--out", "d"]) == 2
    assert "there are 0 and 0 scales" in capsys.readouterr().err
    assert cli.run(["vector", "extract", "one", "--base", "base", "--out", "no/v.safetensors"]) == 2
    assert "there is no folder 'no'" in capsys.readouterr().err
    extract("one")
    scales = ["--scale", "1", "--scale", "2"]
    assert cli.run(["vector", "apply", "base", "one.safetensors", *scales, "--out", "d"]) == 2
    assert "there are 1 and 2 scales" in capsys.readouterr().err
    tensors = load_file(here / "two" / "model.safetensors")
    tensors[Q] = tensors[Q][:4]
    save_file(tensors, here / "two" / "model.safetensors")
    assert cli.run(["vector", "apply", "two", "one.safetensors", "--out", "d"]) == 2
    assert "which has the shape (4, 8) there" in capsys.readouterr().err
    assert not (here / "d").exists()


def test_an_adapter_of_full_rank_is_the_model_in_its_linear_layers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tokens = ["lora", "extract", "one", "--base", "base", "--rank", "8", "--out", "lora"]
    assert cli.run(tokens) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if line.startswith("model.layers")]
    assert [row[:3] for row in rows] == [[Q, "100.00", "%"], [UP, "100.00", "%"]]
    assert "are no linear layers (model.embed_tokens.weight, model.norm.weight)" in out
    base, one = Checkpoint.open("base"), Checkpoint.open("one")
    adapted = with_adapter(base, "lora")
    for name in (Q, UP):
        np.testing.assert_allclose(adapted.read(name), one.read(name), atol=1e-5)
    assert cli.run([*tokens[:-1], "other", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["rank"] == 8
    assert 0 < record["kept"] < 1
    assert record["kept"] + record["left_out_energy"] == pytest.approx(1)
    assert cli.run(tokens) == 2
    assert "it holds adapter_model.safetensors" in capsys.readouterr().err


def test_an_adapter_can_be_taken_out_as_a_vector(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["lora", "extract", "one", "--base", "base", "--rank", "2", "--out", "lora"]) == 0
    extract("lora")
    capsys.readouterr()
    assert cli.run(["vector", "info", "lora.safetensors", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["vectors"]
    base = Checkpoint.open("base")
    adapted = with_adapter(base, "lora")
    assert found["by_part"]["q"] == pytest.approx(np.linalg.norm(adapted.read(Q) - base.read(Q)), rel=1e-5)
    assert found["by_part"]["embed"] == 0

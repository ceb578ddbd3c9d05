"""``calculemus check`` and ``calculemus align``: what they print, and the status that they end with."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from calculemus import cli
from calculemus.checkpoint import Checkpoint

EMBED, NORM = "model.embed_tokens.weight", "model.norm.weight"


def write(folder: Path, tokens: str, seed: int, near: float = 0.0) -> Path:
    """A model of a row for each token."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    origin = np.random.default_rng(0).normal(size=(26, 16))
    rows = origin[[ord(token) - ord("a") for token in tokens]] + near * rng.normal(size=(len(tokens), 16))
    tensors = {EMBED: rows.astype(np.float16), NORM: (1 + near * rng.normal(size=16)).astype(np.float16)}
    save_file(tensors, folder / "model.safetensors")
    config = {"tie_word_embeddings": True, "vocab_size": len(tokens)}
    (folder / "config.json").write_text(json.dumps(config))
    vocab = {token: at for at, token in enumerate(tokens)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"type": "WordLevel", "vocab": vocab}}))
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "base", "abcdef", 1)
    write(tmp_path / "good", "abcdef", 2, near=0.1)
    write(tmp_path / "turned", "fedcba", 3, near=0.1)
    return tmp_path


def test_models_that_fit_end_with_status_0_and_the_costs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", "good", "--base", "base"]) == 0
    out = capsys.readouterr().out
    assert "1 model checked: nothing found" in out
    assert "a merge reads 0.00 GB and writes 0.00 GB in one pass" in out


def test_the_command_that_a_fault_names_mends_it(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    assert cli.run(["check", "good", "turned", "--base", "base"]) == 1
    out = capsys.readouterr().out
    assert "error: vocabulary: turned and base: 6 tokens mean other rows, such as row 0: 'f' and 'a'" in out
    assert "2 models checked: 1 error" in out
    (command,) = (line.partition("Run: calculemus ")[2] for line in out.splitlines() if "Run: " in line)
    assert cli.run(command.split()) == 0
    assert "6 rows of embeddings for the 6 tokens of base, 0 of them from there" in capsys.readouterr().out
    aligned, turned = Checkpoint.open("turned-aligned"), load_file(here / "turned" / "model.safetensors")
    np.testing.assert_array_equal(aligned.read(EMBED), turned[EMBED][::-1])
    assert cli.run(["check", "good", "turned-aligned", "--base", "base"]) == 0
    assert sorted(path.name for path in here.iterdir()) == ["base", "good", "turned", "turned-aligned"]


def test_json_has_findings_and_costs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", "turned", "--base", "base", "--out", "merged", "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert record["is_ready"] is False
    assert [finding["severity"] for finding in record["findings"]] == ["error"]
    assert record["costs"]["bytes_written"] == 2 * (6 * 16 + 16)
    assert record["costs"]["bytes_free"] > 0


def damage(folder: Path, data: bytes) -> None:
    (folder / "model.safetensors").write_bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GGUF" + bytes(100),
        b"\x80\x04" + bytes(1000),
        (1 << 62).to_bytes(8, "little"),
        (2).to_bytes(8, "little") + b"{]",
        (2).to_bytes(8, "little") + b"{}" + b"left over",
        b'\x3f\0\0\0\0\0\0\0{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}         \0\0',
    ],
)
def test_a_file_that_cannot_be_read_is_a_finding_beside_the_others(
    data: bytes, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    damage(here / "good", data)
    assert cli.run(["check", "good", "turned", "--base", "base"]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "error: files: reading good/model.safetensors" in captured.out
    assert "error: vocabulary: turned" in captured.out


def test_models_that_are_not_there_or_none_at_all_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", "nothing", "--base", "nowhere"]) == 1
    out = capsys.readouterr().out
    assert "opening the checkpoint nothing" in out
    assert "opening the checkpoint nowhere" in out
    assert cli.run(["check", "--base", "base"]) == 2
    assert "there are none; expected one or more" in capsys.readouterr().err


def test_an_adapter_is_checked_on_its_base(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    (here / "lora").mkdir()
    factors: dict[str, Any] = {
        "base_model.model.model.embed_tokens.lora_embedding_A": np.full((1, 6), 0.1, np.float32),
        "base_model.model.model.embed_tokens.lora_embedding_B": np.ones((16, 1), np.float32),
    }
    save_file(factors, here / "lora" / "adapter_model.safetensors")
    (here / "lora" / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "r": 1, "lora_alpha": 1})
    )
    assert cli.run(["check", "lora", "--base", "base"]) == 0
    assert cli.run(["check", "lora"]) == 1
    assert "is an adapter" in capsys.readouterr().out


def test_a_model_that_cannot_be_aligned_leaves_nothing(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    (here / "turned" / "tokenizer.json").unlink()
    before = sorted(here.iterdir())
    assert cli.run(["align", "turned", "--to", "base", "--out", "new"]) == 2
    assert "there is no tokenizer.json beside its weights" in capsys.readouterr().err
    assert sorted(here.iterdir()) == before

"""``calculemus merge`` that is called wrongly, or that the models do not allow."""

import json
import shutil
from pathlib import Path

import pytest

from calculemus import cli
from calculemus.tiny import MODEL

pytest.importorskip("numba", reason="merging needs the extra merge")


def merge(*tokens: str) -> int:
    return cli.run(["merge", *tokens])


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ((), "requires an argument"),
        (("tis",), "there is no 'tis'; did you mean ties?"),
        (("tis",), "A recipe is a file that ends in .toml, .yml or .yaml"),
        (("adamerging",), "'adamerging' looks at data first"),
        (("none.toml",), "reading the recipe none.toml"),
        (("none.yaml",), "reading none.yaml"),
        (("none.txt",), "its name ends in '.txt'"),
        (("ties",), "requires an argument"),
        (("ties", "--model", "none"), "opening the checkpoint none"),
        (("ties", "--model", "TINY"), "Ties: there is no base"),
        (("ties", "--base", "TINY", "--model", "TINY", "--density", "3"), "'density' is 3.0"),
        (("ties", "--base", "TINY", "--model", "TINY", "--densty", "3"), "--densty"),
        (("ties", "--base", "TINY", "--model", "TINY", "--weight", "1", "--weight", "2"), "2 weights for 1"),
        (("ties", "--base", "TINY", "--model", "TINY", "--dtype", "int4"), "the dtype is 'int4'"),
        (("ties", "--base", "TINY", "--model", "TINY", "--threads", "0"), "--threads"),
        (("ties", "--base", "TINY", "--model", "TINY", "--eval", "none"), "none"),
        (("ties", "--base", "TINY", "--model", "TINY", "--tokenizer", "me"), "me"),
        (("passthrough", "--model", "TINY", "--slices", "0[0:9]"), "0[0:9]"),
    ],
)
def test_a_wrong_call_is_one_line_on_stderr_and_writes_nothing(
    tokens: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert merge(*(token.replace("TINY", str(MODEL)) for token in tokens)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert [line[:6] for line in err.splitlines() if not line.startswith("note: ")] == ["error:"]
    assert list(tmp_path.iterdir()) == []


def test_what_the_check_finds_stops_the_merge_unless_it_is_told_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(MODEL, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "num_attention_heads": 8}))
    call = ["linear", "--model", str(MODEL), "--model", str(other), "--out", str(tmp_path / "m")]
    assert merge(*call) == 2
    assert "the number of heads is 8" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()
    assert merge(*call, "--unchecked") == 0
    assert "note: configuration: the number of heads is 8" in capsys.readouterr().err


def test_a_finished_model_is_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "m"
    assert merge("linear", "--base", str(MODEL), "--model", str(MODEL), "--out", str(out)) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    capsys.readouterr()
    assert merge("ties", "--base", str(MODEL), "--model", str(MODEL), "--out", str(out)) == 2
    assert "it holds model.safetensors; expected a folder without weights" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before

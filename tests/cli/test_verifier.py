"""``calculemus verifier train``, and the verifier that it writes beside a model."""

import json
from pathlib import Path

import pytest

from calculemus import cli

QUICK = ["--n", "2", "--epochs", "0.5", "--problems", "generated:level=1,n=4,split=train,seed=5"]


@pytest.mark.slow
def test_a_verifier_is_trained_told_of_and_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["verifier", "train", "--out", "mine", *QUICK, "--labels", "token"]) == 0
    told = capsys.readouterr().out
    assert "100% of a solution" in told
    assert "mine: on 1 problems that it did not learn from, of 2 samples each" in told
    assert json.loads(Path("mine/recipe.json").read_text("utf-8"))["labels"] == "token"
    asked = ["solve", "1 + 1?", "--solver", "best_of_n:n=2,scorer=value,max_tokens=8", "--model", "tiny+mine"]
    assert cli.run([*asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost"]["tokens_in"] > 0


@pytest.mark.slow
def test_a_model_that_judges_itself_is_trained_with_figures_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "judge"
    asked = ["verifier", "train", "--out", str(out), *QUICK, "--limit", "3", "--labels", "selfeval", "--json"]
    assert cli.run(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["folder"], told["n_problems"], told["n_samples"]) == (str(out), 1, 2)
    assert (out / "model.safetensors").is_file()


def test_a_folder_that_is_not_empty_is_spared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert cli.run(["verifier", "train", "--out", str(tmp_path), *QUICK]) == 2
    assert "is there already; expected a new folder" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_model_of_which_no_copy_can_be_trained_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "v")
    assert cli.run(["verifier", "train", "--out", out, "--model", "http://127.0.0.1:1/v1#m"]) == 2
    assert "it is in no folder of this machine" in capsys.readouterr().err

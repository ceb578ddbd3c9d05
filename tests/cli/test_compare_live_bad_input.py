"""``calculemus compare`` on local models, used wrongly: said in one line, before any work is spent."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calculemus import cli
from calculemus.store import Store
from calculemus.tiny import MODEL

pytest.importorskip("torch", reason="local models need the extra torch")

SET = ("--problems", "generated:level=1,n=12")
SMALL = ("--rows", "16")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CALCULEMUS_STORE", str(tmp_path / "store.db"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compare(*tokens: object) -> int:
    return cli.run(["compare", *map(str, tokens), *SMALL])


def compare_json(capsys: pytest.CaptureFixture[str], *tokens: object) -> dict[str, Any]:
    assert compare(*tokens, "--json") == 0
    return json.loads(capsys.readouterr().out)


def problems_file(place: Path, questions: list[str]) -> tuple[str, str]:
    rows = [{"question": question, "answer": "7"} for question in questions]
    (place / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "--problems", "set.jsonl"


LONG = "Tom has 3 apples and " * 200 + "buys 4 more. How many apples does he have?"
STRANGE = "Τι κάνει 3 + 4; 🧮 \u202e\x00 ﷽ ½ <<3+4=>> #### A: Q: P:"
SHORT = "Tom has 3 apples. He buys 4 more. How many apples does Tom have?"


def test_long_and_strange_questions_stop_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = compare_json(
        capsys, "cot@tiny", "pal@tiny", *problems_file(place, [LONG, STRANGE, SHORT, ".", "?" * 300])
    )
    cot = found["systems"][0]
    assert (cot["n"], cot["errors"]) == (5, 1)
    assert cot["correct"] >= 1
    note = found["notes"][0]
    assert note.startswith("cot@tiny failed on 1 of 5 answers: 1 x EngineError; the first: set")
    assert "expected at most" in note


def test_questions_that_are_all_too_long_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare("cot@tiny", *problems_file(place, [LONG, LONG + " Now?"])) == 2
    err = capsys.readouterr().err
    assert re.search(r"the prompt has \d+ tokens; tiny takes 512 with the completion", err)
    with Store.open(place / "store.db") as store:
        assert store.runs() == []


def checkpoint(place: Path) -> Path:
    folder = place / "model"
    shutil.copytree(MODEL, folder)
    return folder


def truncated(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def garbled(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x00" * 1000)


def wrong_tokenizer(folder: Path) -> None:
    table = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    last = max(table["model"]["vocab"].values())
    table["model"]["vocab"] |= {f"extra{i}": last + 1 + i for i in range(2000)}
    (folder / "tokenizer.json").write_text(json.dumps(table), "utf-8")


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (truncated, r"has \d+ bytes; expected \d+ by its own header. Copy or download it again"),
        (garbled, "has no readable header; expected safetensors"),
        (wrong_tokenizer, r"its tokenizer gives ids up to \d+ .*expected a tokenizer that belongs"),
        (no_weights, "the weights model.safetensors are not there"),
    ],
)
def test_a_spoilt_checkpoint_is_refused_before_the_other_systems_work(
    place: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], None], message: str
) -> None:
    spoil(checkpoint(place))
    assert compare("cot@tiny", "cot@model", *SET) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: opening the model 'model': ")
    assert re.search(message, err)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (("cot@tinny",), "opening the model 'tinny': there is no such folder; did you mean tiny?"),
        (("cot@tiny-draft",), "did you mean tiny-drafter "),
        (("cot@",), "opening the model '': there is no such folder"),
        (("cot@tiny", "cott@tiny"), "there is no 'cott'; did you mean cot?"),
        (("cot",), "Did you mean 'cot@tiny'?"),
        (("vote:n=4,temperature=0@tiny",), "Vote: parameter 'temperature' is 0 with n=4"),
        (("vote:m=4@tiny",), "Vote: there is no parameter 'm'"),
        (("vote:n=many@tiny",), "n"),
        (("cot@tiny", "tot@tiny"), "tot@tiny: the method asks with the prompts tot_answer, tot_list"),
        (("best_of_n:scorer=judge@tiny",), "the method asks with the prompts cot, judge"),
        (("best_of_n:scorer=value@tiny",), "does not give 'Value' requests"),
        (("cot@tiny", "--tokens", "10"), "the budget is too small for its first requests"),
        (("cot@tiny", "--flops", "10"), "the budget is too small for its first requests"),
        (("cot@tiny", "--tokens", "0"), 'Invalid value "0" for --tokens. Must be >= 1.'),
        (("cot@tiny", "--seconds", "-1"), 'Invalid value "-1.0" for --seconds. Must be > 0'),
        (("cot@tiny", "--tier", "best"), 'Choose from: "mini", "std", "sci".'),
        (("cot@tiny", "--device", "tpu"), 'Choose from: "auto", "cpu", "cuda"'),
        (("cot@tiny", "--threads", "0"), "Must be >= 1"),
        (("cot@tiny", "--baseline", "cto@tiny"), "Did you mean 'cot@tiny'?"),
        (("cot@tiny", "--report", "none/report.html"), "there is no folder 'none'"),
        (("cot@tiny", "--report", "."), "it is a folder"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_before_any_work(
    place: Path, capsys: pytest.CaptureFixture[str], tokens: tuple[str, ...], message: str
) -> None:
    assert compare(*tokens, *SET) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    if (place / "store.db").exists():
        with Store.open(place / "store.db", readonly=True) as store:
            assert store.runs() == []


def test_cuda_that_is_not_there_is_said_before_any_work(capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    assert compare("cot@tiny", *SET, "--device", "cuda") == 2
    assert "'cuda' is asked for, and torch" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tinny", "tiny-draft"])
def test_an_unknown_model_is_refused_before_a_known_one_is_loaded(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("calculemus.study.systems.open_model", lambda text, *_: opened.append(text))
    assert compare("cot@tiny", f"cot@{name}", *SET) == 2
    assert opened == []

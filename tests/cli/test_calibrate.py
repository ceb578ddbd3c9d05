"""The command for merges that look at data: what is found is kept, and the merge is made again from it."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from calculemus.checkpoint import Checkpoint
from calculemus.cli import run
from calculemus.tiny.arith_family import ArithRecipe, fresh, tokenizer
from calculemus.tiny.save import save


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A base, two models and a problem set for each, as flags."""
    folder = tmp_path_factory.mktemp("given")
    for seed, name in enumerate(("base", "one", "two")):
        save(fresh(ArithRecipe(d_model=16, n_layers=1, seed=seed)), tokenizer(), folder / name)
    flags = ["--base", str(folder / "base")]
    for name in ("one", "two"):
        rows = [{"id": f"{name}{i}", "question": f"{i} and {name}?", "answer": str(i)} for i in range(16)]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
        flags += ["--model", str(folder / name)]
    return flags


def tasks(given: list[str]) -> list[str]:
    return [part for name in given[3::2] for part in ("--tasks", f"{name}.jsonl")]


REGMEAN = ("calibrate", "regmean:n_inputs=8")


def test_a_merge_that_looked_at_data_is_made_again_without_any(
    given: list[str], tmp_path: Path, capsys: Any
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert run([*REGMEAN, *given, *tasks(given), "--out", str(first), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["accuracy"]) == 2
    assert run([*REGMEAN, *given, "--found", found["found"], "--out", str(second)]) == 0
    assert "what it found lies in" in capsys.readouterr().out
    models = [Checkpoint.open(folder) for folder in (first, second)]
    assert models[0].digest() == models[1].digest()
    assert models[0].digest() not in {Checkpoint.open(given[i]).digest() for i in (1, 3, 5)}
    assert AutoModelForCausalLM.from_pretrained(first).config.num_hidden_layers == 1


@pytest.mark.parametrize("extra", [[], ["--found", "x", "--tasks", "a", "--tasks", "b"]])
def test_either_tasks_or_what_was_found_must_be_given(
    extra: list[str], given: list[str], tmp_path: Path, capsys: Any
) -> None:
    assert run([*REGMEAN, *given, *extra, "--out", str(tmp_path / "o")]) != 0
    assert "expected one of them" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_method_that_looks_at_no_data_belongs_to_merge_and_the_other_way_round(
    given: list[str], tmp_path: Path, capsys: Any
) -> None:
    assert run(["calibrate", "ties", *given, *tasks(given), "--out", str(tmp_path / "o")]) != 0
    assert "Run: calculemus merge ties" in capsys.readouterr().err
    assert run(["merge", "regmean", *given, "--out", str(tmp_path / "o")]) != 0
    assert "Run: calculemus calibrate regmean" in capsys.readouterr().err

"""The command that benches merging methods."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calculemus.cli import mergebench as command
from calculemus.cli import run
from calculemus.tiny import MODEL

RECIPE = {"domains": ["plain", "turned"], "base_steps": 20, "expert_steps": 40, "width": 16, "n_layers": 2}


@pytest.fixture(scope="module", autouse=True)
def small_experts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make the readers of digits small, in a cache of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setitem(command._SOURCES, "digits", {"kind": "digits", "recipe": RECIPE})
        yield


DIGITS = ("mergebench", "--experts", "digits", "--method", "ties", "--method", "slerp")


def test_one_table_has_base_experts_average_tuned_and_methods(capsys: Any) -> None:
    assert run([*DIGITS]) == 0
    shown = capsys.readouterr().out
    for name in (
        "base",
        "expert: plain",
        "expert: turned",
        "uniform average",
        "task_arithmetic, tuned",
        "ties",
    ):
        assert any(line.startswith(name) for line in shown.splitlines()), name
    for column in ("relative, %", "forgotten, points", "peak MB", "MB read", "written"):
        assert column in shown
    assert "not run: slerp" in shown
    assert "it takes 1 beside the base, and there are" in shown


def test_json_says_the_same_to_machines(capsys: Any) -> None:
    assert run([*DIGITS, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found["rows"]][-2:] == ["ties", "slerp"]
    expert = found["rows"][1]
    assert expert["normalised"]["low"] <= expert["normalised"]["value"] <= expert["normalised"]["high"]


def test_a_manifest_is_measured_again(capsys: Any, tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    assert run([*DIGITS, "--out", str(file)]) == 0
    capsys.readouterr()
    assert run(["mergebench", "--again", str(file)]) == 0
    assert "7 of 7 rows are what they were" in capsys.readouterr().out


def test_a_task_too_few_is_refused(capsys: Any) -> None:
    models = ["--model", str(MODEL), "--model", str(MODEL)]
    status = run(["mergebench", "--base", str(MODEL), *models, "--tasks", "generated:level=1,n=8"])
    assert status == 2
    assert "2 experts and 1 tasks" in capsys.readouterr().err


def test_a_misspelt_method_is_refused_before_any_work(capsys: Any) -> None:
    assert run(["mergebench", "--experts", "digits", "--method", "ties:dense=0.5"]) == 2
    assert "dense" in capsys.readouterr().err
    assert run(["mergebench", "--experts", "digits", "--method", "tise"]) == 2
    assert "ties" in capsys.readouterr().err


@pytest.mark.slow
def test_checkpoints_of_ones_own_are_measured_by_their_answers(capsys: Any) -> None:
    """Experts that are the base itself: every merge is the base, and keeps all of its experts."""
    models = ["--model", str(MODEL), "--model", str(MODEL)]
    tasks = ["--tasks", "generated:level=1,n=16", "--tasks", "generated:level=1,n=16,seed=1"]
    given = ["mergebench", "--base", str(MODEL), *models, *tasks, "--method", "ties", "--json"]
    assert run([*given, "--ability", "generated:level=2,n=8"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["normalised"]["value"] for row in rows} == {1.0}
    assert {row["forgetting"]["delta"] for row in rows} == {0.0}
    assert all(accuracy > 0.5 for row in rows for accuracy in row["accuracies"].values())

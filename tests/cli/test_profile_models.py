"""``profile-models``: a file that routes well, and models that join it later."""

from pathlib import Path
from typing import Any

import pytest

from calculemus import cli
from calculemus.problems.problemset import ProblemSet
from calculemus.solving.aptitude import TASK
from calculemus.solving.model_sat_claim import TOPICS, questions, simulated
from calculemus.solving.routing import read_router
from calculemus.study.systems import Live

MODELS = ("trader", "driver", "uncle", "generalist")


def sets_by_topic(name: str, data: Any) -> ProblemSet:
    return ProblemSet(name, tuple(p for p in questions("cli", 240) if p.meta[TASK] == name))


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Live, "engine", lambda self, model: simulated(model))
    monkeypatch.setattr("calculemus.cli.profile_models.load", sets_by_topic)


def tokens(file: Path, models: Any = MODELS, topics: Any = TOPICS, *more: str) -> list[str]:
    sets = [part for topic in topics for part in ("--problems", topic)]
    return ["profile-models", *sets, *(f"--model={m}" for m in models), "--out", str(file), *more]


def test_models_are_tested_and_another_one_joins(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "profiles.json"
    assert cli.run(tokens(file)) == 0
    assert "model_sat:profiles=" in capsys.readouterr().out
    first = read_router(str(file))
    chances = first.chances(TOPICS["travel"].format(a=7, b=9))
    assert max(chances, key=lambda name: chances[name]) == "driver"
    assert cli.run(tokens(file, ("banker",), TOPICS, "--join")) == 0
    second = read_router(str(file))
    assert [profile.engine for profile in second.profiles] == [*MODELS, "banker"]
    assert second.weights == first.weights


def test_what_makes_no_router_is_refused(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "profiles.json"
    assert cli.run(tokens(file, ("trader",))) == 2
    assert "found 6 tasks, 1 models" in capsys.readouterr().err
    assert cli.run(tokens(file, MODELS, TOPICS, "--shots", "40")) == 2
    assert "no problems left to learn from in trade, travel" in capsys.readouterr().err
    assert cli.run(tokens(file)) == 0
    assert cli.run(tokens(file, ("banker",), TOPICS, "--join", "--shots", "10")) == 2
    assert "come from the test" in capsys.readouterr().err

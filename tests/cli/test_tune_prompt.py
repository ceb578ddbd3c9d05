"""``tune-prompt``: both scores of the winner, and a file that ``cot`` asks with."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from calculemus import cli
from calculemus.engine.scripted import ScriptedEngine
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.solving.templates import read_template
from calculemus.study.systems import Live

SET = ProblemSet("sums", tuple(Problem(f"s/{i}", f"{i} + 1?", str(i + 1)) for i in range(30)))


def say(prompt: str, seed: int) -> str:
    """Edit prompts as a writer; as a solver be right on a third of the numbers for each x in the prompt."""
    now = re.search(r"The prompt now: (.*)", prompt)
    if now is not None:
        return f"<prompt>{now[1]} x</prompt>"
    found = re.search(r"Q: (\d+) \+ 1\?\nA: (.*)", prompt)
    assert found is not None
    number = int(found[1])
    return f"#### {number + 1 if number % 3 <= found[2].count('x') - 1 else 0}"


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Live, "engine", lambda self, model: ScriptedEngine(say))
    monkeypatch.setattr("calculemus.cli.tune_prompt.load", lambda name, data: SET)


TOKENS = ["tune-prompt", "--problems", "sums", "--dev", "12", "--test", "15", "--start", "go"]


@pytest.mark.usefixtures("scripted")
def test_it_shows_both_scores_and_writes_the_prompt(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "best.toml"
    tokens = [*TOKENS, "--out", str(file), "--expand", "1", "--beam", "1"]
    assert cli.run(tokens) == 0
    shown = capsys.readouterr().out
    assert re.search(r"first: go +0.0% +0.0%", shown)
    assert re.search(r"best: go x x x +100.0% +100.0%", shown)
    assert "gains +100.0 points" in shown
    assert "4 prompts tried" in shown
    assert read_template(str(file)).fill({"question": "How?"}, False) == "Q: How?\nA: go x x x\n"


@pytest.mark.usefixtures("scripted")
def test_json_has_every_prompt_and_what_it_cost(capsys: Any) -> None:
    assert cli.run([*TOKENS, "--steps", "1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["prompt"], facts["stopped"]) == ("go x", "all 1 rounds are done")
    assert facts["dropped"] == {"known already": 3}
    assert [prompt["parent"] for prompt in facts["prompts"]] == [None, 0]
    assert facts["evaluations"]["paid"] == 2 * (12 + 15)
    assert facts["cost"]["tokens_out"] > 0


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["--dev", "20", "--test", "20"], "splitting 'sums': it has 30 problems; expected 20"),
        (["--out", "/nowhere/x.toml"], "prompt: cannot write '/nowhere/x.toml'"),
        (["--max-words", "0"], "Must be >= 1"),
    ],
)
def test_bad_input_is_refused_before_any_work(tokens, message, capsys: Any) -> None:
    assert cli.run([*TOKENS[:3], *tokens]) == 2
    assert message in capsys.readouterr().err

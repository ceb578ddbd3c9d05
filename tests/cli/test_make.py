"""``calculemus data make`` and the self-check behind ``calculemus data verify``."""

import json
from pathlib import Path

import pytest

from calculemus.cli import run
from calculemus.problems import load
from calculemus.problems.generated import Generated, Spec
from calculemus.problems.generated.variants import vary


def test_make_prints_problems_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "make", "--level", "3", "--n", "5", "--split", "names", "--seed", "4"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    source = Generated(Spec.level(3), "names", 4)
    assert [row["question"] for row in rows] == [source[index].question for index in range(5)]
    assert rows[2]["program"] == source[2].program
    assert rows[2]["meta"]["group"] == source[2].group


def test_what_make_writes_is_loaded_again_as_it_was_generated(tmp_path: Path) -> None:
    path = tmp_path / "made.jsonl"
    axes = ["--digits", "4", "--ops", "add+percent", "--language", "de"]
    assert run(["data", "make", "--level", "2", "--n", "30", "--out", str(path), *axes]) == 0
    generated = load("generated:level=2,n=30,digits=4,ops=add+percent,language=de")
    assert list(load(str(path))) == list(generated)


def test_make_writes_a_variant_of_each_problem_that_has_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "make", "--n", "4", "--variant", "removed_premise"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    source = Generated(Spec.level(2), "iid")
    made = [variant for i in range(20) if (variant := vary(source[i], "removed_premise"))]
    assert [row["question"] for row in rows] == [variant.question for variant in made[:4]]
    assert {row["answer"] for row in rows} == {"None"}


@pytest.mark.parametrize(
    ("tokens", "told"),
    [
        (["--level", "9"], "'level' is 9"),
        (["--split", "test"], "'split' is 'test'"),
        (["--steps", "many"], "'steps' is 'many'"),
        (["--variant", "typo"], "'kind' is 'typo'"),
        (["--language", "de", "--level", "8"], "'wording' is 'rich'"),
    ],
)
def test_a_wrong_setting_is_one_message_and_leaves_no_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tokens: list[str], told: str
) -> None:
    assert run(["data", "make", "--out", str(tmp_path / "x.jsonl"), *tokens]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_verify_checks_generated_items_against_what_they_were_made_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["data", "verify", "generated:level=5,n=40", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["is_sound"] is True
    assert report["facts"]["checks"]["annotations"] == 5 * report["facts"]["checks"]["problems"] == 200
    assert run(["data", "verify", "generated:level=0"]) == 2


def test_show_prints_generated_problems(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "show", "generated:level=1,n=9", "--n", "2", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [row["question"] for row in shown] == [p.question for p in load("generated:level=1,n=2")]

"""``calculemus describe`` as a user meets it."""

import json

from calculemus import cli
from calculemus.solving import get_solver, list_solvers
from calculemus.solving.blueprint_cases import CASES


def out(capsys, *tokens: str) -> str:
    assert cli.run(["describe", *tokens]) == 0
    return capsys.readouterr().out


def test_all_solvers_are_described_by_what_their_classes_declare(capsys) -> None:
    rows = json.loads(out(capsys, "--json"))
    assert [row["solver"] for row in rows] == [card.id for card in list_solvers()]
    for row in rows:
        scheme = get_solver(row["solver"]).scheme
        assert (row["structure"], row["strategy"]) == (scheme.structure, scheme.strategy)
    assert "self-evaluation" in out(capsys)


def test_one_solver_is_described_alone(capsys) -> None:
    lines = out(capsys, "qalign").splitlines()
    assert len(lines) == 3
    assert lines[-1].split()[:3] == ["qalign", "chain", "mcmc"]


def test_the_blueprint_is_described_with_its_cases(capsys) -> None:
    told = json.loads(out(capsys, "blueprint", "--json"))
    assert [row["case"] for row in told["cases"]] == list(CASES)
    text = out(capsys, "blueprint")
    assert "x1 (2501.11223): scorer=value,strategy=mcts" in text
    assert "differs: a step a request" in text


def test_a_solver_that_is_not_there_is_named_with_those_that_are_near(capsys) -> None:
    assert cli.run(["describe", "qaling"]) == 2
    assert "there is no 'qaling'; did you mean qalign?" in capsys.readouterr().err

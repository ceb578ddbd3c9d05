"""``list``, ``show`` of a method, and ``claim``: from the command line to what they print."""

import json
from pathlib import Path

import pytest

from calculemus.catalog import claim_path, read_catalog
from calculemus.cli import run

PLANNED = next(card.id for card in read_catalog() if not card.entry)
UNCLAIMED = next(card.id for card in read_catalog() if claim_path(card) is None)
CARD = (Path(__file__).parents[1] / "test_card.py").read_text("utf-8").partition('GOOD = """')[2]
CARD = CARD.partition('"""')[0]
CLAIM = """
from calculemus.claim import Claim, Contrast, Measured
MORE = Contrast("beads against fingers", "fingers", "beads", metric="share of right sums")


def measure(arm, contrast, lab):
    return Measured({f"sum {i}": tuple(float(arm == "beads") for _ in lab.seeds) for i in range(20)})


CLAIM = Claim((MORE,), MORE.without_treatment(), measure)
"""


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CALCULEMUS_STORE", str(tmp_path / "store.db"))
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "abacus.toml").write_text(CARD, "utf-8")
    (folder / "abacus.py").write_text("class Abacus:\n    pass\n")
    (folder / "abacus_claim.py").write_text(CLAIM)
    return folder


def out(capsys, *tokens) -> str:
    assert run([str(token) for token in tokens]) == 0
    return capsys.readouterr().out


def test_the_list_has_every_system_and_every_baseline(mine, capsys) -> None:
    rows = json.loads(out(capsys, "list", "--json"))
    assert sum(row["is_system"] for row in rows) == 144
    by_id = {row["id"]: row for row in rows}
    assert by_id[PLANNED]["status"] == "planned"
    assert by_id["adamerging"]["status"] != "planned"
    assert by_id["pal"]["room"] == "solving"
    assert {"id", "room", "title", "status"} <= set(rows[0])
    assert f"144 systems and {len(rows) - 144} baselines" in out(capsys, "list")


def test_the_list_can_be_narrowed(mine, capsys) -> None:
    everything = json.loads(out(capsys, "list", "--json"))
    for flag, wanted in (("--room", "proving"), ("--status", "planned")):
        rows = json.loads(out(capsys, "list", flag, wanted, "--json"))
        assert rows == [row for row in everything if row[flag[2:]] == wanted]
    (pal,) = json.loads(out(capsys, "list", "--paper", "2211.10435", "--json"))
    assert pal["id"] == "pal"
    built = json.loads(out(capsys, "list", "--status", "built", "--json"))
    assert {row["id"] for row in built} == {r["id"] for r in everything if r["status"] != "planned"}


def test_a_strangers_method_is_listed_and_shown(mine, capsys) -> None:
    rows = json.loads(out(capsys, "list", "--path", mine, "--json"))
    assert next(row for row in rows if row["id"] == "abacus")["status"] == "built"
    text = out(capsys, "show", "abacus", "--path", mine)
    assert "Moves beads. Never tires." in text
    assert str(mine / "abacus_claim.py") in text
    record = json.loads(out(capsys, "show", "abacus", "--path", mine, "--json"))
    assert record["claim"]["metric"] == "accuracy"
    assert record["paths"]["code"] == str(mine / "abacus.py")
    assert record["paths"]["test"] is None


def test_show_names_the_four_files_of_a_method(mine, capsys) -> None:
    record = json.loads(out(capsys, "show", "vote", "--json"))
    names = {what: Path(path).name for what, path in record["paths"].items()}
    assert names == {
        "card": "vote.toml",
        "code": "vote.py",
        "claim file": "vote_claim.py",
        "test": "test_vote.py",
    }
    assert len(record["similar"]) == 5
    assert "weighted_vote" in record["similar"]


def test_broken_cards_are_noted_and_the_rest_is_listed(mine, capsys) -> None:
    (mine / "torn.toml").write_text("id = ")
    assert run(["list", "--path", str(mine)]) == 0
    captured = capsys.readouterr()
    assert "abacus" in captured.out
    assert "note: reading the card" in captured.err
    assert "torn.toml" in captured.err


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["list", "--room", "kitchen"], "there is no room 'kitchen'; expected one of solving"),
        (["list", "--status", "plant"], "there is no status 'plant'; did you mean planned?"),
        (["list", "--path", "/nowhere/at/all"], "found nothing at /nowhere/at/all"),
        (["claim"], "no method is given"),
        (["claim", "vote", "--all"], "both ids and --all are given"),
        (["claim", "vot"], "the catalog has none of that name; did you mean vote"),
        (["claim", UNCLAIMED], "there is none; expected"),
        (["claim", "vote", "--size", "real"], "no problems are given"),
        (["claim", "vote", "--size", "huge"], "huge"),
        (["claim", "vote", "--seeds", "0"], "seeds"),
    ],
)
def test_bad_input_is_named(mine, capsys, tokens, message) -> None:
    assert run(tokens) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_what_is_neither_method_nor_run_gets_both_hints(mine, capsys) -> None:
    assert run(["claim", "abacus", "--path", str(mine)]) == 0
    assert run(["show", "vot"]) == 2
    error = capsys.readouterr().err
    assert "looking for the run 'vot'" in error
    assert "Of methods, did you mean vote" in error


def test_a_claim_is_run_kept_and_shown(mine, capsys, tmp_path) -> None:
    text = out(capsys, "claim", "abacus", "--path", mine, "--seeds", 2, "--out", tmp_path / "claims.md")
    assert "abacus: HOLDS" in text
    assert "beads against fingers (share of right sums)" in text
    assert "control: fingers against itself" in text
    assert "20 x 2 seeds" in text
    assert "**holds**" in (tmp_path / "claims.md").read_text("utf-8")
    (row,) = [r for r in json.loads(out(capsys, "list", "--path", mine, "--json")) if r["id"] == "abacus"]
    assert row["status"] == "claim holds"
    assert row["measured"]["size"] == "small"
    assert "holds: beads 1 against fingers 0" in out(capsys, "show", "abacus", "--path", mine)


def test_a_file_for_results_that_is_none_is_named_before_anything_runs(mine, capsys, tmp_path) -> None:
    (tmp_path / "notes.md").write_text("# Notes\n")
    assert run(["claim", "abacus", "--path", str(mine), "--out", str(tmp_path / "notes.md")]) == 2
    shown = capsys.readouterr()
    assert "there is something else in it" in " ".join(shown.err.split())
    assert "abacus: HOLDS" not in shown.out


def test_a_claim_may_name_a_solver_of_the_same_folder(mine, capsys) -> None:
    (mine / "abacus.py").write_text(
        "from dataclasses import dataclass\nfrom calculemus.solving.cot import Cot\n\n\n"
        "@dataclass(frozen=True)\nclass Abacus(Cot):\n    pass\n"
    )
    (mine / "abacus_claim.py").write_text(
        "from calculemus.claim import Claim, Contrast\n"
        "from calculemus.engine.scripted import ScriptedEngine\n"
        "c = Contrast('beads', 'cot:shots=0', 'abacus:shots=0')\n\n\n"
        "def measure(arm, contrast, lab):\n"
        "    problems = lab.problems(smoke='generated:level=1,n=4', small='generated:level=1,n=4')\n"
        "    return lab.solve(arm, problems, engine=ScriptedEngine('#### 1'))\n\n\n"
        "CLAIM = Claim((c,), c.without_treatment(), measure)\n"
    )
    (record,) = json.loads(out(capsys, "claim", "abacus", "--path", mine, "--size", "smoke", "--json"))
    assert record["effects"][0]["treatment"] == "abacus:shots=0"
    assert record["effects"][0]["n"] == 4


def test_two_runs_of_a_claim_print_the_same_json(mine, capsys) -> None:
    first, second = (out(capsys, "claim", "abacus", "--path", mine, "--json") for _ in range(2))
    assert first == second
    (record,) = json.loads(first)
    assert record["effects"][0]["delta"] == 1
    assert record["control"]["verdict"] == "undecided"
    assert {"commit", "versions", "machine", "date"} <= set(record)

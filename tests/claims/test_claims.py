"""Claims, run: the same figures every time, nothing paid for twice, controls that stay undecided."""

import json
from pathlib import Path

import pytest

from calculemus.catalog import claim_path, load_claim, read_catalog
from calculemus.claims import history, result
from calculemus.claims.history import newest, read_results
from calculemus.claims.lab import StudyLab
from calculemus.claims.run import run_claim
from calculemus.claims.status import entries
from calculemus.claims.writing import check_results, write_results
from calculemus.engine.judged import JudgedEngine
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import CardError, ClaimError, OutputError
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.store import Store

CATALOG = read_catalog()
IDS = [card.id for card in CATALOG if claim_path(card)]
IN_FAMILIES = ("evo_merge", "layer_swap", "portllm", "reasoning_vector")  # their arms are trained
SUMS = ProblemSet("sums", tuple(Problem(f"s{i}", f"{i} + {i}?", str(2 * i)) for i in range(10)))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Store.open(tmp_path_factory.mktemp("claims") / "store.db") as opened:
        yield opened


def figures(record):
    """Return a record without what changes from day to day, and from run to run: dates and seconds."""
    if isinstance(record, list):
        return [figures(part) for part in record]
    if not isinstance(record, dict):
        return record
    kept = {name: value for name, value in record.items() if name not in ("date", "commit")}
    return {name: figures(value) for name, value in kept.items() if not name.startswith("seconds_")}


@pytest.mark.slow
@pytest.mark.parametrize("name", IDS)
def test_a_smoke_claim_runs_twice_alike_and_its_control_is_undecided(store, name) -> None:
    with StudyLab(store, "smoke") as lab:
        first = result.result_record(run_claim(CATALOG.get(name), lab))
    n_runs = len(store.runs())
    with StudyLab(store, "smoke") as lab:
        again = result.result_record(run_claim(CATALOG.get(name), lab))
    assert figures(first) == figures(again)
    assert len(store.runs()) == n_runs
    assert first["control"]["verdict"] == "undecided"
    assert first["effects"]
    assert all(effect["n"] > 1 for effect in first["effects"])
    assert name not in IN_FAMILIES or {effect["n"] for effect in first["effects"]} == {2}
    json.dumps(first)


def test_solving_gives_a_figure_of_each_problem_for_each_seed(store) -> None:
    engine = ScriptedEngine(lambda prompt, seed: "#### 8", name="eight")
    with StudyLab(store, "smoke", seeds=(0, 1)) as lab:
        measured = lab.solve("cot", SUMS, engine=engine)
        tokens = lab.solve("cot", SUMS, engine=engine, metric=lambda correct, cost: cost.tokens_out or 0)
    assert measured.outcomes == {f"s{i}": (float(i == 4),) * 2 for i in range(10)}
    assert set(tokens.outcomes.values()) == {(2.0, 2.0)}
    assert measured.cost.tokens_out == 2 * 2 * len(SUMS)


def test_a_real_claim_needs_problems(store) -> None:
    with pytest.raises(ClaimError, match="no problems are given"):
        StudyLab(store, "real")
    with StudyLab(store, "real", problems_name="generated:level=1,n=5") as lab:
        assert len(lab.problems(smoke="a", small="b")) == 5


def add_stranger(folder: Path, claim: str):
    """Write a method of a stranger with a claim, and return its card."""
    text = (Path(__file__).parents[1] / "test_card.py").read_text("utf-8").partition('GOOD = """')[2]
    (folder / "abacus.toml").write_text(text.partition('"""')[0], "utf-8")
    (folder / "abacus_claim.py").write_text(claim)
    return read_catalog(folder).get("abacus")


def test_a_judge_gives_the_values_and_the_engine_the_rest(store) -> None:
    chains = ScriptedEngine(lambda prompt, seed: f"#### {seed % 10}", name="digits")
    judged = JudgedEngine(chains, lambda text: float(text.endswith("4")), "fours")
    with StudyLab(store, "smoke") as lab:
        best = lab.solve("best_of_n:n=40,scorer=value,shots=0", SUMS, engine=judged)
    assert best.outcomes["s2"] == (1.0,)
    assert sum(value for (value,) in best.outcomes.values()) == 1.0
    assert judged.digest != JudgedEngine(chains, lambda text: 0.0, "none").digest
    assert "Value" in judged.capabilities.kinds


def record(name="vote", verdict="holds", size="small", date="2026-01-01"):
    effect = {"baseline": "a", "treatment": "b", "baseline_figure": 0.1, "treatment_figure": 0.2}
    effect |= {
        "delta": 0.1,
        "low": 0.0,
        "high": 0.2,
        "n": 3,
        "name": "b|a",
        "metric": "m",
        "verdict": verdict,
    }
    return {"id": name, "verdict": verdict, "size": size, "date": date, "version": "1", "model": "tiny"} | {
        "effects": [effect],
        "control": effect,
        "shows": "S.",
        "does_not_show": "N.",
        "machine": "here",
    }


def test_the_result_that_counts_is_the_newest_that_is_no_smoke_test() -> None:
    old, new = record(date="2026-01-01"), record(date="2026-02-01", verdict="undecided")
    smoke = record(date="2026-03-01", size="smoke")
    assert newest([old, new, smoke])["vote"] == new
    assert newest([smoke, old])["vote"] == old
    assert newest([smoke])["vote"] == smoke


def test_status_is_computed_from_code_and_results(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(history, "MEASURED", tmp_path / "measured.json")
    path = tmp_path / "store.db"
    with Store.open(path) as opened:
        assert opened.claims() == []
        assert read_results(opened) == {}
    found = {entry.card.id: entry for entry in entries(CATALOG, path)}
    planned = next(card.id for card in CATALOG if not card.entry)
    assert (found["vote"].status, found[planned].status) == ("built", "planned")
    with Store.open(path) as opened:
        opened.add_claim("vote", record(verdict="does not hold"))
        opened.add_claim("pal", record("pal", "holds"))
    write_results(
        history.MEASURED, [record("cot", "undecided"), record("pal", "undecided", date="2025-01-01")]
    )
    found = {entry.card.id: entry for entry in entries(CATALOG, path)}
    statuses = [found[name].status for name in ("vote", "pal", "cot", "tir")]
    assert statuses == ["claim does not hold", "claim holds", "undecided", "built"]
    assert found["pal"].record()["measured"] == {"version": "1", "date": "2026-01-01", "size": "small"}
    assert found["tir"].record()["measured"] is None


def test_results_are_written_for_people_too(tmp_path) -> None:
    write_results(tmp_path / "claims.md", [record()])
    text = (tmp_path / "claims.md").read_text("utf-8")
    assert "| `vote` | b\\|a (m) |" in text
    assert "**holds**" in text


@pytest.mark.parametrize("ending", ["json", "md"])
def test_results_are_added_to_those_that_a_file_has(tmp_path, ending) -> None:
    every = [record("cot"), record("pal", "holds"), record("vote", "undecided")]
    write_results(tmp_path / f"whole.{ending}", every)
    path = tmp_path / f"parts.{ending}"
    write_results(path, [record("vote", "undecided"), record("pal", "does not hold")])
    for one in (record("cot"), record("pal", "holds"), record("vote", "undecided")):
        write_results(path, [one])
    assert path.read_bytes() == (tmp_path / f"whole.{ending}").read_bytes()


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.json", '{"id": 1}'), ("a.json", "[3]"), ("a.json", "[{}]"), ("a.json", "no"), ("a.md", "# Mine\n")],
)
def test_a_file_with_something_else_in_it_is_left_alone(tmp_path, name, text) -> None:
    path = tmp_path / name
    path.write_text(text)
    for refuse in (check_results, lambda path: write_results(path, [record()])):
        with pytest.raises(OutputError, match="there is something else in it"):
            refuse(path)
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        ("", ClaimError, "has no CLAIM"),
        ("CLAIM = 3", ClaimError, "a CLAIM of type int"),
        ("import nowhere_at_all", CardError, "nowhere_at_all"),
        ("from calculemus.claim import *\nCLAIM = Claim((), None, None)", CardError, "its contrasts are"),
        (
            "from calculemus.claim import *\nc = Contrast('c', 'a', 'b')\n"
            "CLAIM = Claim((c,), control=c.without_treatment(), measure=lambda arm, contrast, lab: 3)",
            ClaimError,
            "found int; expected Measured",
        ),
    ],
)
def test_a_claim_that_is_none_is_named(tmp_path, store, code, error, message) -> None:
    card = add_stranger(tmp_path, code)
    with StudyLab(store, "smoke") as lab, pytest.raises(error, match=message):
        run_claim(card, lab)


def test_arms_are_measured_once_and_the_control_with_other_seeds(tmp_path, store) -> None:
    card = add_stranger(
        tmp_path,
        "from calculemus.claim import *\nASKED = []\nc = Contrast('c', 'a', 'b')\n"
        "def measure(arm, contrast, lab):\n    ASKED.append((arm, lab.seeds))\n"
        "    return Measured({str(i): tuple(float(arm == 'b') for _ in lab.seeds) for i in range(9)})\n"
        "CLAIM = Claim((c, Contrast('again', 'a', 'b', 'lower')), c.without_treatment(), measure)\n",
    )
    with StudyLab(store, "smoke", seeds=(0, 1)) as lab:
        outcome = run_claim(card, lab)
    asked = load_claim(card).ASKED
    assert asked[:2] == [("a", (0, 1)), ("b", (0, 1))]
    assert len(asked) == 3
    assert asked[2][0] == "a"
    assert not set(asked[2][1]) & {0, 1}
    assert [effect.verdict for effect in outcome.effects] == ["holds", "does not hold"]
    assert (outcome.verdict, outcome.is_valid) == ("holds", True)


def test_a_control_that_comes_out_decided_leaves_the_claim_undecided(tmp_path, store) -> None:
    card = add_stranger(
        tmp_path,
        "from calculemus.claim import *\nc = Contrast('c', 'a', 'b')\n"
        "def measure(arm, contrast, lab):\n"
        "    return Measured({str(i): (float(arm == 'b'),) for i in range(9)})\n"
        "CLAIM = Claim((c,), c, measure)\n",
    )
    with StudyLab(store, "smoke") as lab:
        outcome = run_claim(card, lab)
    assert (outcome.effects[0].verdict, outcome.verdict, outcome.is_valid) == ("holds", "undecided", False)

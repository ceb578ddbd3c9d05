"""``calculemus compare`` on the model that ships: tables, budgets, reports, dry runs."""

import json
import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from calculemus import cli
from calculemus.errors import StoreError
from calculemus.store import Store

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


def test_systems_on_the_shipped_model_have_accuracies_costs_and_a_front(
    capsys: pytest.CaptureFixture[str], place: Path
) -> None:
    found = compare_json(capsys, "cot@tiny", "pal@tiny", "vote:n=2@tiny", *SET)
    cot, pal, vote = found["systems"]
    assert [system["n"] for system in found["systems"]] == [12] * 3
    # Problems of one step: the model solves nearly all of them.
    assert cot["correct"] >= 9
    assert pal["correct"] >= 9
    assert vote["cost"]["tokens_out"] > cot["cost"]["tokens_out"] > 0
    assert vote["cost"]["flops"] > cot["cost"]["flops"] > 1e6
    assert vote["cost"]["tokens_cached"] > 0
    assert pal["cost"]["seconds_sandbox"] > 0
    assert any(system["on_front"] for system in found["systems"])
    again = compare_json(capsys, "cot@tiny", "pal@tiny", "vote:n=2@tiny", *SET)
    assert again == found  # costs and seconds, too: nothing was asked again


@pytest.mark.parametrize("width", [80, 120])
def test_the_tables_fit_the_terminal_and_cut_no_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    systems = ("cot@tiny", "pal@tiny", "best_of_n:n=3,temperature=0.7@tiny")
    assert compare(*systems, *SET) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    assert "…" not in out
    for system in systems:
        # Once beside or above its accuracy, once beside or above its cost.
        tables = out.partition("Intervals are")[0].splitlines()
        assert len([line for line in tables if line.startswith(system)]) == 2
    assert re.search(r"tokens\s+tokens\s+tokens\s+tokens\s+engine\s+sandbox\s+front over", out)


def test_the_order_of_the_systems_changes_no_answer_and_no_count(capsys: pytest.CaptureFixture[str]) -> None:
    counted = ("tokens_in", "tokens_cached", "tokens_out", "tokens_discarded", "flops")
    lines: dict[str, list[Any]] = {"cot@tiny": [], "vote:n=2@tiny": []}
    for number, order in enumerate((list(lines), list(lines)[::-1])):
        found = compare_json(capsys, *order, *SET, "--store", f"{number}.db")
        for system in found["systems"]:
            lines[system["name"]].append((system["correct"], [system["cost"][name] for name in counted]))
    for first, second in lines.values():
        assert first == second


def test_the_seed_and_the_number_of_samples_reach_the_methods(capsys: pytest.CaptureFixture[str]) -> None:
    tokens = ("vote:n=1,temperature=1.5@tiny", *SET)
    one, other = (compare_json(capsys, *tokens, "--seed", seed)["systems"][0] for seed in (1, 2))
    assert one["cost"]["tokens_out"] != other["cost"]["tokens_out"]
    assert compare_json(capsys, *tokens, "--samples", 3)["systems"][0]["n_samples"] == 36


def test_a_budget_bounds_what_a_problem_takes(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    found = compare_json(capsys, "vote:n=8,early_stop=true,max_tokens=64@tiny", *SET, "--tokens", 320)
    assert found["systems"][0]["correct"] > 0
    with Store.open(place / "store.db", readonly=True) as store:
        (run,) = store.runs()
        costs = [row.solution.cost for row in store.rows(run)]
    assert len(costs) == 12
    assert all((cost.tokens_out or 0) + (cost.tokens_discarded or 0) <= 320 for cost in costs)


def test_a_report_of_live_systems_has_their_traces_and_prompts(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare("pal@tiny", *SET, "--report", "report.html") == 0
    from calculemus.report.embed import unpack

    page = (place / "report.html").read_text("utf-8")
    (chunk,) = re.findall(r'class="text" data-start="0">([^<]+)<', page)
    rows = unpack(chunk)
    assert len(rows) == 12
    for question, _, _, [[sample]], (prompt,) in rows:
        assert prompt == f"Q: {question}\nP:"
        code, output = sample[4]["trace"]
        assert code[1].strip().startswith("def solution():")
        assert output[3]["tier"] == "mini"


def test_a_stored_problem_is_shown_with_its_program_and_what_it_returned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert compare("pal@tiny", *SET) == 0
    assert cli.run(["show", "pal@tiny", "--json", "--limit", "1"]) == 0
    text = capsys.readouterr().out
    (row,) = json.loads(text[text.index("{") :])["page"]
    assert cli.run(["show", "pal@tiny", "--problem", row["problem_id"]]) == 0
    out = capsys.readouterr().out
    assert "[0] code\ndef solution():" in out
    assert f"[1] output after 0\n{row['response']}\n" in out


def test_a_dry_run_prices_without_a_store_and_bounds_what_is_then_spent(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = ("cot:max_tokens=90@tiny", "vote:n=3@tiny", *SET)
    priced = compare_json(capsys, *tokens, "--dry-run")
    assert not (place / "store.db").exists()
    spent = compare_json(capsys, *tokens)["systems"]
    for line, system in zip(priced["systems"], spent, strict=True):
        assert line["answers"] == 12
        assert 0 < 12 * system["cost"]["tokens_out"] <= line["tokens_out"]
        assert 0 < 12 * system["cost"]["flops"] <= line["flops"]
        assert 12 * system["cost"]["tokens_in"] >= line["tokens_in"] > 0
    assert [line["samples"] for line in priced["systems"]] == [12, 36]
    after = compare_json(capsys, *tokens, "--dry-run")
    assert [(line["answers"], line["stored"]) for line in after["systems"]] == [(0, 12), (0, 12)]
    assert (after["total"]["flops"], after["total"]["tokens_out"]) == (0, 0)


def test_the_table_of_a_dry_run_fits_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert compare("pal@tiny", "vote:n=40,temperature=0.7,shots=0@tiny", *SET, "--dry-run") == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert out.startswith("generated:level=1,n=12: 12 problems; a dry run, nothing was asked")
    text = " ".join(out.split())
    assert "vote:n=40,temperature=0.7,shots=0@tiny 12 12 480 0 " in text
    assert " all 24 24 492 12 " in text
    assert "Tokens out and FLOP are upper bounds" in text


def test_programs_stay_on_the_tier_that_is_allowed(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    found = compare_json(capsys, "pal@tiny", *SET, "--tier", "mini")
    with Store.open(place / "store.db", readonly=True) as store:
        (run,) = store.runs()
        assert run.spec["sandbox"] == ["mini"]
        tiers = {row.solution.trace.nodes[1].meta["tier"] for row in store.rows(run)}
    assert tiers == {"mini"}
    assert found["systems"][0]["correct"] >= 9


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_silences_the_sandbox_too(place: Path, command: Callable[..., Any]) -> None:
    process = command(["compare", "pal@tiny", "--problems", "generated:level=3,n=3000", *SMALL])
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        with suppress(StoreError), Store.open(place / "store.db", readonly=True) as store:
            if any(run.n_answers for run in store.runs()):
                break
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.startswith("interrupted: what was answered and graded so far is in the store")
    assert err.count("\n") == 1

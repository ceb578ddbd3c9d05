"""A card is read as it stands, and what is wrong with one is named."""

from pathlib import Path

import pytest

from calculemus.card import Card, read_card
from calculemus.errors import CardError

GOOD = """
id = "abacus"
title = "An abacus"
date = "2024-06"
authors = 2
room = "solving"
interface = "Solver"
entry = "abacus:Abacus"
tags = ["stochastic"]
feed = ["gsm8k"]
summary = "Moves beads. Never tires."

[claim]
text = "Beads are right more often than fingers."
baseline = "cot"
treatment = "abacus"
metric = "accuracy"
direction = "higher"

[scope]
shows = "Beads."
does_not_show = "Fingers."

[differs]
beads = "Ours are round."
"""


def write(folder: Path, text: str, name: str = "abacus") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_card_has_what_stands_in_its_file_and_defaults_for_the_rest(tmp_path) -> None:
    card = read_card(write(tmp_path, GOOD))
    assert (card.id, card.title, card.date, card.authors) == ("abacus", "An abacus", "2024-06", 2)
    assert (card.claim.direction, card.claim.reported, card.scope.shows) == ("higher", "", "Beads.")
    assert (card.tags, card.arxiv, card.aliases) == (("stochastic",), "unknown", ())
    assert dict(card.differs) == {"beads": "Ours are round."}
    assert card.is_system
    assert card.path == tmp_path / "abacus.toml"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "An abacus"\n', "", "'title' is missing"),
        ("summary =", "sumary =", "no field 'sumary'; did you mean summary?"),
        ('metric = "accuracy"\n', "", r"'claim\.metric' is missing"),
        ("metric =", "metrik =", r"no field 'claim\.metrik'; did you mean metric"),
        ("authors = 2", 'authors = "two"', "'authors' is 'two'; expected a whole number"),
        ("authors = 2", "authors = -1", "'authors' is -1"),
        ("authors = 2", "authors = true", "'authors' is True"),
        ('tags = ["stochastic"]', "tags = [1]", r"'tags' is \[1\]; expected a list of texts"),
        ("[scope]", "[scope.deep]", r"'scope\.deep'"),
        ('room = "solving"', 'room = "kitchen"', "'room' is 'kitchen'; expected one of solving, merging"),
        ('"Solver"', '"Solvent"', "'interface' is 'Solvent'"),
        ('"2024-06"', '"June 2024"', "'date' is 'June 2024'; expected YYYY-MM-DD"),
        ('"2024-06"', '"2024-13"', "'date' is '2024-13'"),
        ('"higher"', '"better"', r"'claim\.direction' is 'better'"),
        ('["gsm8k"]', '["Math page"]', "'feed'"),
        ('"abacus:Abacus"', '"abacus.Abacus"', "'entry' is"),
        ('id = "abacus"', 'id = "abakus"', "'id' is 'abakus'; expected 'abacus', as the file is called"),
        ('"An abacus"', '""', "'title' is ''; expected text"),
        ("[differs]\nbeads", "[differs]\nbeads.color", "'differs'"),
        ("[claim]", "[claim", "Expected a TOML file"),
        ('title = "An abacus"', 'title = "An abacus"\npath = "x"', "'path'"),
    ],
)
def test_what_is_wrong_with_a_card_is_named_with_its_file(tmp_path, old, new, message) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(CardError, match=message) as caught:
        read_card(path)
    assert str(path) in str(caught.value)


def test_a_card_that_is_no_text_is_an_error(tmp_path) -> None:
    path = tmp_path / "abacus.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CardError, match=r"abacus\.toml"):
        read_card(path)
    with pytest.raises(CardError, match="No such file"):
        read_card(tmp_path / "none.toml")


def test_planned_baselines_are_no_systems(tmp_path) -> None:
    card = read_card(write(tmp_path, GOOD.replace('feed = ["gsm8k"]\n', "")))
    assert isinstance(card, Card)
    assert not card.is_system
